//! Repair of a camera's own JPEG, so that it can be forwarded as it is: inspected, not decoded.
//!
//! Cameras omit the Huffman tables if they use the typical ones of ITU-T T.81, annex K (as the AVI and MJPEG
//! conventions allow), omit the end marker, write bytes before the start, between the segments and after the end, and
//! send half an image over a bad cable. All that decoders skip is removed, because some clients are stricter than
//! browsers.

use std::ops::Range;

use memchr::memmem;

use super::markers::{DHT, EOI, Element, InvalidMarker, MarkerScanner, SOI, SOS};
use super::{MAX_SIDE, huffman_tables};

/// The most pixels that an image may have. Decoded, each takes three bytes: 200 MB.
const MAX_PIXELS: u64 = 8192 * 8192;
/// The most pixels that one byte can code. A JPEG has at least one bit for each block of 64 pixels and each of three
/// color components, two of which may have a quarter of the resolution: six bits for 256 pixels.
const MAX_PIXELS_PER_BYTE: u64 = 1024;
/// The most places at which bytes are removed. No camera needs as many.
const MAX_EDITS: usize = 1024;
/// The segment in which cameras store the orientation (CIPA DC-008, Exif). Browsers would rotate the image by it, but
/// smaller renditions and other clients would not. Without it, all show the image as the camera stores it.
const APP1: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0";

/// Starts of frame that browsers decode: baseline, extended sequential and progressive, Huffman coded.
const SOF: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;
/// The same, sequential and progressive, with arithmetic coding. Only decoders know it.
const ARITHMETIC_SOF: std::ops::RangeInclusive<u8> = 0xc9..=0xca;

/// A JPEG with all its parts, and its properties.
#[derive(Debug, PartialEq, Eq)]
pub struct RepairedJpeg {
    /// Its bytes, without padding.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// False if the end marker was missing. It was appended, but only a decoder can tell whether more is missing.
    pub had_end: bool,
    /// The reason why it must be decoded and encoded again before viewers can show it, if it must.
    pub obstacle: Option<Obstacle>,
}

/// The reason why a JPEG is not forwarded, although it can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Four colour components. Browsers show them, but other clients do not, or with other colours.
    #[error("its colours are CMYK")]
    Cmyk,
    /// Browsers lack a decoder.
    #[error("it uses arithmetic coding")]
    Arithmetic,
}

/// The reason why a camera's bytes cannot be forwarded as a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// They do not start like a JPEG.
    #[error("the camera sent data that are not a JPEG")]
    NotJpeg,
    /// They end too early.
    #[error(
        "the camera sent an incomplete JPEG: check its cable or Wi-Fi, or lower its resolution"
    )]
    Truncated,
    /// They contain invalid markers or sizes.
    #[error("the camera sent a damaged JPEG")]
    Damaged,
    /// A kind of JPEG that browsers cannot show.
    #[error("the camera sends a kind of JPEG that browsers cannot show (0x{0:02x})")]
    Unsupported(u8),
    /// A number of colour components without a meaning.
    #[error("the camera sends JPEGs with {0} color components, which browsers cannot show")]
    Components(u8),
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

/// The segments before the first scan.
#[derive(Debug, Default)]
struct Header {
    size: Option<(u32, u32)>,
    has_tables: bool,
    has_scan: bool,
    obstacle: Option<Obstacle>,
}

/// The layout of a JPEG.
#[derive(Debug, Default)]
struct Layout {
    header: Header,
    /// The changes, in ascending order.
    edits: Vec<Edit>,
    /// The offset after the last byte.
    end: usize,
    had_end: bool,
}

/// A range of bytes, and what to write in its place.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    with: &'static [u8],
}

