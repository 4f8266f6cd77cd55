//! Repair of a camera's own JPEG, so that it can be forwarded as it is: inspected, not decoded.
//!
//! Cameras omit the Huffman tables if they use the typical ones of ITU-T T.81, annex K (as the AVI and MJPEG
//! conventions allow), pad with zeros after the end, and send half an image over a bad cable.

use std::ops::Range;

use super::markers::{DHT, Element, InvalidMarker, MarkerScanner, SOI, SOS};
use super::{MAX_SIDE, huffman_tables};

/// The most pixels that an image may have. Decoded, each takes three bytes: 200 MB.
const MAX_PIXELS: u64 = 8192 * 8192;
/// The most pixels that one byte can code. A JPEG has at least one bit for each block of 64 pixels and each of three
/// color components, two of which may have a quarter of the resolution: six bits for 256 pixels.
const MAX_PIXELS_PER_BYTE: u64 = 1024;
/// The segment in which cameras store the orientation (CIPA DC-008, Exif).
const APP1: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0";

/// Starts of frame that browsers decode: baseline, extended sequential and progressive, Huffman coded.
const SOF: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;

/// A complete JPEG, and its size.
#[derive(Debug, PartialEq, Eq)]
pub struct RepairedJpeg {
    /// Its bytes, without padding.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The reason why a camera's bytes cannot be forwarded as a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// They do not start like a JPEG.
    #[error("the camera sent data that are not a JPEG")]
    NotJpeg,
    /// They end too early.
    #[error("the camera sent an incomplete JPEG")]
    Truncated,
    /// They contain invalid markers or sizes.
    #[error("the camera sent a damaged JPEG")]
    Damaged,
    /// A kind of JPEG that browsers cannot show.
    #[error("the camera sends a kind of JPEG that browsers cannot show (0x{0:02x})")]
    Unsupported(u8),
    /// More bits per sample than browsers can show.
    #[error(
        "the camera sends JPEGs with {0} bits per sample, which browsers cannot show: set it to 8"
    )]
    Precision(u8),
    /// More than [`MAX_PIXELS`].
    #[error(
        "the camera sends {0}x{1} frames, above the limit of {MAX_PIXELS} pixels: reduce its resolution"
    )]
    TooLarge(u32, u32),
}

impl From<InvalidMarker> for JpegError {
    fn from(_: InvalidMarker) -> Self {
        Self::Damaged
    }
}

/// The segments before the first scan.
#[derive(Debug, Default)]
struct Header {
    size: Option<(u32, u32)>,
    has_tables: bool,
    /// The offset of the first scan's marker.
    scan_at: Option<usize>,
    /// The Exif segment.
    exif: Option<Range<usize>>,
}

/// Returns the JPEG that `bytes` start with: without padding after its end, with Huffman tables, and without Exif data.
///
/// # Errors
/// Fails if it cannot be forwarded. The frame is lost then.
pub fn repair(mut bytes: Vec<u8>) -> Result<RepairedJpeg, JpegError> {
    let (header, end) = scan(&bytes)?;
    let (width, height) = header.size.ok_or(JpegError::Damaged)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(JpegError::TooLarge(width, height));
    }
    // A large image in a few bytes is an attempt to exhaust memory.
    if pixels / MAX_PIXELS_PER_BYTE > end as u64 {
        return Err(JpegError::Damaged);
    }
    bytes.truncate(end);
    let scan_at = header.scan_at.map(|at| at - cut_orientation(&mut bytes, &header.exif));
    if let (false, Some(scan_at)) = (header.has_tables, scan_at) {
        bytes.splice(scan_at..scan_at, huffman_tables::SEGMENT);
    }
    Ok(RepairedJpeg { bytes, width, height })
}

/// Removes the Exif segment; returns its length. Browsers would rotate the image by its orientation, but smaller
/// renditions and other clients would not. All show it as the camera stores it.
fn cut_orientation(bytes: &mut Vec<u8>, exif: &Option<Range<usize>>) -> usize {
    let Some(exif) = exif.clone() else { return 0 };
    let length = exif.len();
    bytes.drain(exif);
    length
}

