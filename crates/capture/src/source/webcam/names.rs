//! Names of a camera that stay the same when cameras come and go.

use std::fs;
use std::path::{Path, PathBuf};

use super::selector::Selector;
use super::sysfs::Node;
use crate::source::spec::looks_like_size;

/// Where links to cameras lie, named after the camera and after the place it is plugged in.
const LINKS: [&str; 2] = ["/dev/v4l/by-id", "/dev/v4l/by-path"];

/// The lasting names of a camera among all there are, the best first: its name on the USB, where no other camera bears it,
/// then the links that lead to it.
pub(super) fn lasting(camera: &Node, all: &[&Node]) -> Vec<String> {
    let links = LINKS.iter().flat_map(|folder| links(Path::new(folder), &camera.path()));
    let links = links.map(|link| link.display().to_string());
    on_usb(camera, all).into_iter().chain(links).collect()
}

/// For each camera what to write for it, so that no two are the same.
pub(super) fn of_each(cameras: &[&Node]) -> Vec<String> {
    cameras.iter().map(|camera| best(camera, cameras)).collect()
}

/// What to write for a camera among all there are: what still leads to it when others come and go. Two of one type that do
/// not say their serial differ only in the port they are plugged into.
pub(super) fn best(camera: &Node, all: &[&Node]) -> String {
    let lasting = lasting(camera, all);
    let by_port = lasting.iter().find(|name| name.contains("/by-path/"));
    let on_usb = lasting.first().filter(|name| name.starts_with("usb:"));
    on_usb.or(by_port).cloned().unwrap_or_else(|| camera.path().display().to_string())
}

fn on_usb(camera: &Node, all: &[&Node]) -> Option<String> {
    let usb = camera.usb.as_ref()?;
    let name = |serial| Selector::Usb { vendor: usb.vendor, product: usb.product, serial };
    // What looks like a mode behind a source would be taken for one.
    let serial = usb.serial.clone().filter(|serial| !looks_like_size(serial));
    let names = [serial.clone().map(|serial| name(Some(serial))), Some(name(None))];
    let alone = |which: &Selector| all.iter().filter(|other| which.fits(other)).count() <= 1;
    names.into_iter().flatten().find(alone).map(|which| which.to_string())
}

/// The links in a folder that lead to a device.
fn links(folder: &Path, device: &Path) -> Vec<PathBuf> {
    let leads = |link: &Path| fs::canonicalize(link).is_ok_and(|target| target == device);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|link| leads(link)).collect();
    links.sort();
    links
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn camera(number: u32, port: &str, serial: Option<&str>) -> Node {
        let usb = Usb { vendor: 0x046d, product: 0x0825, serial: serial.map(Into::into) };
        Node::made_up(number, "HD Webcam", port, Some(usb))
    }

    fn written(cameras: &[Node]) -> Vec<String> {
        of_each(&cameras.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_camera_is_written_as_what_no_other_is_called() {
        assert_eq!(written(&[camera(0, "1-3", None)]), ["usb:046d:0825"]);
        let two = [camera(0, "1-3", Some("A1")), camera(2, "1-4", Some("B2"))];
        assert_eq!(written(&two), ["usb:046d:0825:A1", "usb:046d:0825:B2"]);
        let same = [camera(240, "1-3", Some("0001")), camera(242, "1-4", Some("0001"))];
        assert_eq!(written(&same), ["/dev/video240", "/dev/video242"]);
        let odd = [camera(0, "1-3", Some("12x34"))];
        assert_eq!(written(&odd), ["usb:046d:0825"], "a serial that looks like a size");
        assert_eq!(written(&[Node::made_up(241, "Built in", "vivid.0", None)]), ["/dev/video241"]);
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
