//! Cuts a byte stream into JPEGs. Other bytes between them are skipped: multipart headers, padding.
//!
//! A JPEG is complete when its end marker arrives, not when the next JPEG starts. If it has no end marker, it ends after
//! the length that its part states, before the boundary of the next part, or before the next JPEG.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use memchr::memmem;

use super::markers::{Element, MarkerScanner, SOI};
use super::part::PartHead;
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
    /// The JPEG that the buffer starts with, if it starts with one.
    image: Option<Image>,
    /// The text since the last JPEG.
    head: PartHead,
    /// Bytes skipped since the last JPEG.
    gap: usize,
    /// True after the first JPEG.
    has_jpegs: bool,
    /// True after a JPEG that ended by its stated length alone.
    ended_by_length: bool,
    /// True if a stated length was too short.
    lengths_are_wrong: bool,
}

/// The JPEG at the start of the buffer.
#[derive(Debug)]
struct Image {
    scanner: MarkerScanner,
    /// The length that its part states.
    length: Option<usize>,
    /// The line after the image, which ends it if nothing else does.
    boundary: Option<Vec<u8>>,
    /// The offset from which the boundary has not been searched for.
    searched: usize,
}

impl JpegSplitter {
    /// Accepts bytes that arrived at `now`, and returns the JPEGs that end in them. Damaged ones are returned too, so
    /// that the caller can count them.
    ///
    /// # Errors
    /// Fails if a JPEG is too large, none starts, or the stream consists of parts in another codec.
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

    /// Returns the last JPEG at the end of the stream, if its end marker is missing.
    pub fn finish(&mut self) -> Option<SplitFrame> {
        let image = self.image.take()?;
        let bytes = std::mem::take(&mut self.buffer);
        image.scanner.has_scan().then_some(SplitFrame { bytes, arrived_at: self.began_at })
    }

    fn next(&mut self, now: Timestamp) -> Result<Option<SplitFrame>, SplitError> {
        if self.image.is_none() && !self.find_start(now)? {
            return Ok(None);
        }
        let Some(image) = &mut self.image else { return Ok(None) };
        match image.end(&self.buffer) {
            Some(end) => self.cut(end, now).map(Some),
            None => check_size(self.buffer.len()).map(|()| None),
        }
    }

    /// Skips to the next start of a JPEG; returns whether there is one.
    fn find_start(&mut self, now: Timestamp) -> Result<bool, SplitError> {
        let found = memmem::find(&self.buffer, &START);
        let end = found.unwrap_or(self.buffer.len() - torn_start(&self.buffer));
        if end > 0 {
            self.head.feed(&self.buffer[..end]);
            self.buffer.drain(..end);
            self.began_at = now;
        }
        self.gap += end;
        match self.head.other_codec() {
            // Cameras send other parts too between their JPEGs.
            Some(codec) if !self.has_jpegs => return Err(SplitError::OtherCodec(codec)),
            _ if self.gap > MAX_GAP => return Err(SplitError::NoJpeg(self.gap)),
            _ => {}
        }
        if found.is_some() {
            self.start_image();
        }
        Ok(found.is_some())
    }

    fn start_image(&mut self) {
        // The rest of a JPEG that was cut off is not text.
        self.lengths_are_wrong |= self.ended_by_length && self.head.is_binary();
        self.image = Some(Image {
            scanner: MarkerScanner::default(),
            length: self.head.length().filter(|_| !self.lengths_are_wrong),
            boundary: self.head.boundary().map(|line| [b"\n", line].concat()),
            searched: 0,
        });
        self.head.restart();
        self.has_jpegs = true;
    }

    fn cut(&mut self, end: End, now: Timestamp) -> Result<SplitFrame, SplitError> {
        check_size(end.at)?;
        let mut rest = self.buffer.split_off(end.at);
        // The next JPEG has about the same size.
        rest.reserve(end.at);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let arrived_at = std::mem::replace(&mut self.began_at, now);
        self.image = None;
        self.gap = 0;
        self.ended_by_length = end.by_length;
        Ok(SplitFrame { bytes, arrived_at })
    }
}

/// The end of a JPEG.
#[derive(Debug, Clone, Copy)]
struct End {
    /// The offset after its last byte.
    at: usize,
    /// True if only its stated length shows the end.
    by_length: bool,
}

impl Image {
    /// Returns the end of the image that `buffer` starts with, if it has arrived.
    fn end(&mut self, buffer: &[u8]) -> Option<End> {
        // Nothing after the stated length is taken for the image, however much has arrived.
        let stated = self.length.filter(|&length| length <= buffer.len());
        if let Some(length) = stated {
            let end = self.scan(&buffer[..length]);
            if end.is_some() {
                return end;
            }
            self.length = None;
            if self.scanner.has_scan() {
                return Some(End { at: length, by_length: true });
            }
        }
        if self.length.is_some() {
            return self.scan(buffer);
        }
        loop {
            let boundary = self.find_boundary(buffer);
            let end = self.scan(&buffer[..boundary.unwrap_or(buffer.len())]);
            match (end, boundary) {
                (None, Some(at)) if self.scanner.has_scan() => {
                    return Some(End { at, by_length: false });
                }
                // The header contains the same bytes.
                (None, Some(_)) => {}
                (end, _) => return end,
            }
        }
    }