/// Returns the header, and the offset after the image's last byte.
fn scan(bytes: &[u8]) -> Result<(Header, usize), JpegError> {
    if !bytes.starts_with(&[0xff, SOI]) {
        return Err(JpegError::NotJpeg);
    }
    let (mut scanner, mut header) = (MarkerScanner::default(), Header::default());
    loop {
        match scanner.next(bytes)?.ok_or(JpegError::Truncated)? {
            Element::End(end) => return Ok((header, end)),
            Element::Segment { marker, at, payload } if header.scan_at.is_none() => {
                header.read(marker, at, payload)?;
            }
            Element::Segment { .. } => {}
        }
    }
}

impl Header {
    fn read(&mut self, marker: u8, at: usize, payload: &[u8]) -> Result<(), JpegError> {
        match marker {
            SOS => self.scan_at = Some(at),
            DHT => self.has_tables = true,
            APP1 if payload.starts_with(EXIF) => self.exif = Some(at..at + 4 + payload.len()),
            _ if SOF.contains(&marker) => self.size = Some(read_size(payload)?),
            // DHT, JPG and DAC are among the starts of frame.
            0xc3..=0xcf if !matches!(marker, 0xc8 | 0xcc) => {
                return Err(JpegError::Unsupported(marker));
            }
            _ => {}
        }
        Ok(())
    }
}

