//! H.264 that a source has encoded itself, made fit to be passed on: looked through, not decoded.
//!
//! Files keep a length before each unit and the parameters apart; cameras send parameters once, or before every keyframe.
//! Here all become alike: start codes, and parameters before every keyframe.

use std::sync::Arc;

use h264_reader::nal::sps::{PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitRead, BitReader, decode_nal};

use crate::annex_b::{self, UnitKind};
use crate::frame::Coded;

/// Before a unit, in what is passed on.
const LONG_CODE: [u8; 4] = [0, 0, 0, 1];
/// Parameters that a picture may refer to: cameras have one of each kind. More than this are forgotten.
const MOST_PARAMETERS: usize = 16;
/// They have some dozens of bytes.
const LONGEST_PARAMETERS: usize = 4096;
/// As for what is encoded here.
const MOST_SIDE: u32 = 8192;
/// Constrained or not, baseline has no pictures that refer to later ones (ITU-T H.264, A.2.1).
const BASELINE: u8 = 66;
/// Of a slice's header the first two numbers are read; they fit into so many bytes.
const SLICE_HEAD: usize = 24;
/// B slices, alone or all slices of a picture (ITU-T H.264, table 7-6).
const B_SLICES: [u32; 2] = [1, 6];

/// Looks through one source's pictures, from when it was opened.
#[derive(Debug)]
pub(in crate::source) struct Passage {
    /// So many bytes of length stand before each unit; `None`: start codes.
    lengths: Option<usize>,
    /// Sequence and picture parameters, as they came.
    parameters: Vec<Vec<u8>>,
    size: Option<(u32, u32)>,
    reorders: bool,
    /// The number of the next picture.
    next: u64,
}

/// Why pictures cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::source) enum Unfit {
    /// They must be decoded to be put into the order in which they are shown.
    #[error("its pictures are sent in another order than shown")]
    Reordered,
    /// Hardly anything decodes them, and there is no memory for them.
    #[error(
        "the camera sends pictures of {0}x{1}, more than {MOST_SIDE} pixels a side: ask it for less"
    )]
    TooLarge(u32, u32),
}

impl Passage {
    /// For pictures that describe themselves.
    pub(in crate::source) fn new() -> Self {
        Self { lengths: None, parameters: Vec::new(), size: None, reorders: false, next: 0 }
    }

    /// For what is described so: as MP4 does (ISO/IEC 14496-15, 5.3.3.1), or by units behind start codes, or not at all.
    pub(in crate::source) fn described(extradata: &[u8]) -> Self {
        let mut passage = Self::new();
        match extradata {
            [1, _, _, _, lengths, count, rest @ ..] => {
                passage.lengths = Some(usize::from(lengths & 3) + 1);
                let rest = passage.learn_all(rest, count & 0x1f);
                if let [count, rest @ ..] = rest {
                    passage.learn_all(rest, *count);
                }
            }
            units => annex_b::units(units).for_each(|unit| passage.learn(unit)),
        }
        passage
    }

    /// A picture is missing: what follows cannot be decoded until the next entry.
    pub(in crate::source) fn miss(&mut self) {
        self.next += 1;
    }

    /// Goes on with the same numbers where its source is opened anew: what came before is not what comes now refers to.
    pub(in crate::source) fn continuing(mut self, before: &Self) -> Self {
        self.next = before.next + 1;
        self
    }