/// Returns the JPEG in `bytes`: without bytes around it or between its segments, with Huffman tables and an end marker,
/// and without Exif data.
///
/// # Errors
/// Fails if it cannot be shown. The frame is lost then.
pub fn repair(mut bytes: Vec<u8>) -> Result<RepairedJpeg, JpegError> {
    let start = start(&bytes)?;
    bytes.drain(..start);
    let Layout { header, edits, end, had_end } = scan(&bytes)?;
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
    let mut bytes = edit(bytes, &edits);
    if !had_end {
        bytes.extend([0xff, EOI]);
    }
    Ok(RepairedJpeg { bytes, width, height, had_end, obstacle: header.obstacle })
}

fn edit(bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    if edits.is_empty() {
        return bytes;
    }
    let inserted: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut edited = Vec::with_capacity(bytes.len() + inserted + 2);
    let mut from = 0;
    for Edit { range, with } in edits {
        edited.extend(&bytes[from..range.start]);
        edited.extend(*with);
        from = range.end;
    }
    edited.extend(&bytes[from..]);
    edited
}

/// Returns the offset of the first byte of the image.
fn start(bytes: &[u8]) -> Result<usize, JpegError> {
    match bytes.starts_with(&[0xff, SOI]) {
        true => Ok(0),
        false => memmem::find(bytes, &[0xff, SOI, 0xff]).ok_or(JpegError::NotJpeg),
    }
}

/// Returns the layout of the image.
fn scan(bytes: &[u8]) -> Result<Layout, JpegError> {
    let (mut scanner, mut layout) = (MarkerScanner::default(), Layout::default());
    loop {
        match scanner.next(bytes) {
            Ok(Some(Element::End(end))) => return Ok(Layout { end, had_end: true, ..layout }),
            Ok(Some(Element::Junk(range))) => layout.cut(range)?,
            Ok(Some(Element::Segment { marker, at, payload })) if !layout.header.has_scan => {
                layout.header.read(marker, payload)?;
                let cut = at..scanner.position();
                match marker {
                    APP1 if payload.starts_with(EXIF) => layout.cut(cut)?,
                    SOS if layout.header.needs_tables() => {
                        let with = &huffman_tables::SEGMENT;
                        layout.edits.push(Edit { range: at..at, with });
                    }
                    _ => {}
                }
            }
            Ok(Some(Element::Segment { .. })) => {}
            // The end marker is missing, or the next image starts.
            Ok(None) | Err(_) if scanner.has_scan() => {
                return Ok(Layout { end: scanner.position().min(bytes.len()), ..layout });
            }
            Ok(None) => return Err(JpegError::Truncated),
            Err(InvalidMarker) => return Err(JpegError::Damaged),
        }
    }
}

impl Layout {
    fn cut(&mut self, range: Range<usize>) -> Result<(), JpegError> {
        let edits = self.edits.len();
        match self.edits.last_mut() {
            Some(last) if last.with.is_empty() && last.range.end == range.start => {
                last.range.end = range.end;
            }
            _ if edits >= MAX_EDITS => return Err(JpegError::Damaged),
            _ => self.edits.push(Edit { range, with: &[] }),
        }
        Ok(())
    }
}

impl Header {
    /// Returns whether the Huffman tables are missing. Arithmetic coding has none.
    fn needs_tables(&self) -> bool {
        !self.has_tables && self.obstacle != Some(Obstacle::Arithmetic)
    }

