//! Knowing a camera again after it was unplugged, though it came back under another number.

use super::sysfs::Node;

/// The camera that a stream has shown, and those that were there beside it.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    ours: Node,
    beside: Vec<Node>,
    missing: bool,
}

impl Memory {
    /// Remembers the camera of this number among those there are.
    pub(super) fn of(number: u32, nodes: &[Node]) -> Option<Self> {
        let ours = nodes.iter().find(|node| node.number == number)?.clone();
        let beside = nodes.iter().filter(|node| node.number != number).cloned().collect();
        Some(Self { ours, beside, missing: false })
    }

    pub(super) fn ours(&self) -> &Node {
        &self.ours
    }

    /// The camera among those there are now. In its old place it is known at once. Elsewhere it must be alike, the only
    /// one, and not have been there beside ours: one of the same type that was there all the time is another camera.
    pub(super) fn find<'a>(&mut self, now: &'a [Node]) -> Option<&'a Node> {
        if let Some(node) = now.iter().find(|node| node.is(&self.ours)) {
            self.missing = false;
            return Some(node);
        }
        if !std::mem::replace(&mut self.missing, true) {
            // Nobody plugs a camera into another port as fast as we notice that it is gone. A serial tells by itself.
            self.beside.extend(now.iter().filter(|node| !node.has_serial()).cloned());
        }
        let mut moved = now.iter().filter(|node| node.is_like(&self.ours) && !self.knows(node));
        moved.next().filter(|_| moved.next().is_none())
    }

    /// Whether this is a camera that was there beside ours; one with a serial is known in any place.
    pub(super) fn knows(&self, node: &Node) -> bool {
        let known = |beside: &Node| beside.is(node) || beside.has_serial() && beside.is_like(node);
        self.beside.iter().any(known)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::Usb;
    use super::*;

    fn camera(number: u32, port: &str) -> Node {
        Node::made_up(number, "HD Webcam", port, None)
    }

    fn with_serial(number: u32, port: &str, serial: &str) -> Node {
        let usb = Usb { vendor: 0x046d, product: 0x0825, serial: Some(serial.into()) };
        Node::made_up(number, "HD Webcam", port, Some(usb))
    }

    /// The number under which the first of these is found later.
    fn later(then: &[Node], steps: &[&[Node]]) -> Option<u32> {
        let mut memory = Memory::of(then[0].number, then).unwrap();
        let found = steps.iter().map(|now| memory.find(now).map(|node| node.number)).last();
        found.flatten()
    }

    #[test]
    fn in_its_old_place_a_camera_is_known_under_any_number() {
        let (ours, metadata) = (camera(0, "1-3"), camera(1, "1-3").second());
        let back = [camera(4, "1-3").second(), camera(3, "1-3")];
        assert_eq!(later(&[ours, metadata], &[&[], &back]), Some(3));
    }

    #[test]
    fn in_another_place_it_is_known_if_it_was_not_there_before() {
        assert_eq!(later(&[camera(0, "1-3")], &[&[], &[camera(0, "1-4")]]), Some(0));
        let two = [camera(0, "1-3"), camera(1, "1-4")];
        assert_eq!(later(&two, &[&two[1..]]), None, "its twin is another camera");
        assert_eq!(later(&two, &[&[], &[camera(0, "1-4")]]), None, "under any number");
        assert_eq!(later(&two, &[&two[1..], &[camera(1, "1-4"), camera(2, "1-5")]]), Some(2));
    }

    #[test]
    fn a_twin_that_came_later_is_no_replacement_either() {
        assert_eq!(later(&[camera(0, "1-3")], &[&[camera(1, "1-4")]]), None);
        let two_new = [camera(1, "1-4"), camera(2, "1-5")];
        assert_eq!(later(&[camera(0, "1-3")], &[&[], &two_new]), None, "it could be either");
    }

    #[test]
    fn a_serial_tells_twins_apart_wherever_they_are() {
        let two = [with_serial(0, "1-3", "A"), with_serial(1, "1-4", "B")];
        let swapped = [with_serial(0, "1-3", "B"), with_serial(1, "1-4", "A")];
        assert_eq!(later(&two, &[&swapped]), Some(1));
        assert_eq!(later(&two, &[&two[1..]]), None);
        let mut memory = Memory::of(0, &two).unwrap();
        assert!(memory.find(&[]).is_none() && memory.knows(&with_serial(0, "1-3", "B")));
        let same = [with_serial(0, "1-3", "0001"), with_serial(1, "1-4", "0001")];
        assert_eq!(later(&same, &[&same[1..]]), None, "a serial that two share tells nothing");
    }

    #[test]
    fn a_camera_that_the_kernel_does_not_list_cannot_be_remembered() {
        assert!(Memory::of(7, &[camera(0, "1-3")]).is_none());
    }
}
