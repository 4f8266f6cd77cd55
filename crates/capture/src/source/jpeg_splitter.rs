//! Cuts pictures out of bytes that hold JPEG after JPEG, with or without something between them: the text of a multipart
//! answer, padding. A picture is cut out as soon as its end is there, not when the next one begins.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use memchr::memmem;

use super::SourceError;
use crate::jpeg_walk::{Item, SOI, Walk};

/// A picture begins so: the first marker, and the mark of the second.
const START: [u8; 3] = [0xff, SOI, 0xff];
/// What may lie between two pictures: far more than any heading or padding.
const MOST_BETWEEN: usize = 1024 * 1024;

/// A picture cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// From its start to its end, or to where it breaks off.
    pub(super) jpeg: Vec<u8>,
    /// When its first byte arrived.
    pub(super) arrived_at: Timestamp,
}

/// The bytes of which no picture was made yet.
#[derive(Debug, Default)]
pub(super) struct JpegSplitter {
    held: Vec<u8>,
    /// When the first of them arrived.
    began_at: Timestamp,
    /// Within the picture that they begin with, if they do.
    walk: Option<Walk>,
    /// What was passed over since the last picture.
    between: usize,
}

impl JpegSplitter {
    /// Takes bytes in that arrived now, and gives the pictures that end in them. Among them are broken ones, so that
    /// whoever looks through them counts them.
    ///
    /// # Errors
    /// When a picture is too long, or none comes at all.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<Cut>, SourceError> {
        if self.held.is_empty() {
            self.began_at = now;
        }
        self.held.extend_from_slice(bytes);
        let mut cuts = Vec::new();
        while let Some(cut) = self.next(now)? {
            cuts.push(cut);
        }
        Ok(cuts)
    }

    fn next(&mut self, now: Timestamp) -> Result<Option<Cut>, SourceError> {
        if self.walk.is_none() && !self.find_start(now)? {
            return Ok(None);
        }
        let walk = self.walk.get_or_insert_default();
        loop {
            match walk.next(&self.held) {
                Ok(Some(Item::Segment { .. })) => {}
                Ok(Some(Item::End(end))) => return self.cut(end, now).map(Some),
                Ok(None) => return within_limit(self.held.len()).map(|()| None),
                Err(_) => {
                    let end = walk.at();
                    return self.cut(end, now).map(Some);
                }
            }
        }
    }

    /// Passes over what is no picture; whether one begins behind it.
    fn find_start(&mut self, now: Timestamp) -> Result<bool, SourceError> {
        let found = memmem::find(&self.held, &START);
        let end = found.unwrap_or(self.held.len() - torn_start(&self.held));
        if end > 0 {
            self.held.drain(..end);
            self.began_at = now;
        }
        self.between += end;
        if self.between > MOST_BETWEEN {
            let passed = self.between;
            return Err(SourceError::NotAVideo(format!("no JPEG begins within {passed} bytes")));
        }
        Ok(found.is_some())
    }

    fn cut(&mut self, end: usize, now: Timestamp) -> Result<Cut, SourceError> {
        within_limit(end)?;
        let mut rest = self.held.split_off(end);
        // The next one is about as long.
        rest.reserve(end);
        let jpeg = std::mem::replace(&mut self.held, rest);
        let arrived_at = std::mem::replace(&mut self.began_at, now);
        self.walk = None;
        self.between = 0;
        Ok(Cut { jpeg, arrived_at })
    }
}

/// How many of the last bytes may be the beginning of a picture's beginning.
fn torn_start(bytes: &[u8]) -> usize {
    (1..START.len()).rev().find(|&length| bytes.ends_with(&START[..length])).unwrap_or(0)
}

