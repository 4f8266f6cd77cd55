//! H.264 as a stream of bytes: units, each behind a start code (ITU-T H.264, annex B).

use memchr::memmem;

/// Before each unit, perhaps with one more zero.
pub const START_CODE: [u8; 3] = [0, 0, 1];

/// What a unit is, by the lower five bits of its first byte (ITU-T H.264, table 7-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A slice of a picture that stands alone, and before which none is needed for those after it: IDR.
    KeySlice,
    /// Another slice.
    Slice,
    /// Sequence parameters.
    Sequence,
    /// Picture parameters.
    Picture,
    /// Anything else.
    Other,
}

impl UnitKind {
    /// The kind of a unit without its start code.
    pub fn of(unit: &[u8]) -> Self {
        match unit.first().map_or(0, |header| header & 0x1f) {
            5 => Self::KeySlice,
            1..=4 => Self::Slice,
            7 => Self::Sequence,
            8 => Self::Picture,
            _ => Self::Other,
        }
    }
}

/// The units of an access unit, without their start codes.
pub fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts =
        memmem::find_iter(bytes, &START_CODE).map(|at| at + START_CODE.len()).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().map_or(bytes.len(), |next| next - START_CODE.len());
        Some(trimmed(&bytes[start..end]))
    })
}

/// A unit does not end with a zero; what follows it belongs to the next start code.
fn trimmed(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    &unit[..end]
}

/// Whether sequence parameters stand in it, without which nobody can begin to decode.
pub fn has_parameters(bytes: &[u8]) -> bool {
    units(bytes).any(|unit| UnitKind::of(unit) == UnitKind::Sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart_whatever_their_start_codes() {
        let bytes = [
            &[0, 0, 0, 1, 0x67, 1, 2][..],
            &[0, 0, 1, 0x68, 3],
            &[0, 0, 0, 1, 0x65, 0, 0, 3, 4, 0],
        ];
        let bytes = bytes.concat();
        let found: Vec<_> = units(&bytes).map(|unit| (UnitKind::of(unit), unit.len())).collect();
        assert_eq!(
            found,
            [(UnitKind::Sequence, 3), (UnitKind::Picture, 2), (UnitKind::KeySlice, 5)]
        );
        assert!(has_parameters(&bytes));
        assert!(!has_parameters(&bytes[12..]));
    }

    #[test]
    fn what_has_no_start_code_has_no_units() {
        assert_eq!(units(&[]).count() + units(&[0, 0]).count() + units(&[1, 2, 3, 4]).count(), 0);
        assert_eq!(units(&[0, 0, 1]).collect::<Vec<_>>(), [&[] as &[u8]]);
    }
}
