//! The access units at which decoding can start.

use h264_reader::nal::sei::HeaderType;

use super::annex_b::{NalType, nal_units};
use super::parameter_sets::MAX_PARAMETER_SET_BYTES;
use super::sei;

/// Returns whether an access unit declares that decoding can start at it: by an IDR picture, a sequence parameter set, or
/// a recovery point, after which the picture is complete within some frames.
pub fn is_entry(bytes: &[u8]) -> bool {
    nal_units(bytes).any(|unit| match NalType::of(unit) {
        NalType::IdrSlice | NalType::Sps => true,
        NalType::Sei => is_recovery_point(unit),
        NalType::Slice | NalType::Pps | NalType::Other => false,
    })
}

fn is_recovery_point(unit: &[u8]) -> bool {
    let found = |kind, _: &[u8]| (kind == HeaderType::RecoveryPoint).then_some(());
    unit.len() <= MAX_PARAMETER_SET_BYTES && sei::find(unit, found).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_starts_at_keyframes_parameter_sets_and_recovery_points() {
        let recovery = [0, 0, 1, 6, 6, 1, 0x80, 0x80, 0, 0, 1, 0x41, 0x9a];
        let other = [0, 0, 1, 6, 5, 1, 0x80, 0x80, 0, 0, 1, 0x41, 0x9a];
        assert!(is_entry(&recovery) && !is_entry(&other));
        assert!(is_entry(&[0, 0, 1, 0x65, 0x88]) && is_entry(&[0, 0, 1, 0x67, 1]));
        assert!(!is_entry(&[0, 0, 1, 0x41, 0x9a]) && !is_entry(&[]));
    }
}
