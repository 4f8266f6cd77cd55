//! Persistent names of a camera, which stay the same when other cameras are plugged and unplugged.

use std::fs;
use std::path::{Path, PathBuf};

use super::selector::Selector;
use super::sysfs::Node;
use crate::source::mode::looks_like_mode;

/// The folders with links to cameras, named by camera and by USB port.
const LINKS: [&str; 2] = ["/dev/v4l/by-id", "/dev/v4l/by-path"];

/// Returns the persistent names of a camera among `all`, the best first: its USB identity if no other camera matches
/// it, then the links to its device file.
pub(super) fn persistent(camera: &Node, all: &[&Node]) -> Vec<String> {
    let links = LINKS.iter().flat_map(|folder| links(Path::new(folder), &camera.path()));
    let links = links.map(|link| link.display().to_string());
    on_usb(camera, all).into_iter().chain(links).collect()
}

/// Returns a name for each camera. No two are the same.
pub(super) fn of_each(cameras: &[&Node]) -> Vec<String> {
    cameras.iter().map(|camera| best(camera, cameras)).collect()
}

/// Returns the best name for a camera among `all`: a persistent one if possible. Two cameras of the same type without
/// serial numbers differ only in their USB ports.
pub(super) fn best(camera: &Node, all: &[&Node]) -> String {
    let names = persistent(camera, all);
    let by_port = names.iter().find(|name| name.contains("/by-path/"));
    let on_usb = names.first().filter(|name| name.starts_with("usb:"));
    on_usb.or(by_port).cloned().unwrap_or_else(|| camera.path().display().to_string())
}

fn on_usb(camera: &Node, all: &[&Node]) -> Option<String> {
    let usb = camera.usb.as_ref()?;
    let name = |serial| Selector::Usb { vendor: usb.vendor, product: usb.product, serial };
    // A serial that looks like a mode would be parsed as one.
    let serial = usb.serial.clone().filter(|serial| !looks_like_mode(serial));
    let names = [serial.clone().map(|serial| name(Some(serial))), Some(name(None))];
    let is_unique =
        |selector: &Selector| all.iter().filter(|other| selector.matches(other)).count() <= 1;
    names.into_iter().flatten().find(is_unique).map(|selector| selector.to_string())
}

/// Returns the links in a folder that lead to a device.
fn links(folder: &Path, device: &Path) -> Vec<PathBuf> {
    let leads_there = |link: &Path| fs::canonicalize(link).is_ok_and(|target| target == device);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|link| leads_there(link)).collect();
    links.sort();
    links
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn camera(number: u32, port: &str, serial: Option<&str>) -> Node {
        let usb = Usb { vendor: 0x046d, product: 0x0825, serial: serial.map(Into::into) };
        Node::fake(number, "HD Webcam", port, Some(usb))
    }

    fn names(cameras: &[Node]) -> Vec<String> {
        of_each(&cameras.iter().collect::<Vec<_>>())
    }

    #[test]
    fn each_camera_gets_a_name_that_matches_no_other() {
        assert_eq!(names(&[camera(0, "1-3", None)]), ["usb:046d:0825"]);
        let two = [camera(0, "1-3", Some("A1")), camera(2, "1-4", Some("B2"))];
        assert_eq!(names(&two), ["usb:046d:0825:A1", "usb:046d:0825:B2"]);
        let same = [camera(240, "1-3", Some("0001")), camera(242, "1-4", Some("0001"))];
        assert_eq!(names(&same), ["/dev/video240", "/dev/video242"]);
        let odd = [camera(0, "1-3", Some("12x34"))];
        assert_eq!(names(&odd), ["usb:046d:0825"], "a serial that looks like a size");
        assert_eq!(names(&[Node::fake(241, "Built in", "vivid.0", None)]), ["/dev/video241"]);
    }

    #[test]
    fn links_to_a_device_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().canonicalize().unwrap().join("video9");
        fs::write(&device, "").unwrap();
        let link = folder.path().join("usb-cam");
        std::os::unix::fs::symlink(&device, &link).unwrap();
        assert!(links(folder.path(), &device).contains(&link));
        assert!(links(Path::new("/nowhere"), &device).is_empty());
    }
}
