//! The stream's name and the time at which a picture was captured, written into it.

use fanlight_protocol::{StreamName, Timestamp};
use opencv::core::{Mat, MatTraitConst, Point, Scalar};
use opencv::imgproc::{FONT_HERSHEY_SIMPLEX, LINE_AA, get_text_size, put_text};

use crate::wall_clock::Zone;

/// A letter's height as a part of the picture's: what can be read on a phone and covers little.
const PART_OF_HEIGHT: f64 = 1.0 / 36.0;
/// Letters lower than this cannot be read, so they are left out.
const LOWEST: f64 = 5.0;
/// Height of a capital of this face at scale 1, in pixels.
const CAPITAL: f64 = 21.0;
const FACE: i32 = FONT_HERSHEY_SIMPLEX;

/// What is written into a stream's pictures.
#[derive(Debug)]
pub struct Overlay {
    zone: Zone,
    name: String,
}

impl Overlay {
    /// The name of this stream, and times in this zone.
    pub fn new(zone: Zone, name: &StreamName) -> Self {
        Self { zone, name: name.to_string() }
    }

    /// Writes into a picture captured then: name and time, along its upper edge: pages write along the lower one.
    ///
    /// # Errors
    /// When OpenCV cannot, for want of memory.
    pub fn write(&self, pixels: &mut Mat, captured_at: Timestamp) -> opencv::Result<()> {
        let (width, height) = (f64::from(pixels.cols()), f64::from(pixels.rows()));
        let wanted = (height * PART_OF_HEIGHT).max(LOWEST * 2.0);
        let text = self.text(captured_at);
        // Smaller where a narrow picture has no room for it.
        let wide = f64::from(width_of(&text, wanted)?);
        let letter = wanted.min(wanted * (width - 2.0 * wanted) / wide);
        if letter < LOWEST {
            return Ok(());
        }
        let at = Point::new(letter as i32, (2.0 * letter) as i32);
        // Dark around light can be read on anything.
        let stroke = (letter / 10.0).round().max(1.0) as i32;
        for (colour, thickness) in [(Scalar::all(16.0), stroke + 2), (Scalar::all(240.0), stroke)] {
            put_text(pixels, &text, at, FACE, letter / CAPITAL, colour, thickness, LINE_AA, false)?;
        }
        Ok(())
    }

    fn text(&self, time: Timestamp) -> String {
        let Self { zone, name } = self;
        let (date, time_of_day, offset) =
            (zone.date(time), zone.time_of_day(time), zone.offset(time));
        // Tenths: more would only flicker.
        let tenths = &time_of_day[..time_of_day.len() - 2];
        format!("{name}  {date} {tenths} {offset}")
    }
}

fn width_of(text: &str, letter: f64) -> opencv::Result<i32> {
    Ok(get_text_size(text, FACE, letter / CAPITAL, 1, &mut 0)?.width.max(1))
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
    fn name_and_time_stand_in_the_picture() {
        let overlay = Overlay::new(Zone::Utc, &"a-door".parse().unwrap());
        let text = overlay.text(Timestamp::from_micros(1_700_000_000_042_999));
        assert_eq!(text, "a-door  2023-11-14 22:13:20.0 UTC");
    }

    #[test]
    fn it_keeps_to_the_upper_edge_and_within_the_picture() {
        for (width, height) in [(1280, 720), (240, 720), (640, 90)] {
            let bytes = written(width, height);
            let row = width as usize * 3;
            let touched = |line: &[u8]| line.iter().any(|&byte| byte != 128);
            let lines: Vec<bool> = bytes.chunks(row).map(touched).collect();
            assert!(lines.iter().any(|&touched| touched), "{width}x{height}");
            assert!(!lines[lines.len() / 2..].iter().any(|&touched| touched), "{width}x{height}");
            let ends = |line: &[u8]| touched(&line[row - 3..]);
            assert!(!bytes.chunks(row).any(ends), "{width}x{height} is written to its very edge");
        }
    }

    #[test]
    fn where_nobody_could_read_it_nothing_is_written() {
        assert!(written(64, 48).iter().all(|&byte| byte == 128));
    }
}