fn within_limit(length: usize) -> Result<(), SourceError> {
    match length > MAX_PAYLOAD {
        true => Err(SourceError::NotAVideo(format!(
            "a JPEG has more than the {MAX_PAYLOAD} bytes that a frame may have: ask the camera for less"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A JPEG with this in its scan; what could be a marker there is stuffed, as the standard wants.
    fn jpeg(scan: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, SOI, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 0xff, SOI];
        bytes.extend([0xff, 0xda, 0, 2]);
        for &byte in scan {
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    fn at(micros: usize) -> Timestamp {
        Timestamp::from_micros(micros as u64)
    }

    /// Feeds the bytes in pieces of these lengths; the clock says how many pieces came before.
    fn split(bytes: &[u8], lengths: &[usize]) -> Result<Vec<Cut>, SourceError> {
        let (mut splitter, mut cuts, mut rest) = (JpegSplitter::default(), Vec::new(), bytes);
        for (now, length) in lengths.iter().copied().chain([usize::MAX]).enumerate() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            cuts.extend(splitter.feed(piece, at(now))?);
            rest = after;
        }
        Ok(cuts)
    }

    fn pictures(cuts: Vec<Cut>) -> Vec<Vec<u8>> {
        cuts.into_iter().map(|cut| cut.jpeg).collect()
    }

    #[test]
    fn a_picture_is_given_with_its_last_byte_and_is_as_old_as_its_first() {
        let picture = jpeg(&[1, 2, 3]);
        let mut splitter = JpegSplitter::default();
        let (last, others) = picture.split_last().unwrap();
        for (now, byte) in others.iter().enumerate() {
            assert_eq!(splitter.feed(&[*byte], at(7 + now)).unwrap(), []);
        }
        let cut = Cut { jpeg: picture.clone(), arrived_at: at(7) };
        assert_eq!(splitter.feed(&[*last], at(1000)).unwrap(), [cut]);
        let next = [b"\r\n--next\r\nContent-Type: image/jpeg\r\n\r\n", &picture[..9]].concat();
        assert_eq!(splitter.feed(&next, at(2000)).unwrap(), []);
        let cuts = splitter.feed(&picture[9..], at(3000)).unwrap();
        assert_eq!(cuts, [Cut { jpeg: picture, arrived_at: at(2000) }]);
    }

    #[test]
    fn a_picture_that_breaks_off_costs_no_other() {
        let picture = jpeg(&[7; 50]);
        let half = &picture[..30];
        let cuts = split(&[half, &picture, &picture].concat(), &[]).unwrap();
        assert_eq!(pictures(cuts), [half.to_vec(), picture.clone(), picture]);
    }

    #[test]
    fn what_begins_like_a_picture_and_is_none_costs_no_picture() {
        let picture = jpeg(&[7; 50]);
        for rubbish in [&[0xff][..], &[0xff, SOI], &[0xff, SOI, 0xff, 1], &[0xff, 0xff, SOI]] {
            let cuts = split(&[rubbish, &picture].concat(), &[1, 1, 1, 1]).unwrap();
            assert_eq!(pictures(cuts).pop(), Some(picture.clone()), "{rubbish:?}");
        }
    }

    #[test]
    fn what_never_becomes_a_picture_ends_with_a_word() {
        let silence = split(&vec![0; MOST_BETWEEN + 1], &[1000; 100]).unwrap_err().to_string();
        assert!(silence.starts_with("not a video: no JPEG begins within"), "{silence}");
        let endless = [&[0xff, SOI, 0xff, 0xda, 0, 2][..], &vec![0; MAX_PAYLOAD]].concat();
        let endless = split(&endless, &[]).unwrap_err().to_string();
        assert!(endless.contains("more than the 16777216 bytes"), "{endless}");
    }

    proptest! {
        #[test]
        fn any_pieces_of_any_pictures_give_these_pictures(
            scans in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..8),
            between in proptest::collection::vec(0u8..0xff, 0..60),
            lengths in proptest::collection::vec(0usize..80, 0..40),
        ) {
            let sent: Vec<_> = scans.iter().map(|scan| jpeg(scan)).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|jpeg| [&between[..], jpeg].concat()).collect();
            let cuts = split(&bytes, &lengths).unwrap();
            prop_assert_eq!(pictures(cuts), sent);
        }

        #[test]
        fn rubbish_gives_what_begins_like_a_picture_and_nothing_is_held_for_ever(
            bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(SOI), Just(0xd9), Just(0xda), any::<u8>()], 0..600),
            lengths in proptest::collection::vec(0usize..80, 0..40),
        ) {
            let cuts = split(&bytes, &lengths).unwrap();
            let whole = split(&bytes, &[]).unwrap();
            for cut in &cuts {
                prop_assert!(cut.jpeg.starts_with(&[0xff, SOI]));
            }
            prop_assert_eq!(pictures(cuts), pictures(whole));
        }
    }
}