fn read_size(segment: &[u8]) -> Result<(u32, u32), JpegError> {
    let [precision, h1, h0, w1, w0, ..] = *segment else { return Err(JpegError::Damaged) };
    if precision != 8 {
        return Err(JpegError::Precision(precision));
    }
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    let (width, height) = (u32::from(width), u32::from(height));
    let valid = 1..=MAX_SIDE;
    let is_valid = valid.contains(&width) && valid.contains(&height);
    is_valid.then_some((width, height)).ok_or(JpegError::Damaged)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::metadata::Orientation;
    use image::{ImageDecoder, codecs::jpeg::JpegDecoder};
    use proptest::prelude::*;

    use super::*;
    use crate::jpeg::markers::EOI;

    // Random pixels, encoded by OpenCV with the typical Huffman tables.
    const NOISE_99X50: &[u8] = include_bytes!("../../testdata/opencv-noise-99x50.jpg");
    const NOISE_64X48: &[u8] = include_bytes!("../../testdata/opencv-noise-64x48.jpg");
    const NOISE_16X16: &[u8] = include_bytes!("../../testdata/opencv-noise-16x16.jpg");
    const PROGRESSIVE_99X50: &[u8] =
        include_bytes!("../../testdata/opencv-noise-progressive-99x50.jpg");
    const PROGRESSIVE_64X48: &[u8] =
        include_bytes!("../../testdata/opencv-noise-progressive-64x48.jpg");

    /// Removes the Huffman tables, as some cameras do.
    fn without_tables(bytes: &[u8]) -> Vec<u8> {
        let mut kept = bytes[..2].to_vec();
        let mut scanner = MarkerScanner::default();
        while let Some(Element::Segment { marker, at, .. }) = scanner.next(bytes).unwrap() {
            match marker {
                SOS => {
                    kept.extend(&bytes[at..]);
                    break;
                }
                DHT => {}
                _ => kept.extend(&bytes[at..scanner.position()]),
            }
        }
        kept
    }

    fn decoder(bytes: &[u8]) -> JpegDecoder<Cursor<&[u8]>> {
        JpegDecoder::new(Cursor::new(bytes)).unwrap()
    }

    fn pixels(bytes: &[u8]) -> Vec<u8> {
        let decoder = decoder(bytes);
        let mut pixels = vec![0; decoder.total_bytes() as usize];
        decoder.read_image(&mut pixels).unwrap();
        pixels
    }

    #[test]
    fn a_complete_jpeg_is_returned_unchanged_with_its_size() {
        for bytes in [NOISE_99X50, PROGRESSIVE_99X50] {
            let repaired = repair(bytes.to_vec()).unwrap();
            assert_eq!((repaired.width, repaired.height), (99, 50));
            assert!(repaired.bytes == bytes);
        }
    }

    #[test]
    fn bytes_after_the_end_are_cut_off() {
        let padded = [NOISE_64X48, &[0; 4096]].concat();
        assert!(repair(padded).unwrap().bytes == NOISE_64X48);
        let two = [NOISE_64X48, NOISE_64X48].concat();
        assert!(repair(two).unwrap().bytes == NOISE_64X48);
    }

    #[test]
    fn missing_tables_are_inserted_and_the_pixels_are_the_same() {
        let bare = without_tables(NOISE_64X48);
        assert!(bare.len() + 400 < NOISE_64X48.len());
        let repaired = repair(bare).unwrap();
        assert_eq!(decoder(&repaired.bytes).dimensions(), (64, 48));
        assert!(pixels(&repaired.bytes) == pixels(NOISE_64X48));
    }

    #[test]
    fn a_truncated_jpeg_is_reported_wherever_it_ends() {
        for bytes in [NOISE_64X48, PROGRESSIVE_64X48] {
            for length in 4..bytes.len() {
                let half = repair(bytes[..length].to_vec());
                assert_eq!(half, Err(JpegError::Truncated), "{length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_gap_in_the_middle_is_detected_at_the_next_marker() {
        let half = &NOISE_64X48[..NOISE_64X48.len() / 2];
        // The next image starts before this one has ended.
        assert_eq!(repair([half, NOISE_64X48].concat()), Err(JpegError::Damaged));
    }

    #[test]
    fn other_data_and_jpegs_that_browsers_cannot_show_are_refused() {
        assert_eq!(repair(Vec::new()), Err(JpegError::NotJpeg));
        assert_eq!(repair(b"<html>".to_vec()), Err(JpegError::NotJpeg));
        let mut lossless = NOISE_16X16.to_vec();
        let sof = start_of_frame(&lossless);
        lossless[sof + 1] = 0xc3;
        assert_eq!(repair(lossless), Err(JpegError::Unsupported(0xc3)));
    }

    fn start_of_frame(bytes: &[u8]) -> usize {
        bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap()
    }

    #[test]
    fn a_large_image_in_a_few_bytes_is_refused() {
        let sof = start_of_frame(NOISE_64X48);
        let claiming = |width: u16, height: u16| {
            let mut claiming = NOISE_64X48.to_vec();
            claiming[sof + 5..sof + 7].copy_from_slice(&height.to_be_bytes());
            claiming[sof + 7..sof + 9].copy_from_slice(&width.to_be_bytes());
            repair(claiming)
        };
        assert_eq!(claiming(30_000, 30_000), Err(JpegError::TooLarge(30_000, 30_000)));
        assert_eq!(claiming(8_000, 8_000), Err(JpegError::Damaged));
        assert!(claiming(64, 48).is_ok());
    }

    #[test]
    fn more_than_8_bits_per_sample_are_refused() {
        let mut deep = NOISE_16X16.to_vec();
        let sof = start_of_frame(&deep);
        deep[sof + 4] = 12;
        assert_eq!(repair(deep), Err(JpegError::Precision(12)));
    }

    #[test]
    fn an_image_with_an_exif_orientation_is_shown_as_it_is_stored() {
        // Exif, little-endian, one entry: orientation (0x0112), a short, 6: rotated by 90 degrees clockwise.
        let exif = *b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let with_exif = |bytes: &[u8]| [&bytes[..2], &exif, &bytes[2..]].concat();
        let rotated = with_exif(NOISE_64X48);
        assert_eq!(decoder(&rotated).orientation().unwrap(), Orientation::Rotate90);
        assert!(repair(rotated).unwrap().bytes == NOISE_64X48);
        let bare = with_exif(&without_tables(NOISE_64X48));
        assert!(pixels(&repair(bare).unwrap().bytes) == pixels(NOISE_64X48));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_repaired_to_a_complete_jpeg(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut changed = NOISE_16X16.to_vec();
            for (at, byte) in changes {
                let at = at.index(changed.len());
                changed[at] = byte;
            }
            let started = [&[0xff, SOI, 0xff, 0xc0, 0, 11, 8, 0, 9, 0, 9, 1, 1, 0x11, 0], &bytes[..]];
            for input in [changed, started.concat(), [&[0xff, SOI], &bytes[..]].concat(), bytes.clone()] {
                if let Ok(repaired) = repair(input) {
                    prop_assert!(repaired.bytes.ends_with(&[0xff, EOI]));
                    prop_assert!(repaired.width > 0 && repaired.height > 0);
                }
            }
        }
    }
}
