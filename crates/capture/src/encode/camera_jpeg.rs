//! A camera's own JPEG, made fit to be passed on as it is: looked through, not decoded.
//!
//! Cameras leave out the Huffman tables where they use the typical ones of ITU-T T.81, annex K (as the AVI and MJPEG
//! conventions allow), pad with zeros after the end, and on a bad cable send half a picture.

mod tables;

use std::ops::Range;

use super::jpeg::MAX_SIDE;
use crate::jpeg_walk::{Broken, DHT, Item, SOI, SOS, Walk};

/// Decoded it takes three bytes each: 200 MB.
const MOST_PIXELS: u64 = 8192 * 8192;
/// A JPEG has at least a bit for each block of 64 pixels and each of three colours, two of which may be a quarter as fine:
/// six bits for 256 pixels.
const PIXELS_A_BYTE: u64 = 1024;
/// The segment in which cameras say how a picture is to be turned (CIPA DC-008, Exif).
const APP1: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0";

/// Starts of frame that browsers decode: baseline, extended sequential and progressive, Huffman coded.
const SOF: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;

/// A whole JPEG, and its size.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// From its first byte to its last.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Why a camera's bytes are no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It begins otherwise.
    #[error("the camera sent something that is no JPEG")]
    NoJpeg,
    /// It ends too early.
    #[error("the camera sent half a picture")]
    Truncated,
    /// What stands inside cannot be.
    #[error("the camera sent a damaged picture")]
    Damaged,
    /// A kind of JPEG that browsers do not show.
    #[error("the camera sends a kind of JPEG that browsers do not show (0x{0:02x})")]
    Unusual(u8),
    /// Colours finer than browsers show.
    #[error("the camera sends JPEGs of {0} bits a colour, which browsers do not show: set it to 8")]
    Deep(u8),
    /// More pixels than there is memory for.
    #[error(
        "the camera sends pictures of {0}x{1}, more than {MOST_PIXELS} pixels: ask it for less"
    )]
    TooLarge(u32, u32),
}

impl From<Broken> for Damage {
    fn from(_: Broken) -> Self {
        Self::Damaged
    }
}

/// What the segments before the first scan say.
#[derive(Debug, Default)]
struct Head {
    size: Option<(u32, u32)>,
    has_tables: bool,
    /// Where the first scan's segment begins, with its marker.
    scan_at: Option<usize>,
    /// Where Exif data lie before it.
    exif: Option<Range<usize>>,
}

/// Takes a camera's bytes for a JPEG: cuts off what follows its end, and puts in the Huffman tables where they are missing.
///
/// # Errors
/// What is wrong with it. The picture is lost then.
pub fn whole(mut bytes: Vec<u8>) -> Result<Whole, Damage> {
    let (head, end) = look_through(&bytes)?;
    let (width, height) = head.size.ok_or(Damage::Damaged)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS {
        return Err(Damage::TooLarge(width, height));
    }
    // Who claims a large picture in a few bytes wants memory, not to be seen.
    if pixels / PIXELS_A_BYTE > end as u64 {
        return Err(Damage::Damaged);
    }
    bytes.truncate(end);
    let scan_at = head.scan_at.map(|at| at - cut_orientation(&mut bytes, &head.exif));
    if let (false, Some(scan_at)) = (head.has_tables, scan_at) {
        bytes.splice(scan_at..scan_at, tables::SEGMENT);
    }
    Ok(Whole { bytes, width, height })
}

/// Browsers would turn a picture that says it lies on its side, and nobody else would: smaller renditions, programs. It is
/// shown as the camera stores it, by all. Returns by how much it is shorter.
fn cut_orientation(bytes: &mut Vec<u8>, exif: &Option<Range<usize>>) -> usize {
    let Some(exif) = exif.clone() else { return 0 };
    let length = exif.len();
    bytes.drain(exif);
    length
}

