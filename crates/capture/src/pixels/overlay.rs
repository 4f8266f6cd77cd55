//! An overlay: the stream's name and the time of capture, written into the frame.

use fanlight_protocol::{StreamName, Timestamp};
use opencv::core::{Mat, MatTraitConst, Point, Scalar};
use opencv::imgproc::{FONT_HERSHEY_SIMPLEX, LINE_AA, get_text_size, put_text};

use crate::wall_clock::Zone;

/// Height of a letter as a share of the frame's: readable on a phone, and small enough to cover little.
const HEIGHT_SHARE: f64 = 1.0 / 36.0;
/// Smaller letters are not readable and are left out, in pixels.
const MIN_HEIGHT: f64 = 5.0;
/// Height of a capital letter of this typeface at scale 1, in pixels.
const CAPITAL_HEIGHT: f64 = 21.0;
const FACE: i32 = FONT_HERSHEY_SIMPLEX;

/// The overlay of one stream.
#[derive(Debug)]
pub struct Overlay {
    zone: Zone,
    name: String,
}

impl Overlay {
    /// Creates an overlay with the name of this stream, and times in this zone.
    pub fn new(zone: Zone, name: &StreamName) -> Self {
        Self { zone, name: name.to_string() }
    }

    /// Writes name and time of capture along the upper edge of a frame. The page uses the lower edge.
    ///
    /// # Errors
    /// Fails if OpenCV has not enough memory.
    pub fn write(&self, pixels: &mut Mat, captured_at: Timestamp) -> opencv::Result<()> {
        let (width, height) = (f64::from(pixels.cols()), f64::from(pixels.rows()));
        let preferred = (height * HEIGHT_SHARE).max(MIN_HEIGHT * 2.0);
        let text = self.text(captured_at);
        // Smaller letters if the frame is too narrow.
        let text_width = f64::from(width_of(&text, preferred)?);
        let letter = preferred.min(preferred * (width - 2.0 * preferred) / text_width);
        if letter < MIN_HEIGHT {
            return Ok(());
        }
        let origin = Point::new(letter as i32, (2.0 * letter) as i32);
        // Light letters with a dark outline are readable on any background.
        let stroke = (letter / 10.0).round().max(1.0) as i32;
        for (colour, thickness) in [(Scalar::all(16.0), stroke + 2), (Scalar::all(240.0), stroke)] {
            put_text(
                pixels,
                &text,
                origin,
                FACE,
                letter / CAPITAL_HEIGHT,
                colour,
                thickness,
                LINE_AA,
                false,
            )?;
        }
        Ok(())
    }

    fn text(&self, time: Timestamp) -> String {
        let Self { zone, name } = self;
        let (date, time_of_day, offset) =
            (zone.date(time), zone.time_of_day(time), zone.offset(time));
        // Tenths of a second: more digits would only flicker.
        let tenths = &time_of_day[..time_of_day.len() - 2];
        format!("{name}  {date} {tenths} {offset}")
    }
}

fn width_of(text: &str, letter: f64) -> opencv::Result<i32> {
    Ok(get_text_size(text, FACE, letter / CAPITAL_HEIGHT, 1, &mut 0)?.width.max(1))
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, MatTraitConstManual};

    use super::*;

    fn written(width: i32, height: i32) -> Vec<u8> {
        let grey = Scalar::all(128.0);
        let mut pixels = Mat::new_rows_cols_with_default(height, width, CV_8UC3, grey).unwrap();
        let overlay = Overlay::new(Zone::Utc, &"a-door".parse().unwrap());
        overlay.write(&mut pixels, Timestamp::from_micros(1_700_000_000_042_999)).unwrap();
        pixels.data_bytes().unwrap().to_vec()
    }

    #[test]
    fn the_text_has_name_time_and_zone() {
        let overlay = Overlay::new(Zone::Utc, &"a-door".parse().unwrap());
        let text = overlay.text(Timestamp::from_micros(1_700_000_000_042_999));
        assert_eq!(text, "a-door  2023-11-14 22:13:20.0 UTC");
    }

    #[test]
    fn the_text_is_at_the_upper_edge_and_within_the_frame() {
        for (width, height) in [(1280, 720), (240, 720), (640, 90)] {
            let bytes = written(width, height);
            let row = width as usize * 3;
            let touched = |line: &[u8]| line.iter().any(|&byte| byte != 128);
            let lines: Vec<bool> = bytes.chunks(row).map(touched).collect();
            assert!(lines.iter().any(|&touched| touched), "{width}x{height}");
            assert!(!lines[lines.len() / 2..].iter().any(|&touched| touched), "{width}x{height}");
            let ends = |line: &[u8]| touched(&line[row - 3..]);
            assert!(!bytes.chunks(row).any(ends), "{width}x{height} is written up to its edge");
        }
    }

    #[test]
    fn a_frame_too_small_for_readable_text_has_none() {
        assert!(written(64, 48).iter().all(|&byte| byte == 128));
    }
}
