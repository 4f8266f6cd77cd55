//! Prepares a source's own H.264 for passthrough: inspected, not decoded.
//!
//! MP4 files store a length before each NAL unit, and the parameter sets apart from them. Cameras send parameter sets
//! once, or before every keyframe. The inspector gives all of them one form: start codes, and all known parameter sets
//! before every keyframe.

use std::borrow::Cow;
use std::sync::Arc;

use h264_reader::nal::sps::{PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};

use super::annex_b::{self, NalType};
use super::colour_declaration;
use super::display::{self, DisplayHints};
use super::parameter_sets::{MAX_PARAMETER_SET_BYTES, ParameterSets, SliceHeader};

/// Precedes each NAL unit in the output.
const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The largest width or height, in pixels: the same as for frames that are encoded here.
const MAX_SIDE: u32 = 8192;
/// Baseline, constrained or not: no picture refers to a later one (ITU-T H.264, A.2.1).
const BASELINE: u8 = 66;
/// The slice types of B slices: one slice, or all slices of the picture (ITU-T H.264, table 7-6).
const B_SLICES: [u32; 2] = [1, 6];

/// An access unit of a source's own H.264, in the form in which it is forwarded. It may refer to the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units with start codes, and parameter sets before a keyframe.
    pub bytes: Vec<u8>,
    /// Counts the source's access units. After a gap, none can be decoded up to the next entry point.
    pub number: u64,
    /// True if it can be decoded alone, and no later access unit refers to an earlier one.
    pub keyframe: bool,
    /// True if decoding can start here, possibly with an incomplete picture. Every keyframe is an entry point.
    pub entry: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Inspects the access units of one source, from its opening on.
#[derive(Debug, Default)]
pub struct H264Inspector {
    /// The bytes of the length before each NAL unit; `None`: start codes.
    length_size: Option<usize>,
    parameter_sets: ParameterSets,
    /// Size of the frames, by the parameter sets of the newest one.
    size: Option<(u32, u32)>,
    hints: DisplayHints,
    declaration: Declaration,
    reorders: bool,
    /// The number of the next access unit.
    next: u64,
}

/// The last sequence parameter set as received, and what replaces it. Cameras repeat theirs with every keyframe.
#[derive(Debug, Default)]
struct Declaration {
    original: Vec<u8>,
    declared: Option<Vec<u8>>,
}

/// The reason why a source's H.264 cannot be forwarded undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassthroughError {
    /// It has B-frames. A decoder must restore the display order.
    #[error("its frames are not sent in display order (B-frames)")]
    Reordered,
    /// Larger than most decoders support.
    #[error(
        "the camera sends {0}x{1} frames, above the limit of {MAX_SIDE} pixels a side: reduce its resolution"
    )]
    TooLarge(u32, u32),
}

impl H264Inspector {
    /// Returns an inspector for access units with start codes and parameter sets in the stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an inspector for a container's codec description: an `avcC` record as in MP4 (ISO/IEC 14496-15,
    /// 5.3.3.1), NAL units with start codes, or nothing.
    pub fn from_extradata(extradata: &[u8]) -> Self {
        let mut inspector = Self::new();
        match extradata {
            // Not by h264-reader's `avcc`: it panics on an empty parameter set at the end of a record (0.9).
            [1, _, _, _, length_size, count, rest @ ..] => {
                inspector.length_size = Some(usize::from(length_size & 3) + 1);
                let rest = inspector.learn_all(rest, count & 0x1f);
                if let [count, rest @ ..] = rest {
                    inspector.learn_all(rest, *count);
                }
            }
            units => annex_b::nal_units(units).for_each(|unit| inspector.learn_original(unit)),
        }
        inspector
    }

    /// Counts a missing access unit: the next ones cannot be decoded up to the next entry point.
    pub fn skip_missing(&mut self) {
        self.next += 1;
    }

    /// Continues the numbering of `before` after its source was reopened, with a gap: no access unit refers to an
    /// earlier one.
    #[must_use]
    pub fn continuing(mut self, before: &Self) -> Self {
        self.next = before.next + 1;
        self
    }

