//! Detection of a frozen source: one that repeats the same picture. No clock: times are passed in.
//!
//! - [`SamePicture`] compares each frame with the one before, byte by byte;
//! - [`SameBlocks`] compares decoded pictures, which may differ by the noise of an encoder;
//! - [`FrozenDetector`] decides when a picture was repeated for too long.

use std::hash::{DefaultHasher, Hasher};
use std::str::FromStr;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::FrameData;
use super::duplicates::{are_equal, copy};

/// A source is frozen after it repeated one picture for this long. The noise of a sensor changes every frame, so an
/// honest camera never does; a player that waits for a slow network does for some seconds.
pub const FROZEN_AFTER: Duration = Duration::from_secs(10);
/// A source is frozen after it sent at least this many copies. A camera of one frame in 30 s may send a frame twice.
const MIN_COPIES: u32 = 3;
/// Difference of two blocks' means, of 256 levels, that may come from encoding the same picture twice.
const TOLERANCE: u8 = 2;
/// Number of places, of 8 bytes each, at which two frames are compared first: nearly every pair differs in one of them.
const SAMPLES: usize = 64;
const SAMPLE: usize = 8;

/// The way in which the pictures of a stream are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrozenMode {
    /// Pictures are not compared, because the scene is still.
    Off,
    /// Pictures are the same if their bytes are.
    Bytes,
    /// Pictures are the same if their blocks are, after decoding. The noise of a dark room may not differ more.
    Blocks,
}

/// An error for a text that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to find a frozen camera: write off, bytes or blocks")]
pub struct InvalidFrozenMode(String);

impl FromStr for FrozenMode {
    type Err = InvalidFrozenMode;

    fn from_str(text: &str) -> Result<Self, InvalidFrozenMode> {
        match text {
            "off" => Ok(Self::Off),
            "bytes" => Ok(Self::Bytes),
            "blocks" => Ok(Self::Blocks),
            _ => Err(InvalidFrozenMode(text.chars().take(20).collect())),
        }
    }
}

/// Decides from the comparisons of consecutive pictures whether a source is frozen.
#[derive(Debug, Default)]
pub struct FrozenDetector {
    /// Time of the first copy of the present picture.
    since: Option<Timestamp>,
    copies: u32,
}

impl FrozenDetector {
    /// Notes a picture, and whether it is the same as the one before. Returns since when the source repeats it if the
    /// source is frozen.
    pub fn note(&mut self, is_same: bool, captured_at: Timestamp) -> Option<Timestamp> {
        let repeated_since = self.since.filter(|_| is_same);
        self.copies = if repeated_since.is_some() { self.copies.saturating_add(1) } else { 1 };
        let since = repeated_since.unwrap_or(captured_at);
        self.since = Some(since);
        let is_frozen = self.copies >= MIN_COPIES && captured_at.since(since) >= FROZEN_AFTER;
        is_frozen.then_some(since)
    }
}

/// Compares each frame with the one before. A frame that differs costs a look at [`SAMPLES`] places; only a picture that
/// repeats is copied, once, and compared as a whole.
#[derive(Debug, Default)]
pub struct SamePicture {
    /// Hash of the last frame's samples; `None` if it was no picture.
    samples: Option<u64>,
    /// A copy of the last frame, once a second frame had the same samples.
    copy: Option<FrameData>,
}

impl SamePicture {
    /// Returns whether a frame has the same bytes as the one before. The first repetition may be missed. A delta of H.264
    /// is never the same picture, because it changes the one before.
    pub fn is_same(&mut self, data: &FrameData) -> bool {
        let samples = data.picture_bytes().map(samples_of);
        if samples.is_none() || samples != self.samples {
            (self.samples, self.copy) = (samples, None);
            return false;
        }
        if self.copy.as_ref().is_some_and(|copy| are_equal(copy, data)) {
            return true;
        }
        self.copy = copy(data, self.copy.take());
        false
    }
}

/// Compares the blocks of decoded pictures with those of the first picture of a row, so that a slow change ends the row.
#[derive(Debug, Default)]
pub struct SameBlocks {
    first: Vec<u8>,
}

impl SameBlocks {
    /// Returns whether a picture is the same as the first one of the row: each of its blocks' means is, within
    /// [`TOLERANCE`]. Otherwise it begins another row.
    pub fn is_same(&mut self, blocks: &[u8]) -> bool {
        let near = |(one, other): (&u8, &u8)| one.abs_diff(*other) <= TOLERANCE;
        let is_same = self.first.len() == blocks.len() && self.first.iter().zip(blocks).all(near);
        if !is_same {
            self.first.clear();
            self.first.extend_from_slice(blocks);
        }
        is_same
    }
}

