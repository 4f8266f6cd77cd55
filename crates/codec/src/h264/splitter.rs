//! Cuts an H.264 byte stream into access units: one encoded frame each, with the NAL units that belong to it. Decoders
//! need complete access units.
//!
//! Annex B has no lengths, and the last slice of a picture is not marked as such: only the start of the next picture
//! ends it (ITU-T H.264, 7.4.1.2.3). An access unit is therefore returned when the next one starts, one frame interval
//! late, and stamped with the arrival of its own first byte. A pause in the stream would be an earlier sign, but a
//! wrong one if a command buffers the end of a picture: half a keyframe would then be visible until the next one.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use memchr::memmem;

use super::annex_b::START_CODE;
use crate::split::{SplitError, SplitFrame};

/// Splits an H.264 byte stream into access units.
#[derive(Debug, Default)]
pub struct AccessUnitSplitter {
    buffer: Vec<u8>,
    /// The arrival time of the buffer's first byte.
    began_at: Timestamp,
    /// No start code before this offset needs to be searched again.
    scanned: usize,
    /// True if the buffer contains a slice of a picture.
    has_slices: bool,
}

impl AccessUnitSplitter {
    /// Accepts bytes that arrived at `now`, and returns the access units after which another one starts.
    ///
    /// # Errors
    /// Fails if an access unit is too large.
    pub fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<SplitFrame>, SplitError> {
        if self.buffer.is_empty() {
            self.began_at = now;
        }
        self.buffer.extend_from_slice(bytes);
        let mut units = Vec::new();
        while let Some(start) = self.next_start() {
            units.push(self.cut(start, now));
        }
        match self.buffer.len() > MAX_PAYLOAD {
            true => Err(SplitError::AccessUnitTooLarge),
            false => Ok(units),
        }
    }

    /// Returns the last access unit, at the end of the stream.
    pub fn finish(&mut self) -> Option<SplitFrame> {
        let end = self.buffer.len();
        self.has_slices.then(|| self.cut(end, self.began_at))
    }

    /// Returns the offset of the next access unit, if its start has arrived.
    fn next_start(&mut self) -> Option<usize> {
        loop {
            let rest = self.buffer.get(self.scanned..)?;
            let Some(found) = memmem::find(rest, &START_CODE) else {
                // The last bytes may be the beginning of a start code.
                let torn = START_CODE.len() - 1;
                self.scanned = self.scanned.max(self.buffer.len().saturating_sub(torn));
                return None;
            };
            let code = self.scanned + found;
            self.scanned = code;
            let &[header, first] = self.buffer.get(code + 3..code + 5)? else { return None };
            self.scanned = code + START_CODE.len();
            let starts = self.has_slices && Position::of(header, first) != Position::Continuation;
            self.has_slices |= is_slice(header);
            if starts {
                let long = code > 0 && self.buffer[code - 1] == 0;
                return Some(code - usize::from(long));
            }
        }
    }

    fn cut(&mut self, end: usize, now: Timestamp) -> SplitFrame {
        let rest = self.buffer.split_off(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let arrived_at = std::mem::replace(&mut self.began_at, now);
        // The first NAL unit is scanned again: its slice counts for the next access unit.
        self.scanned = 0;
        self.has_slices = false;
        SplitFrame { bytes, arrived_at }
    }
}

/// The position of a NAL unit in its access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// The first slice of a picture.
    FirstSlice,
    /// Before the slices of a picture: delimiter, parameter sets, SEI.
    BeforeSlices,
    /// Part of the access unit before it.
    Continuation,
}

impl Position {
    fn of(header: u8, first: u8) -> Self {
        match header & 0x1f {
            // The number of its first macroblock is 0, which is coded as a single 1 bit.
            1 | 2 | 5 if first & 0x80 != 0 => Self::FirstSlice,
            6..=9 | 14..=18 => Self::BeforeSlices,
            _ => Self::Continuation,
        }
    }
}

fn is_slice(header: u8) -> bool {
    matches!(header & 0x1f, 1..=5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELIMITER: &[u8] = &[0, 0, 0, 1, 9, 0x10];
    const PARAMETERS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 4];
    const KEY: &[u8] = &[0, 0, 1, 0x65, 0x88, 5, 6];
    const FIRST: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 7];
    const SECOND: &[u8] = &[0, 0, 1, 0x41, 0x13, 8, 0];

    fn at(micros: usize) -> Timestamp {
        Timestamp::from_micros(micros as u64)
    }

    fn split(bytes: &[u8], lengths: &[usize]) -> Vec<SplitFrame> {
        let (mut units, mut all, mut rest) = (AccessUnitSplitter::default(), Vec::new(), bytes);
        for (now, length) in lengths.iter().copied().chain([usize::MAX]).enumerate() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            all.extend(units.feed(piece, at(now)).unwrap());
            rest = after;
        }
        all.extend(units.finish());
        all
    }

    fn access_units(units: Vec<SplitFrame>) -> Vec<Vec<u8>> {
        units.into_iter().map(|unit| unit.bytes).collect()
    }

    #[test]
    fn slices_of_one_picture_stay_together_with_the_nal_units_before_them() {
        let sent = [
            [PARAMETERS, KEY].concat(),
            [FIRST, SECOND].concat(),
            [DELIMITER, FIRST, SECOND].concat(),
            FIRST.to_vec(),
        ];
        assert_eq!(access_units(split(&sent.concat(), &[])), sent);
    }

    #[test]
    fn an_access_unit_is_returned_when_the_next_starts_and_stamped_with_the_arrival_of_its_first_byte()
     {
        let mut units = AccessUnitSplitter::default();
        assert_eq!(units.feed(KEY, at(1)).unwrap(), []);
        let key = SplitFrame { bytes: KEY.to_vec(), arrived_at: at(1) };
        assert_eq!(units.feed(FIRST, at(2)).unwrap(), [key]);
        let first = SplitFrame { bytes: FIRST.to_vec(), arrived_at: at(2) };
        assert_eq!(units.finish(), Some(first));
        assert_eq!(units.finish(), None);
    }

    #[test]
    fn an_access_unit_without_an_end_is_an_error() {
        let endless = [KEY, &vec![7; MAX_PAYLOAD]].concat();
        let error = AccessUnitSplitter::default().feed(&endless, at(1)).unwrap_err().to_string();
        assert!(error.contains("16777216"), "{error}");
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_access_units(
            order in proptest::collection::vec(0usize..5, 0..12),
            lengths in proptest::collection::vec(0usize..12, 0..40),
        ) {
            let bytes: Vec<u8> =
                order.iter().flat_map(|&at| [DELIMITER, PARAMETERS, KEY, FIRST, SECOND][at].to_vec()).collect();
            prop_assert_eq!(access_units(split(&bytes, &lengths)), access_units(split(&bytes, &[])));
        }

        #[test]
        fn no_byte_is_lost_before_the_last_access_unit(bytes in proptest::collection::vec(0u8..3, 0..400)) {
            let given = access_units(split(&bytes, &[])).concat();
            prop_assert!(bytes.starts_with(&given));
        }
    }
}
