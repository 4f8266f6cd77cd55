//! The cameras as the kernel lists them in its own file system. Nothing is opened for that, so no camera wakes up and blinks.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel lists them.
pub(super) const ROOT: &str = "/sys/class/video4linux";
/// Video4Linux gives out no higher number (`VIDEO_NUM_DEVICES` in the kernel's `v4l2-dev.h`).
pub(super) const DEVICES: u32 = 256;

/// One device file of a camera; many cameras have a second one that gives no pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// That of `/dev/videoN`, which changes when cameras come and go.
    pub(super) number: u32,
    pub(super) name: String,
    /// Which of the camera's device files.
    index: u32,
    /// Where in the machine it sits: on USB, the port.
    place: PathBuf,
    pub(super) usb: Option<Usb>,
}

/// What a USB device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usb {
    pub(super) vendor: u16,
    pub(super) product: u16,
    /// Cheap cameras have none, or all the same.
    pub(super) serial: Option<String>,
}

/// All there are, by number. None where the kernel lists none, as in some containers.
pub(super) fn nodes(root: &Path) -> Vec<Node> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().take(DEVICES as usize);
    let mut nodes: Vec<Node> = entries.filter_map(|entry| node(&entry.path())).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(folder: &Path) -> Option<Node> {
    let number = folder.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
    let place = fs::canonicalize(folder.join("device")).ok()?;
    let index = said(folder, "index").and_then(|index| index.parse().ok()).unwrap_or(0);
    let usb = usb(&place).or_else(|| usb(place.parent()?));
    Some(Node { number, name: said(folder, "name").unwrap_or_default(), index, place, usb })
}

fn usb(folder: &Path) -> Option<Usb> {
    let id = |name| u16::from_str_radix(&said(folder, name)?, 16).ok();
    let serial = said(folder, "serial");
    Some(Usb { vendor: id("idVendor")?, product: id("idProduct")?, serial })
}

/// The text of one of the kernel's small files, if there is one.
fn said(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Node {
    pub(super) fn path(&self) -> PathBuf {
        format!("/dev/video{}", self.number).into()
    }

    /// Whether both may be the same camera: nothing that is written in them differs.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.index, &self.usb) == (&other.name, other.index, &other.usb)
    }

    /// Whether they are the same, as far as can be told: alike, and in the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.is_like(other) && self.place == other.place
    }

    pub(super) fn has_serial(&self) -> bool {
        self.usb.as_ref().is_some_and(|usb| usb.serial.is_some())
    }
}

#[cfg(test)]
pub(super) mod made_up {
    //! A tree like the kernel's, for tests.

    use std::os::unix::fs::symlink;

    use super::*;

    impl Node {
        pub(in super::super) fn made_up(
            number: u32,
            name: &str,
            place: &str,
            usb: Option<Usb>,
        ) -> Self {
            Self { number, name: name.into(), index: 0, place: place.into(), usb }
        }

        pub(in super::super) fn second(mut self) -> Self {
            self.index = 1;
            self
        }
    }

    /// Puts a node into the tree, at a port such as `1-3`; `ids` as `046d:0825` or `046d:0825:SERIAL`.
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
    use super::made_up::plug;
    use super::*;

    #[test]
    fn cameras_are_listed_with_what_tells_them_apart() {
        let tree = tempfile::tempdir().unwrap();
        plug(tree.path(), 10, "HD Webcam", "1-4", "046d:0825:A1");
        plug(tree.path(), 2, "HD Webcam", "1-3", "046d:0825");
        fs::create_dir(tree.path().join("class/vbi0")).unwrap();
        let nodes = nodes(&tree.path().join("class"));
        let [second, first] = &nodes[..] else { panic!("{nodes:?}") };
        assert_eq!((second.number, first.number), (2, 10));
        let ids = Usb { vendor: 0x046d, product: 0x0825, serial: Some("A1".into()) };
        assert_eq!(first.usb, Some(ids));
        assert!(!first.is_like(second) && first.has_serial() && !second.has_serial());
        assert!(second.place.ends_with("1-3/1-3:1.0"));
        assert_eq!(first.path(), Path::new("/dev/video10"));
    }

    #[test]
    fn where_the_kernel_lists_nothing_there_is_nothing() {
        assert_eq!(nodes(Path::new("/nowhere")), []);
    }
}
