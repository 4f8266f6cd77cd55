//! Why a webcam gives no pictures. OpenCV only says that it does not, so the driver is asked.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::list;
use super::v4l2::Device;
use crate::source::SourceError;

/// Kept short, because a reason in the catalog has 200 bytes at most.
const OURSELVES: &str = "this program itself, for another stream or by a thread stuck in its driver: replug the camera, or \
    restart fanlight-capture";

/// Why a camera cannot be opened, asked of driver and system after it failed.
pub(super) fn reason(path: &Path) -> SourceError {
    let well = || SourceError::Other(format!("{} is there but gave no picture", path.display()));
    examine(path).err().unwrap_or_else(well)
}

/// Why a camera of this name that gave pictures gives none any more.
pub(super) fn reason_of_breaking_off(path: &Path, called: &str) -> SourceError {
    let shown = path.display();
    match examine(path) {
        Err(SourceError::NotFound(_) | SourceError::Unplugged(_)) => {
            SourceError::Unplugged(called.into())
        }
        Err(other) => other,
        Ok(()) => SourceError::Other(format!(
            "{shown} stopped giving pictures, as if unplugged for a moment; look after its cable if that happens again"
        )),
    }
}

/// Whether the camera would start.
fn examine(path: &Path) -> Result<(), SourceError> {
    let shown = path.display();
    let device = Device::open(path).map_err(|error| reason_of(path, &error))?;
    let started = match device.card() {
        Err(error) if gone(&error) => return Err(unplugged(path)),
        Err(_) => return Err(SourceError::NotAVideo(format!("{shown} is no camera"))),
        Ok(card) if !card.captures => {
            let found = list::found();
            return Err(SourceError::NotAVideo(format!(
                "{shown} belongs to {:?} but gives no pictures ({found})",
                card.name
            )));
        }
        Ok(_) => device.try_start(),
    };
    // Let go of it first, or we would find ourselves to be those who keep it busy.
    drop(device);
    started.map_err(|error| reason_of(path, &error))
}

fn reason_of(path: &Path, error: &io::Error) -> SourceError {
    let shown = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) => SourceError::NotFound(format!("{shown} ({})", list::found())),
        Some(libc::EACCES | libc::EPERM) => SourceError::NotPermitted(format!(
            "{shown}: add this user to group video (sudo usermod -aG video NAME) and log in again"
        )),
        Some(libc::EBUSY) => SourceError::Busy(format!("{shown} is used by {}", holder(path))),
        Some(libc::ENOSPC) => SourceError::Bandwidth(format!(
            "use another USB port for {shown}, or ask for less, for example {shown}:640x480@15"
        )),
        _ if gone(error) => unplugged(path),
        _ => SourceError::Other(format!("{shown}: the camera's driver says: {error}")),
    }
}

fn unplugged(path: &Path) -> SourceError {
    SourceError::Unplugged(path.display().to_string())
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}

/// Who has this device open, as far as this user may see that.
fn holder(device: &Path) -> String {
    let own = std::process::id();
    let others = processes().filter(|&pid| pid != own);
    if let Some(pid) = held_by(others, device) {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("{} (pid {pid})", name.trim());
    }
    match held_by([own].into_iter(), device) {
        Some(_) => OURSELVES.into(),
        None => "another program".into(),
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn held_by(mut pids: impl Iterator<Item = u32>, device: &Path) -> Option<u32> {
    let device = fs::metadata(device).ok()?.rdev();
    pids.find(|&pid| has_open(pid, device))
}

fn has_open(pid: u32, device: u64) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files.flatten().any(|file| fs::metadata(file.path()).is_ok_and(|file| file.rdev() == device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: i32) -> String {
        reason_of(Path::new("/dev/video77"), &io::Error::from_raw_os_error(errno)).to_string()
    }

    #[test]
    fn a_missing_camera_is_named_beside_those_there_are() {
        let text = reason(Path::new("/dev/video77")).to_string();
        assert!(text.starts_with("not found: /dev/video77 ("), "{text}");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        assert!(of(libc::EACCES).contains("group video"));
        assert_eq!(of(libc::EBUSY), "busy: /dev/video77 is used by another program");
        assert!(
            of(libc::ENOSPC).contains("USB bandwidth full") && of(libc::ENOSPC).contains("640x480")
        );
        assert_eq!(of(libc::ENODEV), "unplugged: /dev/video77");
        assert!(of(libc::EIO).contains("driver says"));
    }

    #[test]
    fn a_device_that_is_no_camera_is_called_so() {
        assert_eq!(
            reason(Path::new("/dev/null")).to_string(),
            "not a video: /dev/null is no camera"
        );
    }

    #[test]
    fn who_holds_a_device_is_found() {
        // A child with /dev/full open, which hardly anybody else has.
        let full = || fs::File::open("/dev/full").unwrap();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(full())
            .spawn()
            .unwrap();
        let found = holder(Path::new("/dev/full"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&format!("(pid {})", child.id())), "{found}");
    }

    #[test]
    fn that_we_hold_it_ourselves_is_said() {
        let own = std::process::id();
        let _open = fs::File::open("/dev/full").unwrap();
        assert_eq!(held_by([own].into_iter(), Path::new("/dev/full")), Some(own));
        assert_eq!(held_by([own].into_iter(), Path::new("/dev/video77")), None);
        assert!(OURSELVES.contains("this program itself"));
    }
}
