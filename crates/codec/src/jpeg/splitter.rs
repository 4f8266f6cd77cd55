//! Cuts a byte stream into JPEGs. Other bytes between them are skipped: multipart headers, padding.
//!
//! A JPEG is complete when its end marker arrives, not when the next JPEG starts.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use memchr::memmem;

use super::markers::{Element, MarkerScanner, SOI};
use crate::split::{SplitError, SplitFrame};

/// Starts each JPEG: the first marker, and the first byte of the second one.
const START: [u8; 3] = [0xff, SOI, 0xff];
/// The most that may be skipped between two JPEGs, in bytes: far more than any header or padding.
const MAX_GAP: usize = 1024 * 1024;

/// Splits a byte stream into JPEGs.
#[derive(Debug, Default)]
pub struct JpegSplitter {
    buffer: Vec<u8>,
    /// The arrival time of the buffer's first byte.
    began_at: Timestamp,
    /// The position in the JPEG that the buffer starts with, if it starts with one.
    scanner: Option<MarkerScanner>,
    /// Bytes skipped since the last JPEG.
    gap: usize,
}

impl JpegSplitter {
    /// Accepts bytes that arrived at `now`, and returns the JPEGs that end in them. Damaged ones are returned too, so
    /// that the caller can count them.
    ///
    /// # Errors
    /// Fails if a JPEG is too large, or none starts.
    pub fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<SplitFrame>, SplitError> {
        if self.buffer.is_empty() {
            self.began_at = now;
        }
        self.buffer.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = self.next(now)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn next(&mut self, now: Timestamp) -> Result<Option<SplitFrame>, SplitError> {
        if self.scanner.is_none() && !self.find_start(now)? {
            return Ok(None);
        }
        let scanner = self.scanner.get_or_insert_default();
        loop {
            match scanner.next(&self.buffer) {
                Ok(Some(Element::Segment { .. })) => {}
                Ok(Some(Element::End(end))) => return self.cut(end, now).map(Some),
                Ok(None) => return check_size(self.buffer.len()).map(|()| None),
                Err(_) => {
                    let end = scanner.position();
                    return self.cut(end, now).map(Some);
                }
            }
        }
    }

    /// Skips to the next start of a JPEG; returns whether there is one.
    fn find_start(&mut self, now: Timestamp) -> Result<bool, SplitError> {
        let found = memmem::find(&self.buffer, &START);
        let end = found.unwrap_or(self.buffer.len() - torn_start(&self.buffer));
        if end > 0 {
            self.buffer.drain(..end);
            self.began_at = now;
        }
        self.gap += end;
        match self.gap > MAX_GAP {
            true => Err(SplitError::NoJpeg(self.gap)),
            false => Ok(found.is_some()),
        }
    }

    fn cut(&mut self, end: usize, now: Timestamp) -> Result<SplitFrame, SplitError> {
        check_size(end)?;
        let mut rest = self.buffer.split_off(end);
        // The next JPEG has about the same size.
        rest.reserve(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let arrived_at = std::mem::replace(&mut self.began_at, now);
        self.scanner = None;
        self.gap = 0;
        Ok(SplitFrame { bytes, arrived_at })
    }
}

/// Returns how many of the last bytes may be the beginning of [`START`].
fn torn_start(bytes: &[u8]) -> usize {
    (1..START.len()).rev().find(|&length| bytes.ends_with(&START[..length])).unwrap_or(0)
}

fn check_size(length: usize) -> Result<(), SplitError> {
    match length > MAX_PAYLOAD {
        true => Err(SplitError::JpegTooLarge),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A JPEG with these bytes in its scan. Each 0xff is followed by a stuffed 0, as the standard requires.
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

    /// Feeds the bytes in pieces of these lengths. The time is the number of earlier pieces.
    fn split(bytes: &[u8], lengths: &[usize]) -> Result<Vec<SplitFrame>, SplitError> {
        let (mut splitter, mut frames, mut rest) = (JpegSplitter::default(), Vec::new(), bytes);
        for (now, length) in lengths.iter().copied().chain([usize::MAX]).enumerate() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            frames.extend(splitter.feed(piece, at(now))?);
            rest = after;
        }
        Ok(frames)
    }

    fn jpegs(frames: Vec<SplitFrame>) -> Vec<Vec<u8>> {
        frames.into_iter().map(|frame| frame.bytes).collect()
    }

    #[test]
    fn a_jpeg_is_returned_with_its_last_byte_and_stamped_with_the_arrival_of_its_first() {
        let image = jpeg(&[1, 2, 3]);
        let mut splitter = JpegSplitter::default();
        let (last, others) = image.split_last().unwrap();
        for (now, byte) in others.iter().enumerate() {
            assert_eq!(splitter.feed(&[*byte], at(7 + now)).unwrap(), []);
        }
        let expected = SplitFrame { bytes: image.clone(), arrived_at: at(7) };
        assert_eq!(splitter.feed(&[*last], at(1000)).unwrap(), [expected]);
        let next = [b"\r\n--next\r\nContent-Type: image/jpeg\r\n\r\n", &image[..9]].concat();
        assert_eq!(splitter.feed(&next, at(2000)).unwrap(), []);
        let frames = splitter.feed(&image[9..], at(3000)).unwrap();
        assert_eq!(frames, [SplitFrame { bytes: image, arrived_at: at(2000) }]);
    }

    #[test]
    fn a_truncated_jpeg_does_not_damage_the_next() {
        let image = jpeg(&[7; 50]);
        let half = &image[..30];
        let frames = split(&[half, &image, &image].concat(), &[]).unwrap();
        assert_eq!(jpegs(frames), [half.to_vec(), image.clone(), image]);
    }

    #[test]
    fn bytes_that_look_like_a_start_do_not_cost_a_jpeg() {
        let image = jpeg(&[7; 50]);
        for rubbish in [&[0xff][..], &[0xff, SOI], &[0xff, SOI, 0xff, 1], &[0xff, 0xff, SOI]] {
            let frames = split(&[rubbish, &image].concat(), &[1, 1, 1, 1]).unwrap();
            assert_eq!(jpegs(frames).pop(), Some(image.clone()), "{rubbish:?}");
        }
    }

    #[test]
    fn a_stream_without_jpegs_or_without_an_end_is_an_error() {
        let missing = split(&vec![0; MAX_GAP + 1], &[1000; 100]).unwrap_err().to_string();
        assert!(missing.starts_with("no JPEG starts within"), "{missing}");
        let endless = [&[0xff, SOI, 0xff, 0xda, 0, 2][..], &vec![0; MAX_PAYLOAD]].concat();
        let endless = split(&endless, &[]).unwrap_err().to_string();
        assert!(endless.contains("limit of 16777216 bytes"), "{endless}");
    }

    proptest! {
        #[test]
        fn any_pieces_of_any_jpegs_give_these_jpegs(
            scans in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..8),
            between in proptest::collection::vec(0u8..0xff, 0..60),
            lengths in proptest::collection::vec(0usize..80, 0..40),
        ) {
            let sent: Vec<_> = scans.iter().map(|scan| jpeg(scan)).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|jpeg| [&between[..], jpeg].concat()).collect();
            let frames = split(&bytes, &lengths).unwrap();
            prop_assert_eq!(jpegs(frames), sent);
        }

        #[test]
        fn arbitrary_bytes_split_the_same_way_in_any_pieces(
            bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(SOI), Just(0xd9), Just(0xda), any::<u8>()], 0..600),
            lengths in proptest::collection::vec(0usize..80, 0..40),
        ) {
            let frames = split(&bytes, &lengths).unwrap();
            let whole = split(&bytes, &[]).unwrap();
            for frame in &frames {
                prop_assert!(frame.bytes.starts_with(&[0xff, SOI]));
            }
            prop_assert_eq!(jpegs(frames), jpegs(whole));
        }
    }
}
