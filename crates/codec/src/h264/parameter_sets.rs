//! The parameter sets of one source, each of which has an id of its kind. Pictures refer to a picture parameter set,
//! and that refers to a sequence parameter set (ITU-T H.264, 7.4.1.2.1).

use std::collections::BTreeMap;

use h264_reader::rbsp::{BitRead, BitReader, decode_nal};

use super::annex_b::NalType;

/// The most parameter sets that are kept; further ones are ignored. Cameras have one or two of each kind.
const MAX_PARAMETER_SETS: usize = 32;
/// The longest parameter set that is kept, in bytes. Usual ones have some dozens.
pub(super) const MAX_PARAMETER_SET_BYTES: usize = 4096;
/// The bytes of a NAL unit in which the first three numbers of its header fit.
const HEADER_BYTES: usize = 24;
/// The bytes of profile, constraints and level, before the id of a sequence parameter set.
const PROFILE_BYTES: u32 = 3;

/// The first numbers of a slice header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SliceHeader {
    pub(super) slice_type: u32,
    picture_set: Option<u32>,
}

/// Sequence and picture parameter sets, as received.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sequence: BTreeMap<u32, SequenceSet>,
    picture: BTreeMap<u32, PictureSet>,
}

#[derive(Debug)]
struct SequenceSet {
    bytes: Vec<u8>,
    size: Option<(u32, u32)>,
}

#[derive(Debug)]
struct PictureSet {
    bytes: Vec<u8>,
    /// Id of the sequence parameter set.
    sequence: u32,
}

impl SliceHeader {
    /// Reads the header of a slice.
    pub(super) fn read(unit: &[u8]) -> Option<Self> {
        let numbers = numbers(unit, 0, 3)?;
        Some(Self { slice_type: *numbers.get(1)?, picture_set: numbers.get(2).copied() })
    }
}

impl ParameterSets {
    /// Returns whether this parameter set is known.
    pub(super) fn contains(&self, unit: &[u8]) -> bool {
        self.units().any(|known| known == unit)
    }

    /// Keeps a sequence parameter set for frames of this size. It replaces the one with the same id.
    pub(super) fn insert_sequence(&mut self, unit: &[u8], size: Option<(u32, u32)>) {
        let id = numbers(unit, PROFILE_BYTES, 1).and_then(|numbers| numbers.first().copied());
        if let Some(id) = id.filter(|id| self.has_room() || self.sequence.contains_key(id)) {
            self.sequence.insert(id, SequenceSet { bytes: unit.to_vec(), size });
        }
    }

    /// Keeps a picture parameter set. It replaces the one with the same id.
    pub(super) fn insert_picture(&mut self, unit: &[u8]) {
        let Some(&[id, sequence]) = numbers(unit, 0, 2).as_deref() else { return };
        if self.has_room() || self.picture.contains_key(&id) {
            self.picture.insert(id, PictureSet { bytes: unit.to_vec(), sequence });
        }
    }

    /// Returns the size of the frames whose slices have this header, if its parameter sets are known.
    pub(super) fn size(&self, slice: SliceHeader) -> Option<(u32, u32)> {
        let picture = self.picture.get(&slice.picture_set?)?;
        self.sequence.get(&picture.sequence)?.size
    }

    /// Returns all parameter sets, in an order in which a decoder can read them.
    pub(super) fn units(&self) -> impl Iterator<Item = &[u8]> {
        let sequence = self.sequence.values().map(|set| &set.bytes[..]);
        sequence.chain(self.picture.values().map(|set| &set.bytes[..]))
    }

    /// Returns whether these NAL units contain all known parameter sets.
    pub(super) fn are_all_in(&self, units: &[&[u8]]) -> bool {
        let mut sets =
            units.iter().filter(|unit| matches!(NalType::of(unit), NalType::Sps | NalType::Pps));
        // Usually a keyframe has all of them or none.
        sets.next().is_some() && self.units().all(|known| units.contains(&known))
    }

    fn has_room(&self) -> bool {
        self.sequence.len() + self.picture.len() < MAX_PARAMETER_SETS
    }
}

/// Returns up to `count` Exp-Golomb numbers after these bytes of a NAL unit. `None` if there are none.
fn numbers(unit: &[u8], skipped_bytes: u32, count: usize) -> Option<Vec<u32>> {
    let bytes = decode_nal(&unit[..unit.len().min(HEADER_BYTES)]).ok()?;
    let mut reader = BitReader::new(&bytes[..]);
    reader.skip(skipped_bytes * 8, "profile and level").ok()?;
    let numbers: Vec<u32> = (0..count).map_while(|_| reader.read_ue("number").ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture parameter set that refers to a sequence parameter set; ids below 3.
    fn picture(id: u8, sequence: u8) -> Vec<u8> {
        // As Exp-Golomb numbers: 1, 010, 011.
        let code = |id: u8| if id == 0 { "1".to_owned() } else { format!("{:03b}", id + 1) };
        let bits = format!("{:0<8}", code(id) + &code(sequence) + "1");
        vec![0x68, u8::from_str_radix(&bits, 2).unwrap()]
    }

    fn sequence(id: u8, more: u8) -> Vec<u8> {
        let code = [0b1100_0000, 0b0101_0000, 0b0111_0000][usize::from(id)];
        vec![0x67, 66, 0, 30, code, more]
    }

    #[test]
    fn sets_with_different_ids_are_kept_and_those_with_the_same_id_replaced() {
        let mut sets = ParameterSets::default();
        sets.insert_picture(&picture(1, 1));
        sets.insert_picture(&picture(0, 0));
        sets.insert_sequence(&sequence(1, 1), Some((320, 240)));
        sets.insert_sequence(&sequence(0, 1), Some((640, 480)));
        let all = [sequence(0, 1), sequence(1, 1), picture(0, 0), picture(1, 1)];
        assert!(sets.units().eq(all.iter().map(|set| &set[..])), "{sets:?}");
        sets.insert_sequence(&sequence(1, 2), Some((160, 120)));
        assert!(sets.contains(&sequence(1, 2)) && !sets.contains(&sequence(1, 1)));
        let slice = |picture_set| SliceHeader { slice_type: 7, picture_set: Some(picture_set) };
        assert_eq!(sets.size(slice(0)), Some((640, 480)));
        assert_eq!(sets.size(slice(1)), Some((160, 120)));
        assert_eq!(sets.size(slice(2)), None);
    }

    #[test]
    fn a_keyframe_with_a_part_of_the_sets_lacks_the_others() {
        let mut sets = ParameterSets::default();
        let (first, second, picture) = (sequence(0, 1), sequence(1, 1), picture(0, 0));
        sets.insert_sequence(&first, None);
        sets.insert_picture(&picture);
        assert!(sets.are_all_in(&[&first, &picture, &[0x65]]));
        assert!(!sets.are_all_in(&[&[0x65]]));
        sets.insert_sequence(&second, None);
        assert!(!sets.are_all_in(&[&first, &picture, &[0x65]]));
    }

    #[test]
    fn the_number_of_sets_is_limited() {
        let mut sets = ParameterSets::default();
        for id in 0..63u32 {
            // As Exp-Golomb numbers: the id, and then only ones.
            let end = 31 - 2 * (id + 1).ilog2();
            let bits = (id + 1) << end | ((1 << end) - 1);
            sets.insert_picture(&[&[0x68][..], &bits.to_be_bytes()].concat());
        }
        assert_eq!(sets.units().count(), MAX_PARAMETER_SETS);
    }
}