/// What stands before the first scan, and where the picture ends.
fn look_through(bytes: &[u8]) -> Result<(Head, usize), Damage> {
    if !bytes.starts_with(&[0xff, SOI]) {
        return Err(Damage::NoJpeg);
    }
    let (mut walk, mut head) = (Walk::default(), Head::default());
    loop {
        match walk.next(bytes)?.ok_or(Damage::Truncated)? {
            Item::End(end) => return Ok((head, end)),
            Item::Segment { marker, at, inside } if head.scan_at.is_none() => {
                head.take(marker, at, inside)?;
            }
            Item::Segment { .. } => {}
        }
    }
}

impl Head {
    fn take(&mut self, marker: u8, at: usize, inside: &[u8]) -> Result<(), Damage> {
        match marker {
            SOS => self.scan_at = Some(at),
            DHT => self.has_tables = true,
            APP1 if inside.starts_with(EXIF) => self.exif = Some(at..at + 4 + inside.len()),
            _ if SOF.contains(&marker) => self.size = Some(size(inside)?),
            // DHT, JPG and DAC lie among the starts of frame.
            0xc3..=0xcf if !matches!(marker, 0xc8 | 0xcc) => return Err(Damage::Unusual(marker)),
            _ => {}
        }
        Ok(())
    }
}

