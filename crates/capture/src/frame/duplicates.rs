//! Detection of frames that equal their predecessor, as a screen or a camera in front of a wall delivers them.

use crate::frame::FrameData;
use crate::pixels::Image;

/// Finds frames that equal the one before, byte by byte. The number found in a row is limited, so that a viewer sees
/// that time passes.
#[derive(Debug)]
pub struct Duplicates {
    max_in_a_row: u32,
    in_a_row: u32,
    last: Option<FrameData>,
}

impl Duplicates {
    /// Finds up to `max_in_a_row` duplicates in a row; none if it is 0.
    pub fn new(max_in_a_row: u32) -> Self {
        Self { max_in_a_row, in_a_row: 0, last: None }
    }

    /// Forgets the last frame: a new viewer has not seen it.
    pub fn forget(&mut self) {
        (self.last, self.in_a_row) = (None, 0);
    }

    /// Returns whether a frame is a duplicate and can be dropped.
    pub fn is_duplicate(&mut self, data: &FrameData) -> bool {
        if self.max_in_a_row == 0 {
            return false;
        }
        let equal = || self.last.as_ref().is_some_and(|last| are_equal(last, data));
        if self.in_a_row < self.max_in_a_row && equal() {
            self.in_a_row += 1;
            return true;
        }
        self.in_a_row = 0;
        let last = self.last.take();
        // No frame of H.264 can be left out: those after it refer to it.
        let can_be_left_out = !matches!(data, FrameData::H264(_));
        self.last = can_be_left_out.then(|| copy(data, last)).flatten();
        false
    }
}

/// Returns whether two frames are equal, byte by byte.
pub(super) fn are_equal(one: &FrameData, other: &FrameData) -> bool {
    match (one, other) {
        (FrameData::Jpeg(one), FrameData::Jpeg(other)) => one == other,
        (FrameData::H264(one), FrameData::H264(other)) => one.bytes == other.bytes,
        (FrameData::Pixels(one), FrameData::Pixels(other)) => one == other,
        _ => false,
    }
}

/// Copies a frame, into the memory of an `old` copy if possible. Returns `None` if that fails.
pub(crate) fn copy(data: &FrameData, old: Option<FrameData>) -> Option<FrameData> {
    match (data, old) {
        (FrameData::Jpeg(bytes), Some(FrameData::Jpeg(mut old))) => {
            old.clone_from(bytes);
            Some(FrameData::Jpeg(old))
        }
        (FrameData::Jpeg(bytes), _) => Some(FrameData::Jpeg(bytes.clone())),
        (FrameData::H264(unit), _) => Some(FrameData::H264(unit.clone())),
        (FrameData::Pixels(image), old) => {
            let mut copy = match old {
                Some(FrameData::Pixels(old)) => old,
                _ => Image::default(),
            };
            copy.copy_from(image).ok().map(|()| FrameData::Pixels(copy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::colours::Colours;

    fn grey(value: u8) -> FrameData {
        FrameData::Pixels(Image::filled((6, 4), Colours::JFIF, [value, 128, 128]).unwrap())
    }

    fn kept(max_in_a_row: u32, frames: &[FrameData]) -> Vec<usize> {
        let mut duplicates = Duplicates::new(max_in_a_row);
        let kept = frames.iter().enumerate().filter(|(_, one)| !duplicates.is_duplicate(one));
        kept.map(|(index, _)| index).collect()
    }

    #[test]
    fn duplicates_in_a_row_are_limited() {
        let still: Vec<FrameData> = (0..8).map(|_| grey(90)).collect();
        assert_eq!(kept(3, &still), [0, 4]);
        assert_eq!(kept(0, &still), [0, 1, 2, 3, 4, 5, 6, 7]);
        let jpegs: Vec<FrameData> = (0..3).map(|_| FrameData::Jpeg(vec![1, 2, 3])).collect();
        assert_eq!(kept(3, &jpegs), [0]);
    }

    #[test]
    fn a_new_viewer_gets_a_frame_that_equals_the_last_one() {
        let mut duplicates = Duplicates::new(100);
        assert!(!duplicates.is_duplicate(&grey(1)) && duplicates.is_duplicate(&grey(1)));
        duplicates.forget();
        assert!(!duplicates.is_duplicate(&grey(1)) && duplicates.is_duplicate(&grey(1)));
    }

    #[test]
    fn frames_that_differ_are_no_duplicates() {
        let moving: Vec<FrameData> = (0..5).map(|n| grey(n % 2)).collect();
        assert_eq!(kept(3, &moving), [0, 1, 2, 3, 4]);
        let kinds = [grey(1), FrameData::Jpeg(vec![1]), grey(1)];
        assert_eq!(kept(3, &kinds), [0, 1, 2]);
    }
}
