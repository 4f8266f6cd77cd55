//! Recognition of a camera that was unplugged and returned under another device number.

use super::sysfs::Node;

/// The camera that a stream used, and the other cameras at that time.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    camera: Node,
    others: Vec<Node>,
    missing: bool,
}

impl Memory {
    /// Remembers the camera with this device number, and the others in `nodes`.
    pub(super) fn of(number: u32, nodes: &[Node]) -> Option<Self> {
        let camera = nodes.iter().find(|node| node.number == number)?.clone();
        let others = nodes.iter().filter(|node| node.number != number).cloned().collect();
        Some(Self { camera, others, missing: false })
    }

    pub(super) fn camera(&self) -> &Node {
        &self.camera
    }

    /// Finds the camera in `now`. In its old USB port it is recognized immediately. In another port it must have the
    /// same identity, be the only match, and not be one of the other cameras: a camera of the same type that was there
    /// before is a different one.
    pub(super) fn find<'a>(&mut self, now: &'a [Node]) -> Option<&'a Node> {
        if let Some(node) = now.iter().find(|node| node.is(&self.camera)) {
            self.missing = false;
            return Some(node);
        }
        if !std::mem::replace(&mut self.missing, true) {
            // No user moves a camera to another port before this check notices that it is gone. Serial numbers need no
            // such rule.
            self.others.extend(now.iter().filter(|node| !node.has_serial()).cloned());
        }
        let mut moved =
            now.iter().filter(|node| node.has_identity_of(&self.camera) && !self.knows(node));
        moved.next().filter(|_| moved.next().is_none())
    }

    /// Returns whether a device is one of the other cameras. One with a serial number is recognized in any port.
    pub(super) fn knows(&self, node: &Node) -> bool {
        let known =
            |other: &Node| other.is(node) || other.has_serial() && other.has_identity_of(node);
        self.others.iter().any(known)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn camera(number: u32, port: &str) -> Node {
        Node::fake(number, "HD Webcam", port, None)
    }

    fn with_serial(number: u32, port: &str, serial: &str) -> Node {
        let usb = Usb { vendor: 0x046d, product: 0x0825, serial: Some(serial.into()) };
        Node::fake(number, "HD Webcam", port, Some(usb))
    }

    /// The number under which the first of these cameras is found after some changes.
    fn later(then: &[Node], steps: &[&[Node]]) -> Option<u32> {
        let mut memory = Memory::of(then[0].number, then).unwrap();
        let found = steps.iter().map(|now| memory.find(now).map(|node| node.number)).last();
        found.flatten()
    }

    #[test]
    fn in_its_old_port_a_camera_is_recognized_under_any_number() {
        let (first, metadata) = (camera(0, "1-3"), camera(1, "1-3").second());
        let back = [camera(4, "1-3").second(), camera(3, "1-3")];
        assert_eq!(later(&[first, metadata], &[&[], &back]), Some(3));
    }

    #[test]
    fn in_another_port_a_camera_is_recognized_if_it_is_new_there() {
        assert_eq!(later(&[camera(0, "1-3")], &[&[], &[camera(0, "1-4")]]), Some(0));
        let two = [camera(0, "1-3"), camera(1, "1-4")];
        assert_eq!(later(&two, &[&two[1..]]), None, "the same type, but another camera");
        assert_eq!(later(&two, &[&[], &[camera(0, "1-4")]]), None, "under any number");
        assert_eq!(later(&two, &[&two[1..], &[camera(1, "1-4"), camera(2, "1-5")]]), Some(2));
    }

    #[test]
    fn a_camera_of_the_same_type_that_appears_later_is_not_a_replacement() {
        assert_eq!(later(&[camera(0, "1-3")], &[&[camera(1, "1-4")]]), None);
        let two_new = [camera(1, "1-4"), camera(2, "1-5")];
        assert_eq!(later(&[camera(0, "1-3")], &[&[], &two_new]), None, "it could be either");
    }

    #[test]
    fn a_serial_distinguishes_cameras_of_the_same_type_in_any_port() {
        let two = [with_serial(0, "1-3", "A"), with_serial(1, "1-4", "B")];
        let swapped = [with_serial(0, "1-3", "B"), with_serial(1, "1-4", "A")];
        assert_eq!(later(&two, &[&swapped]), Some(1));
        assert_eq!(later(&two, &[&two[1..]]), None);
        let mut memory = Memory::of(0, &two).unwrap();
        assert!(memory.find(&[]).is_none() && memory.knows(&with_serial(0, "1-3", "B")));
        let same = [with_serial(0, "1-3", "0001"), with_serial(1, "1-4", "0001")];
        assert_eq!(later(&same, &[&same[1..]]), None, "a shared serial identifies no camera");
    }

    #[test]
    fn a_camera_that_the_kernel_does_not_list_is_not_remembered() {
        assert!(Memory::of(7, &[camera(0, "1-3")]).is_none());
    }
}