    /// Keeps parameter sets, each of which follows a length of two bytes. Returns the bytes after them.
    fn learn_all<'a>(&mut self, mut bytes: &'a [u8], count: u8) -> &'a [u8] {
        for _ in 0..count {
            let [high, low, rest @ ..] = bytes else { return &[] };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((unit, rest)) = rest.split_at_checked(length) else { return &[] };
            self.learn_original(unit);
            bytes = rest;
        }
        bytes
    }

    /// Inspects an access unit; `entry`: the source marks it as an entry point. Returns `None` if no decoder could use
    /// it: before the first parameter sets, or without slices.
    ///
    /// # Errors
    /// Fails if the source reorders frames, or they are too large.
    pub fn inspect(
        &mut self,
        bytes: &[u8],
        entry: bool,
    ) -> Result<Option<Arc<AccessUnit>>, PassthroughError> {
        let (mut keyframe, mut slice, mut has_slices) = (false, None, false);
        let mut output = Vec::with_capacity(bytes.len() + 64);
        let declared = self.declare_colours(self.nal_units(bytes));
        let units: Vec<&[u8]> = declared.iter().map(AsRef::as_ref).collect();
        for unit in &units {
            let nal_type = NalType::of(unit);
            match nal_type {
                NalType::Sps | NalType::Pps => self.learn(unit),
                NalType::IdrSlice => keyframe = true,
                NalType::Slice => self.reorders |= is_b_slice(unit),
                NalType::Sei => self.learn_orientation(unit),
                NalType::Other => {}
            }
            if matches!(nal_type, NalType::IdrSlice | NalType::Slice) {
                slice = if has_slices { slice } else { SliceHeader::read(unit) };
                has_slices = true;
            }
            output.extend(LONG_START_CODE);
            output.extend(*unit);
        }
        if self.reorders {
            return Err(PassthroughError::Reordered);
        }
        // Parameter sets that arrive alone are still inserted before the next keyframe.
        if !has_slices {
            return Ok(None);
        }
        let number = self.next;
        self.next += 1;
        self.size = slice.and_then(|slice| self.parameter_sets.size(slice)).or(self.size);
        let Some((width, height)) = self.size else { return Ok(None) };
        if width.max(height) > MAX_SIDE {
            return Err(PassthroughError::TooLarge(width, height));
        }
        // Later access units may refer to other sets than this one.
        if (keyframe || entry) && !self.parameter_sets.are_all_in(&units) {
            let known = self.parameter_sets.units();
            let known: Vec<u8> =
                known.flat_map(|set| LONG_START_CODE.iter().chain(set)).copied().collect();
            output.splice(0..0, known);
        }
        let entry = entry || keyframe;
        Ok(Some(Arc::new(AccessUnit { bytes: output, number, keyframe, entry, width, height })))
    }

    /// Returns whether the source's H.264 can be forwarded undecoded, as far as it is known.
    pub fn allows_passthrough(&self) -> bool {
        !self.reorders
    }

    /// Returns how the frames must be shown, as far as it is known.
    pub fn display_hints(&self) -> DisplayHints {
        self.hints
    }

    fn nal_units<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        match self.length_size {
            None => annex_b::nal_units(bytes).filter(|unit| !unit.is_empty()).collect(),
            Some(length_size) => nal_units_by_length(bytes, length_size),
        }
    }

    /// Replaces sequence parameter sets that declare no colours.
    fn declare_colours<'a>(&mut self, units: Vec<&'a [u8]>) -> Vec<Cow<'a, [u8]>> {
        let declared = |unit| match NalType::of(unit) {
            NalType::Sps => self.declared(unit),
            _ => Cow::Borrowed(unit),
        };
        units.into_iter().map(declared).collect()
    }

    fn declared<'a>(&mut self, unit: &'a [u8]) -> Cow<'a, [u8]> {
        if unit.len() > MAX_PARAMETER_SET_BYTES {
            return Cow::Borrowed(unit);
        }
        if self.declaration.original != unit {
            let declared = colour_declaration::declared(unit);
            self.declaration = Declaration { original: unit.to_vec(), declared };
        }
        match &self.declaration.declared {
            Some(declared) => Cow::Owned(declared.clone()),
            None => Cow::Borrowed(unit),
        }
    }

    /// Keeps a parameter set of a container.
    fn learn_original(&mut self, unit: &[u8]) {
        match NalType::of(unit) {
            NalType::Sps => {
                let declared = self.declared(unit);
                self.learn(&declared);
            }
            _ => self.learn(unit),
        }
    }

    fn learn_orientation(&mut self, sei: &[u8]) {
        if sei.len() <= MAX_PARAMETER_SET_BYTES
            && let Some(reoriented) = display::reorients(sei)
        {
            self.hints.reoriented = reoriented;
        }
    }

    fn learn(&mut self, unit: &[u8]) {
        if unit.len() > MAX_PARAMETER_SET_BYTES {
            return;
        }
        match NalType::of(unit) {
            NalType::Sps => {
                if self.parameter_sets.contains(unit) {
                    return;
                }
                let known = read_sps(unit);
                if let Some((size, hints, reorders)) = known {
                    self.size = Some(size);
                    self.hints = DisplayHints { reoriented: self.hints.reoriented, ..hints };
                    self.reorders |= reorders;
                }
                self.parameter_sets.insert_sequence(unit, known.map(|(size, ..)| size));
            }
            NalType::Pps => self.parameter_sets.insert_picture(unit),
            _ => {}
        }
    }
}

/// Returns the NAL units up to the first length that exceeds the bytes left.
fn nal_units_by_length(mut bytes: &[u8], length_size: usize) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = bytes.split_at_checked(length_size) {
        let length = length.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { break };
        if !unit.is_empty() {
            units.push(unit);
        }
        bytes = rest;
    }
    units
}

/// Returns the frame size, how frames must be shown, and whether they may be reordered, as far as the sequence parameter
/// set declares it.
fn read_sps(unit: &[u8]) -> Option<((u32, u32), DisplayHints, bool)> {
    let bytes = decode_nal(unit).ok()?;
    let sps = SeqParameterSet::from_bits(BitReader::new(&bytes[..])).ok()?;
    let size = sps.pixel_dimensions().ok()?;
    let in_order = matches!(sps.pic_order_cnt, PicOrderCntType::TypeTwo)
        || u8::from(sps.profile_idc) == BASELINE;
    let vui = sps.vui_parameters.as_ref();
    let restrictions = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
    let reordered = restrictions.map_or(0, |restrictions| restrictions.max_num_reorder_frames);
    Some((size, DisplayHints::of(&sps), !in_order && reordered > 0))
}

fn is_b_slice(unit: &[u8]) -> bool {
    SliceHeader::read(unit).is_some_and(|header| B_SLICES.contains(&header.slice_type))
}

#[cfg(test)]
mod tests;
