//! Scans a JPEG from marker to marker, also one that has not arrived completely.
//!
//! Marker and segment layout: ITU-T T.81, annex B. Only a scan of all segments finds the end of an image, because an
//! embedded preview (Exif) has an end marker of its own.
//!
//! Cameras write bytes between the segments that no standard allows. The scanner skips what libjpeg skips, and a second
//! start of image before the first start of frame.

use std::ops::Range;

/// Start of image.
pub const SOI: u8 = 0xd8;
/// End of image.
pub const EOI: u8 = 0xd9;
/// Start of scan: entropy-coded data follow its segment.
pub const SOS: u8 = 0xda;
/// Huffman tables.
pub const DHT: u8 = 0xc4;
/// A marker without a segment that means nothing.
const TEM: u8 = 0x01;

/// An element of a JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element<'a> {
    /// A segment.
    Segment {
        /// Its marker.
        marker: u8,
        /// The offset of its marker.
        at: usize,
        /// Its payload, without marker and length.
        payload: &'a [u8],
    },
    /// Bytes between segments that mean nothing. Decoders skip them.
    Junk(Range<usize>),
    /// The end of the image: the offset after its last byte.
    End(usize),
}

/// The bytes at the scanner's position are not valid in a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JPEG is damaged")]
pub struct InvalidMarker;

/// A position in a JPEG. Continues from there when more bytes have arrived.
#[derive(Debug, Clone, Default)]
pub struct MarkerScanner {
    at: usize,
    section: Section,
    /// True after a start of frame. A start of image that follows is that of the next image.
    framed: bool,
    /// True after a scan. Without one there is no image, so no end.
    scanned: bool,
}

/// The part of a JPEG at the scanner's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Section {
    #[default]
    Start,
    Segments,
    EntropyCoded,
}

impl MarkerScanner {
    /// Returns the current offset. After an error, it is that of the first invalid byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns whether a scan has started, so that the bytes up to the position are an image or a part of it.
    pub fn has_scan(&self) -> bool {
        self.scanned
    }