    /// Parameters, each behind a length of two bytes; returns what follows them.
    fn learn_all<'a>(&mut self, mut bytes: &'a [u8], count: u8) -> &'a [u8] {
        for _ in 0..count {
            let [high, low, rest @ ..] = bytes else { return &[] };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((unit, rest)) = rest.split_at_checked(length) else { return &[] };
            self.learn(unit);
            bytes = rest;
        }
        bytes
    }

    /// Takes in a picture, `entry` where its source says that decoding can begin with it; `None` where nobody could decode
    /// it: before the first parameters.
    ///
    /// # Errors
    /// Where pictures are reordered, or too large.
    pub(in crate::source) fn take(
        &mut self,
        bytes: &[u8],
        entry: bool,
    ) -> Result<Option<Arc<Coded>>, Unfit> {
        let (mut keyframe, mut has_parameters, mut has_slices) = (false, false, false);
        let mut passed = Vec::with_capacity(bytes.len() + 64);
        for unit in self.units(bytes) {
            let kind = UnitKind::of(unit);
            match kind {
                UnitKind::Sequence | UnitKind::Picture => {
                    has_parameters |= kind == UnitKind::Sequence;
                    self.learn(unit);
                }
                UnitKind::KeySlice => keyframe = true,
                UnitKind::Slice => self.reorders |= is_b_slice(unit),
                UnitKind::Other => {}
            }
            has_slices |= matches!(kind, UnitKind::KeySlice | UnitKind::Slice);
            passed.extend(LONG_CODE);
            passed.extend(unit);
        }
        if self.reorders {
            return Err(Unfit::Reordered);
        }
        // Parameters that come alone stand before the next keyframe all the same.
        if !has_slices {
            return Ok(None);
        }
        let number = self.next;
        self.next += 1;
        let Some((width, height)) = self.size else { return Ok(None) };
        if width.max(height) > MOST_SIDE {
            return Err(Unfit::TooLarge(width, height));
        }
        if (keyframe || entry) && !has_parameters {
            let known = self.parameters.iter().flat_map(|unit| LONG_CODE.iter().chain(unit));
            passed.splice(0..0, known.copied());
        }
        let entry = entry || keyframe;
        Ok(Some(Arc::new(Coded { bytes: passed, number, keyframe, entry, width, height })))
    }

    /// Whether pictures are known to be reordered already.
    pub(in crate::source) fn reorders(&self) -> bool {
        self.reorders
    }

    fn units<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        match self.lengths {
            None => annex_b::units(bytes).filter(|unit| !unit.is_empty()).collect(),
            Some(lengths) => units_by_length(bytes, lengths),
        }
    }

    fn learn(&mut self, unit: &[u8]) {
        if unit.len() > LONGEST_PARAMETERS {
            return;
        }
        match UnitKind::of(unit) {
            UnitKind::Sequence => {
                if self.parameters.iter().any(|known| known == unit) {
                    return;
                }
                self.parameters.clear();
                if let Some((size, reorders)) = sequence(unit) {
                    self.size = Some(size);
                    self.reorders |= reorders;
                }
            }
            UnitKind::Picture if !self.parameters.iter().any(|known| known == unit) => {}
            _ => return,
        }
        if self.parameters.len() < MOST_PARAMETERS {
            self.parameters.push(unit.to_vec());
        }
    }
}

/// As far as the lengths are to be believed.
fn units_by_length(mut bytes: &[u8], lengths: usize) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = bytes.split_at_checked(lengths) {
        let length = length.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { break };
        if !unit.is_empty() {
            units.push(unit);
        }
        bytes = rest;
    }
    units
}

/// What sequence parameters say: the size of pictures, and whether any refers to a later one, as far as they say so.
fn sequence(unit: &[u8]) -> Option<((u32, u32), bool)> {
    let bytes = decode_nal(unit).ok()?;
    let sequence = SeqParameterSet::from_bits(BitReader::new(&bytes[..])).ok()?;
    let size = sequence.pixel_dimensions().ok()?;
    let in_order = matches!(sequence.pic_order_cnt, PicOrderCntType::TypeTwo)
        || u8::from(sequence.profile_idc) == BASELINE;
    let vui = sequence.vui_parameters.as_ref();
    let restrictions = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
    let held = restrictions.map_or(0, |restrictions| restrictions.max_num_reorder_frames);
    Some((size, !in_order && held > 0))
}