fn size(segment: &[u8]) -> Result<(u32, u32), Damage> {
    let [precision, h1, h0, w1, w0, ..] = *segment else { return Err(Damage::Damaged) };
    if precision != 8 {
        return Err(Damage::Deep(precision));
    }
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    let (width, height) = (u32::from(width), u32::from(height));
    let possible = 1..=MAX_SIDE;
    let well = possible.contains(&width) && possible.contains(&height);
    well.then_some((width, height)).ok_or(Damage::Damaged)
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Mat, MatTraitConst, Scalar, Vector, VectorToVec};
    use opencv::imgcodecs::{IMREAD_COLOR, IMWRITE_JPEG_PROGRESSIVE, imdecode, imencode};
    use proptest::prelude::*;

    use super::*;
    use crate::jpeg_walk::EOI;

    fn encoded(width: i32, height: i32, progressive: bool) -> Vec<u8> {
        let mut noise =
            Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::all(0.0)).unwrap();
        opencv::core::set_rng_seed(7).unwrap();
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
        let options = Vector::from_slice(&[IMWRITE_JPEG_PROGRESSIVE, i32::from(progressive)]);
        let mut bytes = Vector::new();
        imencode(".jpg", &noise, &mut bytes, &options).unwrap();
        bytes.to_vec()
    }

    /// As a camera would send it that leaves the tables out. OpenCV writes the typical ones.
    fn without_tables(bytes: &[u8]) -> Vec<u8> {
        let mut kept = bytes[..2].to_vec();
        let mut walk = Walk::default();
        while let Some(Item::Segment { marker, at, .. }) = walk.next(bytes).unwrap() {
            match marker {
                SOS => {
                    kept.extend(&bytes[at..]);
                    break;
                }
                DHT => {}
                _ => kept.extend(&bytes[at..walk.at()]),
            }
        }
        kept
    }

    fn pixels(bytes: &[u8]) -> Vec<u8> {
        let picture = imdecode(&Vector::from_slice(bytes), IMREAD_COLOR).unwrap();
        opencv::core::MatTraitConstManual::data_bytes(&picture).unwrap().to_vec()
    }

    #[test]
    fn a_whole_picture_passes_as_it_is_with_its_size() {
        for progressive in [false, true] {
            let bytes = encoded(99, 50, progressive);
            let whole = whole(bytes.clone()).unwrap();
            assert_eq!((whole.width, whole.height), (99, 50));
            assert!(whole.bytes == bytes);
        }
    }

    #[test]
    fn what_follows_the_end_is_cut_off() {
        let bytes = encoded(64, 48, false);
        let padded = [&bytes[..], &[0; 4096]].concat();
        assert!(whole(padded).unwrap().bytes == bytes);
        let two = [&bytes[..], &bytes[..]].concat();
        assert!(whole(two).unwrap().bytes == bytes);
    }

    #[test]
    fn missing_tables_are_put_in_and_the_picture_is_the_same() {
        let bytes = encoded(64, 48, false);
        let bare = without_tables(&bytes);
        assert!(bare.len() + 400 < bytes.len());
        let mended = whole(bare).unwrap();
        assert!(imdecode(&Vector::from_slice(&mended.bytes), IMREAD_COLOR).unwrap().cols() == 64);
        assert!(pixels(&mended.bytes) == pixels(&bytes));
    }

    #[test]
    fn half_a_picture_is_called_so_wherever_it_ends() {
        for progressive in [false, true] {
            let bytes = encoded(64, 48, progressive);
            for length in 4..bytes.len() {
                let half = whole(bytes[..length].to_vec());
                assert_eq!(half, Err(Damage::Truncated), "{length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_hole_in_the_middle_is_found_where_a_marker_shows_it() {
        let bytes = encoded(64, 48, false);
        let (half, start) = (&bytes[..bytes.len() / 2], &bytes[..]);
        // The next picture begins where this one has not ended.
        assert_eq!(whole([half, start].concat()), Err(Damage::Damaged));
    }

    #[test]
    fn what_is_no_jpeg_and_what_browsers_do_not_show_is_refused() {
        assert_eq!(whole(Vec::new()), Err(Damage::NoJpeg));
        assert_eq!(whole(b"<html>".to_vec()), Err(Damage::NoJpeg));
        let mut lossless = encoded(16, 16, false);
        let sof = lossless.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        lossless[sof + 1] = 0xc3;
        assert_eq!(whole(lossless), Err(Damage::Unusual(0xc3)));
    }

    #[test]
    fn a_large_picture_in_a_few_bytes_takes_no_memory() {
        let bytes = encoded(64, 48, false);
        let sof = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let claiming = |width: u16, height: u16| {
            let mut claiming = bytes.clone();
            claiming[sof + 5..sof + 7].copy_from_slice(&height.to_be_bytes());
            claiming[sof + 7..sof + 9].copy_from_slice(&width.to_be_bytes());
            whole(claiming)
        };
        assert_eq!(claiming(30_000, 30_000), Err(Damage::TooLarge(30_000, 30_000)));
        assert_eq!(claiming(8_000, 8_000), Err(Damage::Damaged));
        assert!(claiming(64, 48).is_ok());
    }

    #[test]
    fn a_picture_that_no_browser_shows_is_called_so() {
        let mut deep = encoded(16, 16, false);
        let sof = deep.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        deep[sof + 4] = 12;
        assert_eq!(whole(deep), Err(Damage::Deep(12)));
    }

    #[test]
    fn a_picture_on_its_side_is_shown_as_it_is_stored() {
        let bytes = encoded(64, 48, false);
        // Exif, little-endian, one entry: orientation (0x0112), a short, 6: a quarter to the right.
        let exif = *b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let turned = [&bytes[..2], &exif, &bytes[2..]].concat();
        let picture = |jpeg: &[u8]| imdecode(&Vector::from_slice(jpeg), IMREAD_COLOR).unwrap();
        assert_eq!(picture(&turned).cols(), 48, "whoever heeds it turns it");
        let shown = whole(turned).unwrap();
        assert!(shown.bytes == bytes);
        let bare = [&without_tables(&bytes)[..2], &exif, &without_tables(&bytes)[2..]].concat();
        assert!(pixels(&whole(bare).unwrap().bytes) == pixels(&bytes));
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_or_has_an_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            wounds in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut wounded = encoded(16, 16, false);
            for (at, byte) in wounds {
                let at = at.index(wounded.len());
                wounded[at] = byte;
            }
            let begun = [&[0xff, SOI, 0xff, 0xc0, 0, 11, 8, 0, 9, 0, 9, 1, 1, 0x11, 0], &bytes[..]];
            for rubbish in [wounded, begun.concat(), [&[0xff, SOI], &bytes[..]].concat(), bytes.clone()] {
                if let Ok(whole) = whole(rubbish) {
                    prop_assert!(whole.bytes.ends_with(&[0xff, EOI]));
                    prop_assert!(whole.width > 0 && whole.height > 0);
                }
            }
        }
    }
}