    /// Returns the next element, given the JPEG from its first byte up to the last that arrived; `None` if more are
    /// needed.
    ///
    /// # Errors
    /// Fails if the bytes are not valid in a JPEG.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Element<'a>>, InvalidMarker> {
        loop {
            let Some(&[mark, marker]) = bytes.get(self.at..self.at + 2) else {
                // Entropy-coded data end with a marker, whose first byte may be the last that arrived.
                self.skip_entropy_coded(bytes);
                return Ok(None);
            };
            match (self.section, mark, marker) {
                (Section::Start, 0xff, SOI) => self.enter(Section::Segments, 2),
                (Section::EntropyCoded, 0xff, 0 | 0xd0..=0xd7) => self.at += 2,
                (Section::EntropyCoded | Section::Segments, 0xff, 0xff) => self.at += 1,
                (Section::EntropyCoded, 0xff, EOI | SOS | DHT | 0xdb..=0xdf | 0xe0..=0xfe) => {
                    self.enter(Section::Segments, 0);
                }
                (Section::EntropyCoded, 0xff, _) | (Section::Start, ..) => {
                    return Err(InvalidMarker);
                }
                (Section::EntropyCoded, ..) => self.skip_entropy_coded(bytes),
                (Section::Segments, 0xff, EOI) if self.scanned => {
                    return Ok(Some(Element::End(self.at + 2)));
                }
                (Section::Segments, 0xff, 0xc0..=0xcf | SOS..=0xfe) => {
                    return self.segment(bytes, marker);
                }
                (Section::Segments, 0xff, 0 | TEM | 0xd0..=0xd7) => return Ok(Some(self.junk(2))),
                (Section::Segments, 0xff, SOI) if !self.framed => return Ok(Some(self.junk(2))),
                (Section::Segments, 0xff, _) => return Err(InvalidMarker),
                (Section::Segments, ..) => {
                    let rest = &bytes[self.at..];
                    return Ok(Some(self.junk(memchr::memchr(0xff, rest).unwrap_or(rest.len()))));
                }
            }
        }
    }

    fn enter(&mut self, section: Section, skipped: usize) {
        self.section = section;
        self.at += skipped;
    }

    fn junk(&mut self, length: usize) -> Element<'static> {
        let from = self.at;
        self.at += length;
        Element::Junk(from..self.at)
    }

    /// Skips to the next 0xff. Within entropy-coded data, 0xff is followed by 0 (a stuffed byte) or a restart marker.
    fn skip_entropy_coded(&mut self, bytes: &[u8]) {
        if self.section == Section::EntropyCoded {
            let rest = bytes.get(self.at..).unwrap_or_default();
            self.at += memchr::memchr(0xff, rest).unwrap_or(rest.len());
        }
    }

    fn segment<'a>(
        &mut self,
        bytes: &'a [u8],
        marker: u8,
    ) -> Result<Option<Element<'a>>, InvalidMarker> {
        let at = self.at;
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = at + 4 + length.checked_sub(2).ok_or(InvalidMarker)?;
        let Some(payload) = bytes.get(at + 4..end) else { return Ok(None) };
        self.at = end;
        // DHT, JPG and DAC are among the starts of frame.
        self.framed |= matches!(marker, 0xc0..=0xcf) && !matches!(marker, DHT | 0xc8 | 0xcc);
        if marker == SOS {
            self.section = Section::EntropyCoded;
            self.scanned = true;
        }
        Ok(Some(Element::Segment { marker, at, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One scan with a stuffed byte and a restart marker, and a comment that contains the end of another image.
    const SMALL: [u8; 27] = [
        0xff, SOI, 0xff, 0xfe, 0, 6, 0xff, EOI, 0xff, SOI, 0xff, 0xff, SOS, 0, 4, 1, 2, 9, 0xff, 0,
        8, 0xff, 0xd0, 7, 0xff, 0xff, EOI,
    ];

    #[test]
    fn the_end_is_found_as_soon_as_its_last_byte_arrives() {
        let mut scanner = MarkerScanner::default();
        for length in 0..SMALL.len() {
            while let Some(element) = scanner.next(&SMALL[..length]).unwrap() {
                assert!(matches!(element, Element::Segment { .. }), "{element:?} in {length}");
            }
        }
        assert_eq!(scanner.next(&SMALL), Ok(Some(Element::End(SMALL.len()))));
    }

    #[test]
    fn segments_are_returned_with_their_payload() {
        let mut scanner = MarkerScanner::default();
        let comment = Element::Segment { marker: 0xfe, at: 2, payload: &[0xff, EOI, 0xff, SOI] };
        assert_eq!(scanner.next(&SMALL), Ok(Some(comment)));
        let scan = Element::Segment { marker: SOS, at: 11, payload: &[1, 2] };
        assert_eq!(scanner.next(&SMALL), Ok(Some(scan)));
    }

    #[test]
    fn bytes_between_segments_are_skipped_in_any_pieces() {
        let junk = [&[0][..], &[0xff, 0], &[0xff, 1], &[0xff, 0xd3], &[0xff, SOI], &[7; 608]];
        for junk in junk {
            let image = [&SMALL[..10], junk, &SMALL[10..]].concat();
            for step in [1, 2, 5, image.len()] {
                let (mut scanner, mut skipped, mut end) = (MarkerScanner::default(), 0, None);
                for length in (0..=image.len()).step_by(step).chain([image.len()]) {
                    while let Some(element) = scanner.next(&image[..length]).unwrap() {
                        match element {
                            Element::Segment { .. } => {}
                            Element::Junk(range) => skipped += range.len(),
                            Element::End(at) => {
                                end = Some(at);
                                break;
                            }
                        }
                    }
                }
                assert_eq!((skipped, end), (junk.len(), Some(image.len())), "{junk:?} by {step}");
            }
        }
    }

    #[test]
    fn scanning_fails_where_the_next_image_starts_within_this_one() {
        let torn = [&SMALL[..20], &SMALL[..]].concat();
        let mut scanner = MarkerScanner::default();
        while let Ok(element) = scanner.next(&torn) {
            assert!(matches!(element, Some(Element::Segment { .. })), "{element:?}");
        }
        assert_eq!(scanner.position(), 20);
    }
}