    /// Scans to the end marker, or to the first invalid byte.
    fn scan(&mut self, bytes: &[u8]) -> Option<End> {
        loop {
            match self.scanner.next(bytes) {
                Ok(Some(Element::Segment { .. } | Element::Junk(_))) => {}
                Ok(Some(Element::End(at))) => return Some(End { at, by_length: false }),
                Ok(None) => return None,
                Err(_) => return Some(End { at: self.scanner.position(), by_length: false }),
            }
        }
    }

    fn find_boundary(&mut self, buffer: &[u8]) -> Option<usize> {
        let boundary = self.boundary.as_ref()?;
        let found = memmem::find(&buffer[self.searched..], boundary).map(|at| self.searched + at);
        // Its first bytes may be the last that arrived.
        self.searched = buffer.len().saturating_sub(boundary.len() - 1);
        let found = found?;
        self.searched = found + boundary.len();
        // The line break before a boundary belongs to it.
        Some(if found > 0 && buffer[found - 1] == b'\r' { found - 1 } else { found })
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
            let frames = jpegs(split(&[rubbish, &image].concat(), &[1, 1, 1, 1]).unwrap());
            let [frame] = &frames[..] else { panic!("{rubbish:?}: {frames:?}") };
            // A repair removes the rest.
            assert!(frame.ends_with(&image), "{rubbish:?}: {frame:?}");
        }
    }

    /// A multipart stream of these JPEGs.
    fn parts(images: &[Vec<u8>], head: impl Fn(usize) -> String) -> Vec<u8> {
        let part = |image: &Vec<u8>| [head(image.len()).as_bytes(), image, b"\r\n"].concat();
        images.iter().flat_map(part).collect()
    }

    /// JPEGs without an end marker.
    fn open_images() -> Vec<Vec<u8>> {
        let mut images = [jpeg(&[1; 90]), jpeg(&[2, 0xff, 3]), jpeg(b"\r\n--fram")];
        images.iter_mut().for_each(|image| image.truncate(image.len() - 2));
        images.into()
    }

    #[test]
    fn without_an_end_marker_a_jpeg_ends_with_its_part() {
        let images = open_images();
        let mut followed = images.clone();
        followed.push(jpeg(&[4]));
        let length = |length| format!("--frame\r\nContent-Length: {length}\r\n\r\n");
        let boundary = |_| "--frame\r\nContent-Type: image/jpeg\r\n\r\n".to_owned();
        let dashless = |_| "frame\nContent-Type: image/jpeg\n\n".to_owned();
        for step in [1, 7, 50, 1000] {
            let lengths = vec![step; 1000];
            let split = |bytes: &[u8]| jpegs(split(bytes, &lengths).unwrap());
            assert_eq!(split(&parts(&images, length)), images, "with lengths");
            for head in [&boundary as &dyn Fn(usize) -> String, &dashless] {
                let bytes = parts(&followed, head);
                // The line break before a boundary with a bare LF belongs to the boundary too.
                assert_eq!(split(&bytes), followed, "{}", head(0));
            }
            assert_eq!(split(&followed.concat()), followed, "without parts");
        }
    }

    #[test]
    fn a_stated_length_is_enough_to_deliver_a_jpeg_without_an_end_marker() {
        let image = open_images().remove(0);
        let head = format!("Content-Length: {}\r\n\r\n", image.len());
        let frames = split(&[head.as_bytes(), &image].concat(), &[]).unwrap();
        assert_eq!(jpegs(frames), [image]);
    }

    #[test]
    fn a_wrong_length_costs_one_jpeg_at_most() {
        let images: Vec<_> = (0..4).map(|scan| jpeg(&[scan + 128; 90])).collect();
        for wrong in [-40, -1, 1, 10_000] {
            let head =
                |length: usize| format!("--f\r\nContent-Length: {}\r\n\r\n", length as i32 + wrong);
            for step in [1, 7, 1000] {
                let frames = jpegs(split(&parts(&images, head), &vec![step; 1000]).unwrap());
                assert_eq!(frames[1..], images[1..], "{wrong} by {step}");
            }
        }
    }

    #[test]
    fn the_last_jpeg_needs_no_end_marker() {
        let image = open_images().remove(0);
        let mut splitter = JpegSplitter::default();
        assert_eq!(splitter.feed(&image, at(7)).unwrap(), []);
        assert_eq!(splitter.finish(), Some(SplitFrame { bytes: image, arrived_at: at(7) }));
        assert_eq!(splitter.finish(), None);
        splitter.feed(&jpeg(&[1])[..9], at(8)).unwrap();
        assert_eq!(splitter.finish(), None, "no scan has started");
    }

    #[test]
    fn parts_in_another_codec_are_an_error_only_before_the_first_jpeg() {
        let h264 = b"--f\r\nContent-Type: video/x-h264\r\n\r\n\0\0\0\x01\x67\r\n";
        let refused = split(h264, &[1; 60]).unwrap_err();
        assert_eq!(refused, SplitError::OtherCodec("H.264"));
        let image = jpeg(&[1]);
        let frames = split(&[&image, &h264[..], &image].concat(), &[]).unwrap();
        assert_eq!(jpegs(frames), [image.clone(), image]);
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
