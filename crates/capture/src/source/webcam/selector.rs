//! The selector of a webcam: its device file, or its USB identity.

use std::fmt;
use std::path::{Path, PathBuf};

use super::sysfs::Node;

/// A webcam as the user identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `/dev/video0`, or another path to a device file.
    Path(PathBuf),
    /// `usb:VID:PID`, the two numbers that `lsusb` shows, optionally with `:SERIAL`.
    Usb {
        /// The vendor ID.
        vendor: u16,
        /// The product ID.
        product: u16,
        /// The serial number, if one is required.
        serial: Option<String>,
    },
    /// `usb:NAME`: a part of its name, in upper or lower case.
    Named(String),
}

impl Selector {
    /// Parses the text after `usb:`; returns `None` if it is empty.
    pub fn from_usb(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let ids = parts.next().and_then(id).zip(parts.next().and_then(id));
        let serial = parts.next().filter(|serial| !serial.is_empty());
        match ids {
            Some((vendor, product)) => {
                Some(Self::Usb { vendor, product, serial: serial.map(Into::into) })
            }
            None => (!text.trim().is_empty()).then(|| Self::Named(text.trim().into())),
        }
    }

    /// Returns whether it matches a device.
    pub(super) fn matches(&self, node: &Node) -> bool {
        match self {
            Self::Path(path) => path == &node.path(),
            Self::Usb { vendor, product, serial } => node.usb.as_ref().is_some_and(|usb| {
                let same = (usb.vendor, usb.product) == (*vendor, *product);
                same && (serial.is_none() || *serial == usb.serial)
            }),
            Self::Named(name) => {
                node.name.to_ascii_lowercase().contains(&name.to_ascii_lowercase())
            }
        }
    }

    /// Returns whether it depends on the kernel's numbering, which changes when cameras are plugged and unplugged.
    /// Links below `/dev/v4l` always lead to their camera.
    pub(super) fn is_numbered(&self) -> bool {
        match self {
            Self::Path(path) => number(path).is_some(),
            Self::Usb { .. } | Self::Named(_) => true,
        }
    }
}

/// Returns the number in `/dev/videoN`.
pub(super) fn number(path: &Path) -> Option<u32> {
    path.to_str()?.strip_prefix("/dev/video")?.parse().ok()
}

/// Parses four hexadecimal digits.
fn id(text: &str) -> Option<u16> {
    let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Usb { vendor, product, serial } => {
                write!(f, "usb:{vendor:04x}:{product:04x}")?;
                serial.as_ref().map_or(Ok(()), |serial| write!(f, ":{serial}"))
            }
            Self::Named(name) => write!(f, "usb:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn usb(text: &str) -> Selector {
        Selector::from_usb(text).unwrap()
    }

    #[test]
    fn a_usb_selector_is_two_ids_with_an_optional_serial_or_a_name() {
        assert_eq!(
            usb("046D:0825"),
            Selector::Usb { vendor: 0x046d, product: 0x0825, serial: None }
        );
        let one = usb("046d:0825:A1:B2");
        assert!(matches!(&one, Selector::Usb { serial: Some(serial), .. } if serial == "A1:B2"));
        assert_eq!(one.to_string(), "usb:046d:0825:A1:B2");
        assert_eq!(usb("046d"), Selector::Named("046d".into()));
        assert_eq!(usb("C270: HD").to_string(), "usb:C270: HD");
        assert_eq!(Selector::from_usb(" "), None);
    }

    #[test]
    fn a_part_of_a_name_matches_in_upper_or_lower_case() {
        let ids = Usb { vendor: 0x046d, product: 0x0825, serial: Some("A1".into()) };
        let node = Node::fake(2, "HD Webcam C270", "1-3:1.0", Some(ids));
        for matching in ["c270", "hd webcam", "046d:0825", "046d:0825:A1"] {
            assert!(usb(matching).matches(&node), "{matching}");
        }
        for other in ["c920", "046d:0826", "046d:0825:A2"] {
            assert!(!usb(other).matches(&node), "{other}");
        }
    }

    #[test]
    fn only_the_kernels_numbers_change() {
        assert!(Selector::Path("/dev/video10".into()).is_numbered());
        assert!(!Selector::Path("/dev/v4l/by-id/usb-x-video-index0".into()).is_numbered());
        assert!(!Selector::Path("/dev/videofront".into()).is_numbered());
    }
}
