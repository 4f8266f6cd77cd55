//! Why a webcam gives no pictures. OpenCV only says that it does not, so the driver is asked.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::list;
use super::v4l2::Device;
use crate::source::SourceError;

/// The reason, asked of driver and system after something failed.
pub(super) fn reason(path: &Path) -> SourceError {
    match Device::open(path) {
        Ok(device) => reason_of_opened(path, &device),
        Err(error) => reason_of(path, &error),
    }
}

fn reason_of_opened(path: &Path, device: &Device) -> SourceError {
    let shown = path.display();
    let failed = match device.card() {
        Err(error) if gone(&error) => return unplugged(path),
        Err(_) => return SourceError::NotAVideo(format!("{shown} is no camera")),
        Ok(card) if !card.captures => {
            let found = list::found();
            return SourceError::NotAVideo(format!(
                "{shown} belongs to {:?} but gives no pictures ({found})",
                card.name
            ));
        }
        Ok(_) => device.try_start(),
    };
    match failed {
        Err(error) => reason_of(path, &error),
        Ok(()) => SourceError::Other(format!("{shown} is there but gave no picture")),
    }
}

fn reason_of(path: &Path, error: &io::Error) -> SourceError {
    let shown = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) => SourceError::NotFound(format!("{shown} ({})", list::found())),
        Some(libc::EACCES | libc::EPERM) => SourceError::NotPermitted(format!(
            "{shown}: add this user to group video (sudo usermod -aG video NAME) and log in again"
        )),
        Some(libc::EBUSY) => SourceError::Busy(match holder(path) {
            Some(holder) => format!("{shown} is used by {holder}"),
            None => format!("{shown} is used by another program"),
        }),
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

/// The other program that has this device open, where this user may see that.
fn holder(device: &Path) -> Option<String> {
    let device = fs::metadata(device).ok()?.rdev();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|&pid| pid != std::process::id() && has_open(pid, device))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
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
        assert!(found.is_some_and(|found| found.contains(&format!("(pid {})", child.id()))));
    }
}