    fn read(&mut self, marker: u8, payload: &[u8]) -> Result<(), JpegError> {
        match marker {
            SOS => self.has_scan = true,
            DHT => self.has_tables = true,
            _ if SOF.contains(&marker) || ARITHMETIC_SOF.contains(&marker) => {
                self.size = Some(read_size(payload)?);
                self.obstacle = obstacle(marker, payload)?;
            }
            // DHT, JPG and DAC are among the starts of frame.
            0xc3..=0xcf if !matches!(marker, 0xc8 | 0xcc) => {
                return Err(JpegError::Unsupported(marker));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns why an image with this start of frame must be encoded again, if it must.
fn obstacle(marker: u8, segment: &[u8]) -> Result<Option<Obstacle>, JpegError> {
    match segment.get(5) {
        _ if ARITHMETIC_SOF.contains(&marker) => Ok(Some(Obstacle::Arithmetic)),
        Some(1 | 3) => Ok(None),
        Some(4) => Ok(Some(Obstacle::Cmyk)),
        Some(&components) => Err(JpegError::Components(components)),
        None => Err(JpegError::Damaged),
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
            let first_scan = bytes.windows(2).position(|pair| pair == [0xff, SOS]).unwrap() + 14;
            for length in 4..bytes.len() {
                let half = repair(bytes[..length].to_vec());
                match half {
                    Err(JpegError::Truncated) => assert!(length < first_scan, "{length}"),
                    Ok(half) => assert!(!half.had_end && length >= first_scan, "{length}"),
                    Err(other) => panic!("{length} of {}: {other}", bytes.len()),
                }
            }
        }
    }

    #[test]
    fn a_missing_end_is_appended() {
        for bytes in [NOISE_64X48, PROGRESSIVE_64X48] {
            let open = &bytes[..bytes.len() - 2];
            let repaired = repair(open.to_vec()).unwrap();
            assert!(repaired.bytes == bytes && !repaired.had_end);
            // The next image starts before this one has ended.
            let repaired = repair([open, NOISE_16X16].concat()).unwrap();
            assert!(repaired.bytes == bytes && !repaired.had_end);
        }
    }

    /// Inserts bytes before each segment of the header in turn.
    fn with_junk(bytes: &[u8], junk: &[u8]) -> Vec<Vec<u8>> {
        let (mut scanner, mut starts) = (MarkerScanner::default(), Vec::new());
        while let Some(Element::Segment { marker, at, .. }) = scanner.next(bytes).unwrap() {
            starts.push(at);
            if marker == SOS {
                break;
            }
        }
        starts.into_iter().map(|at| [&bytes[..at], junk, &bytes[at..]].concat()).collect()
    }

    #[test]
    fn bytes_around_the_image_and_between_its_segments_are_removed() {
        for junk in [&[0][..], &[0; 608], &[0xff, 0], &[0xff, 1], &[0xff, 0xd0], b"\r\n"] {
            for bytes in [NOISE_64X48, PROGRESSIVE_64X48] {
                for odd in with_junk(bytes, junk) {
                    let repaired = repair(odd).unwrap();
                    assert!(repaired.bytes == bytes && repaired.had_end, "{junk:?}");
                }
                assert!(repair([junk, bytes, junk].concat()).unwrap().bytes == bytes, "{junk:?}");
            }
            for odd in with_junk(&without_tables(NOISE_64X48), junk) {
                assert!(pixels(&repair(odd).unwrap().bytes) == pixels(NOISE_64X48), "{junk:?}");
            }
        }
    }

    #[test]
    fn a_second_start_of_image_is_removed() {
        let second = [&[0xff, SOI], NOISE_64X48].concat();
        assert!(repair(second).unwrap().bytes == NOISE_64X48);
        // After the first segment, which may be needed.
        let odd = with_junk(NOISE_64X48, &[0xff, SOI]).swap_remove(1);
        assert!(repair(odd).unwrap().bytes == NOISE_64X48);
    }

    #[test]
    fn jpegs_that_decoders_know_better_than_viewers_are_marked() {
        let sof = start_of_frame(NOISE_16X16);
        let changed = |offset: usize, value: u8| {
            let mut changed = NOISE_16X16.to_vec();
            changed[sof + offset] = value;
            repair(changed)
        };
        assert_eq!(changed(9, 3).unwrap().obstacle, None);
        assert_eq!(changed(9, 4).unwrap().obstacle, Some(Obstacle::Cmyk));
        assert_eq!(changed(1, 0xc9).unwrap().obstacle, Some(Obstacle::Arithmetic));
        assert_eq!(changed(9, 2), Err(JpegError::Components(2)));
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