fn is_b_slice(unit: &[u8]) -> bool {
    let head = &unit[..unit.len().min(SLICE_HEAD)];
    let Ok(bytes) = decode_nal(head) else { return false };
    let mut reader = BitReader::new(&bytes[..]);
    let first = reader.read_ue("first_mb_in_slice");
    first.is_ok() && reader.read_ue("slice_type").is_ok_and(|kind| B_SLICES.contains(&kind))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// H.264 of ffmpeg's making, at 10 a second, one access unit each.
    fn made(size: &str, options: &[&str], form: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("clip.{form}"));
        let source = format!("testsrc2=size={size}:rate=10");
        let made = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                &source,
                "-frames:v",
                "12",
                "-c:v",
                "libx264",
            ])
            .args(options)
            .arg(&path)
            .status();
        assert!(made.expect("the ffmpeg command is installed").success());
        let mut input = ffmpeg_next::format::input(&path).unwrap();
        let parameters = input.stream(0).unwrap().parameters();
        let packets = input.packets().map(|(_, packet)| packet.data().unwrap().to_vec());
        let packets = packets.collect();
        (crate::source::video::extradata(&parameters).to_vec(), packets)
    }

    fn passed(extradata: &[u8], packets: &[Vec<u8>]) -> Result<Vec<Arc<Coded>>, Unfit> {
        let mut passage = Passage::described(extradata);
        packets.iter().filter_map(|packet| passage.take(packet, false).transpose()).collect()
    }

    #[test]
    fn whatever_form_it_has_what_is_passed_on_has_start_codes_and_parameters_before_keyframes() {
        for (form, size, pixels) in
            [("mp4", "320x180", (320, 180)), ("h264", "322x182", (322, 182))]
        {
            let (extradata, packets) = made(size, &["-tune", "zerolatency", "-g", "5"], form);
            let pictures = passed(&extradata, &packets).unwrap();
            assert_eq!(pictures.len(), 12, "{form}");
            for (number, picture) in pictures.iter().enumerate() {
                assert_eq!(picture.number, number as u64);
                assert_eq!((picture.width, picture.height), pixels);
                assert_eq!(picture.keyframe, number % 5 == 0, "{form} {number}");
                assert!(picture.bytes.starts_with(&LONG_CODE));
                if picture.keyframe {
                    assert!(annex_b::has_parameters(&picture.bytes), "{form} {number}");
                }
            }
        }
    }

    #[test]
    fn reordered_pictures_are_told_by_their_parameters_or_at_the_first_of_them() {
        let (extradata, packets) = made("320x180", &["-bf", "2"], "mp4");
        assert!(Passage::described(&extradata).reorders());
        assert_eq!(passed(&extradata, &packets), Err(Unfit::Reordered));
        // A camera may say nothing of it.
        assert!(is_b_slice(&[0x01, 0b1010_0000]) && is_b_slice(&[0x01, 0b1001_1100]));
        assert!(!is_b_slice(&[0x41, 0b1100_0000]) && !is_b_slice(&[0x41]));
    }

    #[test]
    fn what_comes_before_any_parameters_is_no_picture() {
        let slice = [0, 0, 0, 1, 0x41, 0x9a, 1, 2];
        assert_eq!(Passage::new().take(&slice, true), Ok(None));
    }

    #[test]
    fn what_has_no_slice_is_no_picture_and_takes_no_number() {
        let (extradata, packets) = made("320x180", &["-tune", "zerolatency"], "mp4");
        let mut passage = Passage::described(&extradata);
        assert_eq!(passage.take(&[], true), Ok(None));
        assert_eq!(passage.take(&[0, 0, 0, 2, 6, 5], true), Ok(None));
        assert_eq!(passage.take(&packets[0], true).unwrap().unwrap().number, 0);
        passage.miss();
        assert_eq!(passage.take(&packets[1], false).unwrap().unwrap().number, 2);
    }

    #[test]
    fn rubbish_is_looked_through_without_harm() {
        for length in 0..64 {
            for first in [0, 1, 0x67, 0xff] {
                let rubbish: Vec<u8> = (0..length).map(|n| (n * 37) as u8 ^ first).collect();
                let mut extradata = rubbish.clone();
                extradata.insert(0, 1);
                let mut passage = Passage::described(&extradata);
                let _ = passage.take(&rubbish, true);
                let _ = Passage::described(&rubbish).take(&extradata, false);
            }
        }
    }
}