/// Returns a hash of the length and of bytes at evenly spread places.
fn samples_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_usize(bytes.len());
    match bytes.len().checked_sub(SAMPLE) {
        None => hasher.write(bytes),
        Some(last) => (0..SAMPLES).for_each(|sample| {
            let start = last * sample / (SAMPLES - 1);
            hasher.write(&bytes[start..start + SAMPLE]);
        }),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::AccessUnit;
    use crate::pixels::Image;
    use crate::pixels::colours::Colours;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    /// Notes pictures, each with its time in milliseconds, and returns at which of them the source is frozen.
    fn frozen_at(pictures: &[(u64, &str)]) -> Vec<u64> {
        let mut detector = FrozenDetector::default();
        let mut last = None;
        let frozen = pictures.iter().filter(|(millis, picture)| {
            let is_same = last.replace(*picture) == Some(*picture);
            detector.note(is_same, at(*millis)).is_some()
        });
        frozen.map(|(millis, _)| *millis).collect()
    }

    #[test]
    fn a_picture_must_repeat_for_ten_seconds_and_three_times() {
        for (what, pictures, expected) in [
            (
                "ten seconds",
                &[(0, "a"), (5_000, "a"), (9_999, "a"), (10_000, "a")][..],
                &[10_000][..],
            ),
            (
                "each copy after them",
                &[(0, "a"), (9, "a"), (10_000, "a"), (10_033, "a")],
                &[10_000, 10_033],
            ),
            ("a slow camera", &[(0, "a"), (30_000, "a"), (60_000, "a")], &[60_000]),
            ("two copies", &[(0, "a"), (60_000, "a"), (60_033, "b")], &[]),
            ("another picture", &[(0, "a"), (5_000, "b"), (10_000, "b"), (14_000, "b")], &[]),
            ("two pictures in turn", &[(0, "a"), (5_000, "b"), (10_000, "a"), (15_000, "b")], &[]),
            (
                "its end",
                &[(0, "a"), (1, "a"), (10_000, "a"), (10_033, "b"), (10_066, "b")],
                &[10_000],
            ),
            ("a clock set back", &[(20_000, "a"), (0, "a"), (33, "a"), (66, "a")], &[]),
        ] {
            assert_eq!(frozen_at(pictures), expected, "{what}");
        }
    }

    #[test]
    fn a_frozen_source_is_frozen_since_the_first_copy_of_its_picture() {
        let mut detector = FrozenDetector::default();
        for second in 0..100 {
            let since = detector.note(second > 3, at(second * 1000));
            assert_eq!(since, (second >= 13).then_some(at(3000)), "{second}");
        }
    }

    fn grey(value: u8) -> FrameData {
        FrameData::Pixels(Image::filled((160, 90), Colours::JFIF, [value, 128, 128]).unwrap())
    }

    /// Returns a grey picture in which one byte differs.
    fn grey_except(place: usize) -> FrameData {
        let FrameData::Pixels(mut pixels) = grey(90) else { unreachable!("pixels") };
        pixels.planes_mut()[0][place] = 91;
        FrameData::Pixels(pixels)
    }

    fn unit(keyframe: bool) -> FrameData {
        let bytes = vec![0, 0, 0, 1, 0x65, 7, 7, 7, 7];
        let (number, entry) = (0, keyframe);
        FrameData::H264(Arc::new(AccessUnit {
            bytes,
            number,
            keyframe,
            entry,
            width: 2,
            height: 2,
        }))
    }

    fn same(frames: &[FrameData]) -> Vec<bool> {
        let mut pictures = SamePicture::default();
        frames.iter().map(|frame| pictures.is_same(frame)).collect()
    }

    #[test]
    fn a_picture_is_the_same_if_each_byte_is() {
        let jpeg = |bytes: &[u8]| FrameData::Jpeg(bytes.to_vec());
        let long = |last: u8| jpeg(&[&[7; 5000][..], &[last]].concat());
        let repeated = [false, false, true, true];
        for (what, frames, expected) in [
            ("pixels", [(); 4].map(|()| grey(90)), repeated),
            ("JPEG", [(); 4].map(|()| long(1)), repeated),
            ("a short JPEG", [(); 4].map(|()| jpeg(&[1, 2])), repeated),
            ("an empty one", [(); 4].map(|()| jpeg(&[])), repeated),
            ("keyframes", [(); 4].map(|()| unit(true)), repeated),
            ("deltas", [(); 4].map(|()| unit(false)), [false; 4]),
            ("moving", [1, 2, 3, 4].map(long), [false; 4]),
            ("another length", [1, 2, 3, 4].map(|length| jpeg(&vec![7; length])), [false; 4]),
            // None of the samples is there.
            ("a dark room with a spot", [1000, 1003, 1006, 1009].map(grey_except), [false; 4]),
            ("other kinds", [grey(90), long(1), unit(true), grey(90)], [false; 4]),
        ] {
            assert_eq!(same(&frames), expected, "{what}");
        }
    }

    #[test]
    fn blocks_are_the_same_within_the_noise_of_an_encoder() {
        let spot = |value: u8| [&[90; 500][..], &[value], &[90; 500]].concat();
        for (what, pictures, expected) in [
            ("noise", [90, 92, 88, 91], [false, true, true, true]),
            ("a spot that moves", [90, 93, 90, 93], [false; 4]),
            ("a slow change", [90, 92, 94, 96], [false, true, false, true]),
        ] {
            let mut blocks = SameBlocks::default();
            assert_eq!(pictures.map(|value| blocks.is_same(&spot(value))), expected, "{what}");
        }
        let mut blocks = SameBlocks::default();
        let sizes = [100, 200, 200].map(|size| blocks.is_same(&vec![1; size]));
        assert_eq!(sizes, [false, false, true]);
    }

    #[test]
    fn only_a_picture_that_repeats_is_copied() {
        let mut pictures = SamePicture::default();
        for value in 0..10 {
            pictures.is_same(&grey(value));
            assert!(pictures.copy.is_none());
        }
        pictures.is_same(&grey(9));
        assert!(pictures.copy.is_some());
        pictures.is_same(&grey(1));
        assert!(pictures.copy.is_none());
    }

    #[test]
    fn the_noise_of_a_dark_room_is_no_repetition() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut dark = || {
            let FrameData::Pixels(mut pixels) = grey(4) else { unreachable!("pixels") };
            for byte in pixels.planes_mut().into_iter().flatten() {
                *byte = random.u8(3..=5);
            }
            FrameData::Pixels(pixels)
        };
        let frames: Vec<FrameData> = (0..30).map(|_| dark()).collect();
        assert!(same(&frames).iter().all(|same| !same));
    }
}
