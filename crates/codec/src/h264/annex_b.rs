//! H.264 as a byte stream: NAL units, each after a start code (ITU-T H.264, annex B).

use memchr::memmem;

/// Precedes each NAL unit, optionally with one more zero before it.
pub const START_CODE: [u8; 3] = [0, 0, 1];

/// The type of a NAL unit, from the lower five bits of its first byte (ITU-T H.264, table 7-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalType {
    /// A slice of an IDR picture: decodable alone, and no later picture refers to an earlier one.
    IdrSlice,
    /// Any other slice.
    Slice,
    /// Supplemental enhancement information (SEI).
    Sei,
    /// A sequence parameter set (SPS).
    Sps,
    /// A picture parameter set (PPS).
    Pps,
    /// Any other type.
    Other,
}

impl NalType {
    /// Returns the type of a NAL unit without its start code.
    pub fn of(unit: &[u8]) -> Self {
        match unit.first().map_or(0, |header| header & 0x1f) {
            5 => Self::IdrSlice,
            1..=4 => Self::Slice,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            _ => Self::Other,
        }
    }
}

/// Iterates over the NAL units in `bytes`, without their start codes.
pub fn nal_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts =
        memmem::find_iter(bytes, &START_CODE).map(|at| at + START_CODE.len()).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().map_or(bytes.len(), |next| next - START_CODE.len());
        Some(without_trailing_zeros(&bytes[start..end]))
    })
}

/// A NAL unit never ends with a zero; trailing zeros belong to the next start code.
fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    &unit[..end]
}

/// Returns whether `bytes` begin with a start code and the header of a NAL unit of H.264.
pub fn begins_with_nal_unit(bytes: &[u8]) -> bool {
    let unit = bytes.strip_prefix(&START_CODE).or_else(|| bytes.strip_prefix(&[0, 0, 0, 1]));
    // The first bit is always 0, and the types from 24 on are those of other formats (ITU-T H.264, 7.4.1).
    unit.and_then(<[u8]>::first)
        .is_some_and(|header| header & 0x80 == 0 && matches!(header & 0x1f, 1..=23))
}

/// Returns whether `bytes` contain a sequence parameter set, without which no decoder can start.
pub fn contains_sps(bytes: &[u8]) -> bool {
    nal_units(bytes).any(|unit| NalType::of(unit) == NalType::Sps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_are_separated_at_short_and_long_start_codes() {
        let bytes = [
            &[0, 0, 0, 1, 0x67, 1, 2][..],
            &[0, 0, 1, 0x68, 3],
            &[0, 0, 0, 1, 0x65, 0, 0, 3, 4, 0],
        ];
        let bytes = bytes.concat();
        let found: Vec<_> = nal_units(&bytes).map(|unit| (NalType::of(unit), unit.len())).collect();
        assert_eq!(found, [(NalType::Sps, 3), (NalType::Pps, 2), (NalType::IdrSlice, 5)]);
        assert!(contains_sps(&bytes));
        assert!(!contains_sps(&bytes[12..]));
    }

    #[test]
    fn the_first_nal_unit_is_recognised_by_its_header() {
        for h264 in [&[0, 0, 1, 0x67][..], &[0, 0, 0, 1, 0x09, 0x10], &[0, 0, 1, 0x41, 0x9a]] {
            assert!(begins_with_nal_unit(h264), "{h264:?}");
        }
        for other in [&[][..], &[0, 0, 1], &[0, 0, 1, 0xe7], &[0, 0, 1, 0], &[0xff, 0xd8, 0xff]] {
            assert!(!begins_with_nal_unit(other), "{other:?}");
        }
    }

    #[test]
    fn bytes_without_a_start_code_contain_no_nal_units() {
        let count = |bytes| nal_units(bytes).count();
        assert_eq!(count(&[]) + count(&[0, 0]) + count(&[1, 2, 3, 4]), 0);
        assert_eq!(nal_units(&[0, 0, 1]).collect::<Vec<_>>(), [&[] as &[u8]]);
    }
}
