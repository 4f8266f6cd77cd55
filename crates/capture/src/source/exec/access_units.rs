//! Cuts H.264 into pictures with what belongs to them: access units, of which a decoder wants a whole one at a time.
//!
//! Annex B has no lengths, and a picture's last slice does not say that it is the last: only the beginning of the next
//! picture tells (ITU-T H.264, 7.4.1.2.3). So a picture is given when the next one begins, an interval late, with the stamp
//! of its own first byte. A pause in the bytes would tell earlier, and wrongly wherever a command's own buffer holds back
//! the end of a picture; half a keyframe would then be seen until the next one.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use memchr::memmem;

use crate::annex_b::START_CODE;
use crate::source::SourceError;

/// A picture, coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccessUnit {
    /// In annex B's form.
    pub(super) bytes: Vec<u8>,
    /// When its first byte arrived.
    pub(super) arrived_at: Timestamp,
}

/// The bytes of which no picture was made yet.
#[derive(Debug, Default)]
pub(super) struct AccessUnits {
    held: Vec<u8>,
    began_at: Timestamp,
    /// Up to here no start code is to be looked for any more.
    seen: usize,
    /// What is held has slices of a picture in it.
    has_slices: bool,
}

impl AccessUnits {
    /// Takes bytes in that arrived now; gives the pictures behind which another one begins in them.
    ///
    /// # Errors
    /// When a picture is too long.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Vec<AccessUnit>, SourceError> {
        if self.held.is_empty() {
            self.began_at = now;
        }
        self.held.extend_from_slice(bytes);
        let mut units = Vec::new();
        while let Some(start) = self.next_start() {
            units.push(self.cut(start, now));
        }
        match self.held.len() > MAX_PAYLOAD {
            true => Err(SourceError::NotAVideo(format!(
                "an H.264 picture has more than {MAX_PAYLOAD} bytes"
            ))),
            false => Ok(units),
        }
    }

    /// At the end: the last picture.
    pub(super) fn rest(&mut self) -> Option<AccessUnit> {
        let end = self.held.len();
        self.has_slices.then(|| self.cut(end, self.began_at))
    }

    /// Where the next picture begins, if that can be told yet.
    fn next_start(&mut self) -> Option<usize> {
        loop {
            let rest = self.held.get(self.seen..)?;
            let Some(found) = memmem::find(rest, &START_CODE) else {
                // It may be torn.
                self.seen = self.seen.max(self.held.len().saturating_sub(START_CODE.len() - 1));
                return None;
            };
            let code = self.seen + found;
            self.seen = code;
            let &[header, first] = self.held.get(code + 3..code + 5)? else { return None };
            self.seen = code + START_CODE.len();
            let unit = Unit::of(header, first);
            let begins = self.has_slices && unit != Unit::Continues;
            self.has_slices |= is_slice(header);
            if begins {
                let long = code > 0 && self.held[code - 1] == 0;
                return Some(code - usize::from(long));
            }
        }
    }

    fn cut(&mut self, end: usize, now: Timestamp) -> AccessUnit {
        let rest = self.held.split_off(end);
        let bytes = std::mem::replace(&mut self.held, rest);
        let arrived_at = std::mem::replace(&mut self.began_at, now);
        // Looked at once more: what begins there counts for the next picture.
        self.seen = 0;
        self.has_slices = false;
        AccessUnit { bytes, arrived_at }
    }
}

/// What a unit says of where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// With it a picture's coded slices begin.
    FirstSlice,
    /// It stands before the slices of a picture.
    Before,
    /// It belongs to what came before.
    Continues,
}

impl Unit {
    fn of(header: u8, first: u8) -> Self {
        match header & 0x1f {
            // The number of its first macroblock is 0, which is coded as a single 1 bit.
            1 | 2 | 5 if first & 0x80 != 0 => Self::FirstSlice,
            6..=9 | 14..=18 => Self::Before,
            _ => Self::Continues,
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

    fn split(bytes: &[u8], lengths: &[usize]) -> Vec<AccessUnit> {
        let (mut units, mut all, mut rest) = (AccessUnits::default(), Vec::new(), bytes);
        for (now, length) in lengths.iter().copied().chain([usize::MAX]).enumerate() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            all.extend(units.feed(piece, at(now)).unwrap());
            rest = after;
        }
        all.extend(units.rest());
        all
    }

    fn pictures(units: Vec<AccessUnit>) -> Vec<Vec<u8>> {
        units.into_iter().map(|unit| unit.bytes).collect()
    }

    #[test]
    fn slices_of_one_picture_and_what_stands_before_them_stay_together() {
        let sent = [
            [PARAMETERS, KEY].concat(),
            [FIRST, SECOND].concat(),
            [DELIMITER, FIRST, SECOND].concat(),
            FIRST.to_vec(),
        ];
        assert_eq!(pictures(split(&sent.concat(), &[])), sent);
    }

    #[test]
    fn a_picture_is_given_when_the_next_begins_and_is_as_old_as_its_own_first_byte() {
        let mut units = AccessUnits::default();
        assert_eq!(units.feed(KEY, at(1)).unwrap(), []);
        let key = AccessUnit { bytes: KEY.to_vec(), arrived_at: at(1) };
        assert_eq!(units.feed(FIRST, at(2)).unwrap(), [key]);
        let first = AccessUnit { bytes: FIRST.to_vec(), arrived_at: at(2) };
        assert_eq!(units.rest(), Some(first));
        assert_eq!(units.rest(), None);
    }

    #[test]
    fn a_picture_without_end_is_refused() {
        let endless = [KEY, &vec![7; MAX_PAYLOAD]].concat();
        let error = AccessUnits::default().feed(&endless, at(1)).unwrap_err().to_string();
        assert!(error.contains("16777216"), "{error}");
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_pictures(
            which in proptest::collection::vec(0usize..5, 0..12),
            lengths in proptest::collection::vec(0usize..12, 0..40),
        ) {
            let bytes: Vec<u8> =
                which.iter().flat_map(|&at| [DELIMITER, PARAMETERS, KEY, FIRST, SECOND][at].to_vec()).collect();
            prop_assert_eq!(pictures(split(&bytes, &lengths)), pictures(split(&bytes, &[])));
        }

        #[test]
        fn nothing_is_lost_before_the_last_picture(bytes in proptest::collection::vec(0u8..3, 0..400)) {
            let given = pictures(split(&bytes, &[])).concat();
            prop_assert!(bytes.starts_with(&given));
        }
    }
}
