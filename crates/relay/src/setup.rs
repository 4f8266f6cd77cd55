//! The hints for an empty wall: how to start a capture on this machine, and the webcams that are connected to it. Reads the
//! kernel's list of devices; opens none of them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{Setup, Webcam};
use parking_lot::Mutex;

/// The program that reads cameras, installed beside this one.
const CAPTURE: &str = "fanlight-capture";
/// The kernel's list of video devices, and the folder with their nodes.
const LISTED: &str = "/sys/class/video4linux";
const NODES: &str = "/dev";
/// The devices are listed again after this time: a camera that was just plugged in appears soon, whatever the number of pages.
const FRESH: Duration = Duration::from_secs(2);
/// Most webcams to show: more commands than this are no help.
const MAX_WEBCAMS: usize = 8;
/// Longest name of a webcam to show, in characters. USB allows 126.
const MAX_NAME: usize = 64;

/// The hints for an empty wall.
#[derive(Debug)]
pub struct SetupHints {
    capture: String,
    webcams: Mutex<Option<(Timestamp, Vec<Webcam>)>>,
}

impl SetupHints {
    /// Finds the capture program of this installation.
    pub fn of_this_machine() -> Self {
        let (program, home) = (std::env::current_exe().ok(), std::env::var_os("HOME"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folder = program.as_deref().and_then(Path::parent);
        let capture = capture_command(folder, home.as_deref().map(Path::new), &path);
        Self { capture, webcams: Mutex::default() }
    }

    /// Returns the hints, with the webcams that are connected now.
    pub fn at(&self, now: Timestamp) -> Setup {
        let mut known = self.webcams.lock();
        let fresh = known.take().filter(|(listed_at, _)| now.since(*listed_at) < FRESH);
        let (_, webcams) =
            known.insert(fresh.unwrap_or_else(|| (now, webcams(LISTED.as_ref(), NODES.as_ref()))));
        Setup { capture: self.capture.clone(), webcams: webcams.clone() }
    }
}

/// Returns the command that starts a capture, for a shell: its name if the shell finds it, else its path.
fn capture_command(folder: Option<&Path>, home: Option<&Path>, path: &OsStr) -> String {
    let Some(folder) = folder.filter(|folder| folder.join(CAPTURE).is_file()) else {
        return CAPTURE.into();
    };
    if std::env::split_paths(path).any(|searched| searched == folder) {
        return CAPTURE.into();
    }
    let program = folder.join(CAPTURE);
    // A shell expands `~` only outside of quotes.
    let below_home = home.and_then(|home| program.strip_prefix(home).ok()).and_then(Path::to_str);
    match below_home.filter(|rest| is_plain(rest)) {
        Some(rest) => format!("~/{rest}"),
        None => quoted(&program.to_string_lossy()),
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._+-".contains(letter))
}

fn quoted(text: &str) -> String {
    if is_plain(text) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Lists the USB cameras. A camera has further nodes, for metadata; those have a higher index. Other devices in the list are
/// codecs and parts of a camera, which deliver no pictures by themselves.
fn webcams(listed: &Path, nodes: &Path) -> Vec<Webcam> {
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| numbered(entry.path())).collect();
    found.sort();
    let webcams = found.iter().filter_map(|(number, entry)| webcam(*number, entry, nodes));
    webcams.take(MAX_WEBCAMS).collect()
}

fn numbered(entry: PathBuf) -> Option<(u32, PathBuf)> {
    let number = entry.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
    Some((number, entry))
}

fn webcam(number: u32, entry: &Path, nodes: &Path) -> Option<Webcam> {
    let node = nodes.join(format!("video{number}"));
    let bus = fs::canonicalize(entry.join("device/subsystem")).ok()?;
    let is_first = fs::read_to_string(entry.join("index")).ok()?.trim() == "0";
    if !is_first || bus.file_name() != Some(OsStr::new("usb")) || !node.exists() {
        return None;
    }
    let name = fs::read_to_string(entry.join("name")).unwrap_or_default();
    let name = name.trim().chars().filter(|letter| !letter.is_control()).take(MAX_NAME).collect();
    Some(Webcam { device: node.to_str()?.into(), name })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Installs an empty program in a folder.
    fn install(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(CAPTURE), "").unwrap();
    }

    #[test]
    fn the_command_is_the_program_beside_this_one() {
        let home = tempfile::tempdir().unwrap();
        let built = home.path().join("fanlight/target/release");
        install(&built);
        let command = |folder: &Path, path: &Path| {
            capture_command(Some(folder), Some(home.path()), path.as_os_str())
        };
        let elsewhere = Path::new("/usr/bin:/bin");
        assert_eq!(command(&built, elsewhere), "~/fanlight/target/release/fanlight-capture");
        assert_eq!(command(&built, &built), "fanlight-capture", "the shell finds it");
        let outside = capture_command(Some(&built), None, elsewhere.as_os_str());
        assert_eq!(outside, built.join(CAPTURE).to_str().unwrap());
        assert_eq!(command(home.path(), elsewhere), "fanlight-capture", "there is none");
        let odd = home.path().join("Marie's clone");
        install(&odd);
        let expected = odd.to_str().unwrap().replace('\'', r"'\''");
        assert_eq!(command(&odd, elsewhere), format!("'{expected}/fanlight-capture'"));
    }

    /// Adds a device to a list of devices.
    fn add(root: &Path, number: u32, (bus, index, name): (&str, &str, &str)) {
        let device = root.join(format!("listed/video{number}/device"));
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(root.join(bus)).unwrap();
        symlink(root.join(bus), device.join("subsystem")).unwrap();
        fs::write(device.join("../index"), format!("{index}\n")).unwrap();
        fs::write(device.join("../name"), format!("{name}\n")).unwrap();
        fs::create_dir_all(root.join("nodes")).unwrap();
        fs::write(root.join(format!("nodes/video{number}")), "").unwrap();
    }

    #[test]
    fn webcams_are_listed_by_name_and_other_devices_are_not() {
        let root = tempfile::tempdir().unwrap();
        let list = || webcams(&root.path().join("listed"), &root.path().join("nodes"));
        assert_eq!(list(), []);
        add(root.path(), 10, ("usb", "0", "C270\tHD WEBCAM"));
        add(root.path(), 2, ("usb", "0", "USB Camera: USB Camera"));
        add(root.path(), 3, ("usb", "1", "USB Camera: metadata"));
        add(root.path(), 4, ("platform", "0", "bcm2835-codec-decode"));
        add(root.path(), 5, ("usb", "0", "unplugged a moment ago"));
        fs::remove_file(root.path().join("nodes/video5")).unwrap();
        let found: Vec<(String, String)> =
            list().into_iter().map(|found| (found.device, found.name)).collect();
        let node = |number: u32| {
            root.path().join(format!("nodes/video{number}")).to_str().unwrap().to_owned()
        };
        let expected = [(node(2), "USB Camera: USB Camera"), (node(10), "C270HD WEBCAM")];
        assert_eq!(found, expected.map(|(device, name)| (device, name.to_owned())));
        for number in 20..40 {
            add(root.path(), number, ("usb", "0", "one of many"));
        }
        assert_eq!(list().len(), MAX_WEBCAMS);
    }
}
