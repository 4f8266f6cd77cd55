//! Diagnosis of a webcam that delivers no video. OpenCV reports no reason, so the driver is queried.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::list;
use super::v4l2::Device;
use crate::source::error::SourceError;

/// Short, because a reason in the catalog has at most 200 bytes.
const OURSELVES: &str = "fanlight-capture itself, for another stream or in a thread blocked in its driver: replug the \
    camera, or restart fanlight-capture";

/// Returns why a camera cannot be opened, by querying driver and system after the failure.
pub(super) fn reason(path: &Path) -> SourceError {
    let unknown =
        || SourceError::Other(format!("{} is connected but delivers no video", path.display()));
    examine(path).err().unwrap_or_else(unknown)
}

/// Returns why a camera stopped delivering video. `name` is its name for messages.
pub(super) fn reason_of_interruption(path: &Path, name: &str) -> SourceError {
    let shown = path.display();
    match examine(path) {
        Err(SourceError::NotFound(_) | SourceError::Unplugged(_)) => {
            SourceError::Unplugged(name.into())
        }
        Err(other) => other,
        Ok(()) => SourceError::Other(format!(
            "{shown} stopped delivering video, as if briefly unplugged: check its cable if this happens again"
        )),
    }
}

/// Checks that the camera can start.
fn examine(path: &Path) -> Result<(), SourceError> {
    let shown = path.display();
    let device = Device::open(path).map_err(|error| reason_of(path, &error))?;
    let started = match device.info() {
        Err(error) if gone(&error) => return Err(unplugged(path)),
        Err(_) => return Err(SourceError::NotAVideo(format!("{shown} is not a camera"))),
        Ok(info) if !info.captures => {
            let found = list::found();
            return Err(SourceError::NotAVideo(format!(
                "{shown} belongs to {:?} but delivers no video ({found})",
                info.name
            )));
        }
        Ok(_) => device.try_start(),
    };
    // Closed first, so that this process is not found as the one that uses the camera.
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
        Some(libc::EBUSY) => SourceError::Busy(format!("{shown} is used by {}", user_of(path))),
        Some(libc::ENOSPC) => SourceError::Bandwidth(format!(
            "use another USB port for {shown}, or a smaller mode such as {shown}:640x480@15"
        )),
        _ if gone(error) => unplugged(path),
        _ => SourceError::Other(format!("{shown}: the camera's driver reports: {error}")),
    }
}

fn unplugged(path: &Path) -> SourceError {
    SourceError::Unplugged(path.display().to_string())
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}

/// Returns the process that uses a device, as far as this user may see it.
fn user_of(device: &Path) -> String {
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
    fn a_missing_camera_is_reported_with_those_that_exist() {
        let text = reason(Path::new("/dev/video77")).to_string();
        assert!(text.starts_with("not found: /dev/video77 ("), "{text}");
    }

    #[test]
    fn each_error_states_what_to_do() {
        assert!(of(libc::EACCES).contains("group video"));
        assert_eq!(of(libc::EBUSY), "busy: /dev/video77 is used by another program");
        assert!(
            of(libc::ENOSPC).contains("USB bandwidth exceeded")
                && of(libc::ENOSPC).contains("640x480")
        );
        assert_eq!(of(libc::ENODEV), "unplugged: /dev/video77");
        assert!(of(libc::EIO).contains("driver reports"));
    }

    #[test]
    fn a_device_that_is_not_a_camera_is_reported() {
        assert_eq!(
            reason(Path::new("/dev/null")).to_string(),
            "not a video: /dev/null is not a camera"
        );
    }

    #[test]
    fn the_process_that_uses_a_device_is_found() {
        // A child process with /dev/full open, which other processes rarely use.
        let full = || fs::File::open("/dev/full").unwrap();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(full())
            .spawn()
            .unwrap();
        let found = user_of(Path::new("/dev/full"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&format!("(pid {})", child.id())), "{found}");
    }

    #[test]
    fn a_device_that_this_process_uses_is_reported() {
        let own = std::process::id();
        let _open = fs::File::open("/dev/full").unwrap();
        assert_eq!(held_by([own].into_iter(), Path::new("/dev/full")), Some(own));
        assert_eq!(held_by([own].into_iter(), Path::new("/dev/video77")), None);
        assert!(OURSELVES.contains("fanlight-capture itself"));
    }
}
