//! Cameras as the kernel lists them in sysfs. No device is opened, so no camera wakes up or lights its LED.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder in which the kernel lists cameras.
pub(super) const ROOT: &str = "/sys/class/video4linux";
/// The number of devices that Video4Linux supports (`VIDEO_NUM_DEVICES` in the kernel's `v4l2-dev.h`).
pub(super) const MAX_DEVICES: u32 = 256;

/// A device file of a camera. Many cameras have a second one that delivers no video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// The number in `/dev/videoN`, which changes when cameras are plugged and unplugged.
    pub(super) number: u32,
    pub(super) name: String,
    /// The index among the camera's device files.
    index: u32,
    /// The parent device: on USB, the interface at a port.
    parent: PathBuf,
    pub(super) usb: Option<Usb>,
}

/// The identity of a USB device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usb {
    pub(super) vendor: u16,
    pub(super) product: u16,
    /// Cheap cameras have none, or all have the same.
    pub(super) serial: Option<String>,
}

/// Returns all device files, by number. In some containers the kernel lists none.
pub(super) fn nodes(root: &Path) -> Vec<Node> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().take(MAX_DEVICES as usize);
    let mut nodes: Vec<Node> = entries.filter_map(|entry| node(&entry.path())).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(folder: &Path) -> Option<Node> {
    let number = folder.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
    let parent = fs::canonicalize(folder.join("device")).ok()?;
    let index = read(folder, "index").and_then(|index| index.parse().ok()).unwrap_or(0);
    let usb = usb(&parent).or_else(|| usb(parent.parent()?));
    Some(Node { number, name: read(folder, "name").unwrap_or_default(), index, parent, usb })
}

fn usb(folder: &Path) -> Option<Usb> {
    let id = |name| u16::from_str_radix(&read(folder, name)?, 16).ok();
    let serial = read(folder, "serial");
    Some(Usb { vendor: id("idVendor")?, product: id("idProduct")?, serial })
}

/// Reads a file of sysfs; returns `None` if it is missing or empty.
fn read(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Node {
    pub(super) fn path(&self) -> PathBuf {
        format!("/dev/video{}", self.number).into()
    }

    /// Returns whether both may be the same camera: name, index and USB identity are equal.
    pub(super) fn has_identity_of(&self, other: &Self) -> bool {
        (&self.name, self.index, &self.usb) == (&other.name, other.index, &other.usb)
    }

    /// Returns whether both are the same camera, as far as can be determined: the same identity, in the same port.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.has_identity_of(other) && self.parent == other.parent
    }

    pub(super) fn has_serial(&self) -> bool {
        self.usb.as_ref().is_some_and(|usb| usb.serial.is_some())
    }
}

#[cfg(test)]
pub(super) mod fake {
    //! A folder tree like the kernel's, for tests.

    use std::os::unix::fs::symlink;

    use super::*;

    impl Node {
        pub(in super::super) fn fake(
            number: u32,
            name: &str,
            parent: &str,
            usb: Option<Usb>,
        ) -> Self {
            Self { number, name: name.into(), index: 0, parent: parent.into(), usb }
        }

        pub(in super::super) fn second(mut self) -> Self {
            self.index = 1;
            self
        }
    }

    /// Adds a device at a port such as `1-3`, with `ids` such as `046d:0825` or `046d:0825:SERIAL`.
    pub(in super::super) fn plug(root: &Path, number: u32, name: &str, port: &str, ids: &str) {
        let device = root.join("devices").join(port);
        let interface = device.join(format!("{port}:1.0"));
        let folder = root.join("class").join(format!("video{number}"));
        fs::create_dir_all(&interface).unwrap();
        fs::create_dir_all(&folder).unwrap();
        let mut ids = ids.splitn(3, ':');
        for file in ["idVendor", "idProduct", "serial"] {
            match ids.next() {
                Some(id) => fs::write(device.join(file), format!("{id}\n")).unwrap(),
                None => drop(fs::remove_file(device.join(file))),
            }
        }
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("index"), "0\n").unwrap();
        symlink(&interface, folder.join("device")).unwrap();
    }

    pub(in super::super) fn unplug(root: &Path, number: u32) {
        fs::remove_dir_all(root.join("class").join(format!("video{number}"))).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::fake::plug;
    use super::*;

    #[test]
    fn cameras_are_listed_with_their_identity_and_port() {
        let tree = tempfile::tempdir().unwrap();
        plug(tree.path(), 10, "HD Webcam", "1-4", "046d:0825:A1");
        plug(tree.path(), 2, "HD Webcam", "1-3", "046d:0825");
        fs::create_dir(tree.path().join("class/vbi0")).unwrap();
        let nodes = nodes(&tree.path().join("class"));
        let [second, first] = &nodes[..] else { panic!("{nodes:?}") };
        assert_eq!((second.number, first.number), (2, 10));
        let ids = Usb { vendor: 0x046d, product: 0x0825, serial: Some("A1".into()) };
        assert_eq!(first.usb, Some(ids));
        assert!(!first.has_identity_of(second) && first.has_serial() && !second.has_serial());
        assert!(second.parent.ends_with("1-3/1-3:1.0"));
        assert_eq!(first.path(), Path::new("/dev/video10"));
    }

    #[test]
    fn without_a_sysfs_folder_no_cameras_are_listed() {
        assert_eq!(nodes(Path::new("/nowhere")), []);
    }
}
