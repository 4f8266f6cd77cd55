//! From marker to marker through a JPEG, which may still be on its way: looked through, not decoded.
//!
//! Marker and segment layout: ITU-T T.81, annex B. Only the walk tells where a picture ends: a preview within it (Exif) has an
//! end of its own. Knows nothing of where pictures come from and what becomes of them.

/// Start of image.
pub const SOI: u8 = 0xd8;
/// End of image.
pub const EOI: u8 = 0xd9;
/// Start of scan: its segment is followed by coded data.
pub const SOS: u8 = 0xda;
/// Huffman tables.
pub const DHT: u8 = 0xc4;

/// What stands in a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A segment.
    Segment {
        /// What kind it is of.
        marker: u8,
        /// Where it begins, with its marker.
        at: usize,
        /// What it holds, without marker and length.
        inside: &'a [u8],
    },
    /// The picture's end, after its last byte.
    End(usize),
}

/// What stands at the place reached cannot stand in a JPEG there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JPEG is damaged")]
pub struct Broken;

/// A place in a JPEG. Goes on from there when more bytes have come.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    at: usize,
    within: Within,
    /// Coded data was passed: without any there is no picture, and so no end.
    scanned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Within {
    #[default]
    Start,
    Segments,
    Coded,
}

impl Walk {
    /// How far it has come. Where it is broken: the first byte that cannot be.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next item, given the JPEG from its first byte to the last that is there; `None` where it goes on behind that.
    ///
    /// # Errors
    /// Where the bytes cannot be a JPEG.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Item<'a>>, Broken> {
        loop {
            let Some(&[mark, marker]) = bytes.get(self.at..self.at + 2) else {
                // Coded data ends with a marker, whose first byte may be the last that is there.
                self.pass_coded(bytes);
                return Ok(None);
            };
            match (self.within, mark, marker) {
                (Within::Start, 0xff, SOI) => self.enter(Within::Segments, 2),
                (Within::Coded, 0xff, 0 | 0xd0..=0xd7) => self.at += 2,
                (Within::Coded | Within::Segments, 0xff, 0xff) => self.at += 1,
                (Within::Coded, 0xff, EOI | SOS | DHT | 0xdb..=0xdf | 0xe0..=0xfe) => {
                    self.enter(Within::Segments, 0);
                }
                (Within::Coded, 0xff, _) | (Within::Start, ..) => return Err(Broken),
                (Within::Coded, ..) => self.pass_coded(bytes),
                (Within::Segments, 0xff, EOI) if self.scanned => {
                    return Ok(Some(Item::End(self.at + 2)));
                }
                (Within::Segments, 0xff, 0xc0..=0xcf | SOS..=0xfe) => {
                    return self.segment(bytes, marker);
                }
                (Within::Segments, ..) => return Err(Broken),
            }
        }
    }

    fn enter(&mut self, within: Within, after: usize) {
        self.within = within;
        self.at += after;
    }

    /// Within coded data 0xff is followed by 0 (a stuffed byte) or the number of a restart; all else is passed at once.
    fn pass_coded(&mut self, bytes: &[u8]) {
        if self.within == Within::Coded {
            let rest = bytes.get(self.at..).unwrap_or_default();
            self.at += memchr::memchr(0xff, rest).unwrap_or(rest.len());
        }
    }

    fn segment<'a>(&mut self, bytes: &'a [u8], marker: u8) -> Result<Option<Item<'a>>, Broken> {
        let at = self.at;
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = at + 4 + length.checked_sub(2).ok_or(Broken)?;
        let Some(inside) = bytes.get(at + 4..end) else { return Ok(None) };
        self.at = end;
        if marker == SOS {
            self.within = Within::Coded;
            self.scanned = true;
        }
        Ok(Some(Item::Segment { marker, at, inside }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One scan with a stuffed byte and a restart, and a comment that holds the end of another picture.
    const SMALL: [u8; 27] = [
        0xff, SOI, 0xff, 0xfe, 0, 6, 0xff, EOI, 0xff, SOI, 0xff, 0xff, SOS, 0, 4, 1, 2, 9, 0xff, 0,
        8, 0xff, 0xd0, 7, 0xff, 0xff, EOI,
    ];

    #[test]
    fn the_end_is_found_once_its_last_byte_is_there_and_not_before() {
        let mut walk = Walk::default();
        for length in 0..SMALL.len() {
            while let Some(item) = walk.next(&SMALL[..length]).unwrap() {
                assert!(matches!(item, Item::Segment { .. }), "{item:?} in {length}");
            }
        }
        assert_eq!(walk.next(&SMALL), Ok(Some(Item::End(SMALL.len()))));
    }

    #[test]
    fn segments_are_told_with_what_they_hold() {
        let mut walk = Walk::default();
        let comment = Item::Segment { marker: 0xfe, at: 2, inside: &[0xff, EOI, 0xff, SOI] };
        assert_eq!(walk.next(&SMALL), Ok(Some(comment)));
        let scan = Item::Segment { marker: SOS, at: 11, inside: &[1, 2] };
        assert_eq!(walk.next(&SMALL), Ok(Some(scan)));
    }

    #[test]
    fn it_breaks_where_the_next_picture_begins_in_the_middle_of_this_one() {
        let torn = [&SMALL[..20], &SMALL[..]].concat();
        let mut walk = Walk::default();
        while let Ok(item) = walk.next(&torn) {
            assert!(matches!(item, Some(Item::Segment { .. })), "{item:?}");
        }
        assert_eq!(walk.at(), 20);
    }
}
