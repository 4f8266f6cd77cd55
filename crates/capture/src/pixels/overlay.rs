//! An overlay: the stream's name and the time of capture, written into the frame.

use fanlight_protocol::{StreamName, Timestamp};
use opencv::boxed_ref::BoxedRefMut;
use opencv::core::{Mat, Point, Scalar};
use opencv::imgproc::{FONT_HERSHEY_SIMPLEX, LINE_AA, get_text_size, put_text};

use super::image::{Image, NEUTRAL, Plane};
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
    pub fn write(&self, image: &mut Image, captured_at: Timestamp) -> opencv::Result<()> {
        let (width, height) = image.size();
        let (width, height) = (f64::from(width), f64::from(height));
        let preferred = (height * HEIGHT_SHARE).max(MIN_HEIGHT * 2.0);
        let text = self.text(captured_at);
        // Smaller letters if the frame is too narrow.
        let text_width = f64::from(width_of(&text, preferred)?);
        let letter = preferred.min(preferred * (width - 2.0 * preferred) / text_width);
        if letter < MIN_HEIGHT {
            return Ok(());
        }
        // Light letters with a dark outline are readable on any background.
        let stroke = (letter / 10.0).round().max(1.0) as i32;
        let [dark, light] = if image.colours().full_range { [16, 240] } else { [30, 222] };
        image.paint(|plane, pixels| match plane {
            Plane::Luma => {
                put(pixels, &text, letter, dark, stroke + 2)?;
                put(pixels, &text, letter, light, stroke)
            }
            Plane::Blue | Plane::Red => put(pixels, &text, letter / 2.0, NEUTRAL, stroke / 2 + 2),
        })
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

/// Writes a text with letters of this height.
fn put(
    pixels: &mut BoxedRefMut<'_, Mat>,
    text: &str,
    letter: f64,
    level: u8,
    thickness: i32,
) -> opencv::Result<()> {
    let origin = Point::new(letter as i32, (2.0 * letter) as i32);
    let (scale, level) = (letter / CAPITAL_HEIGHT, Scalar::all(level.into()));
    put_text(pixels, text, origin, FACE, scale, level, thickness, LINE_AA, false)
}

fn width_of(text: &str, letter: f64) -> opencv::Result<i32> {
    Ok(get_text_size(text, FACE, letter / CAPITAL_HEIGHT, 1, &mut 0)?.width.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::colours::Colours;

    fn written(width: u32, height: u32) -> Image {
        let mut image = Image::filled((width, height), Colours::JFIF, [128, 40, 200]).unwrap();
        let overlay = Overlay::new(Zone::Utc, &"a-door".parse().unwrap());
        overlay.write(&mut image, Timestamp::from_micros(1_700_000_000_042_999)).unwrap();
        image
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
            let image = written(width, height);
            let rows = [width, width / 2, width / 2];
            for ((plane, row), plain) in image.planes().into_iter().zip(rows).zip([128, 40, 200]) {
                let (row, size) = (row as usize, format!("{width}x{height}"));
                let touched = |line: &[u8]| line.iter().any(|&byte| byte != plain);
                let lines: Vec<bool> = plane.chunks(row).map(touched).collect();
                assert!(lines.iter().any(|&touched| touched), "{size}");
                assert!(!lines[lines.len() / 2..].iter().any(|&touched| touched), "{size}");
                let ends = |line: &[u8]| touched(&line[row - 1..]);
                assert!(!plane.chunks(row).any(ends), "{size} is written up to its edge");
            }
        }
    }

    #[test]
    fn letters_are_grey_on_a_coloured_wall() {
        let image = written(1280, 720);
        let [luma, blue, red] = image.planes();
        let light = luma.iter().enumerate().filter(|(_, level)| **level > 235);
        let chroma = light.map(|(at, _)| at / 1280 / 2 * 640 + at % 1280 / 2);
        let off = chroma.flat_map(|at| [blue[at], red[at]].map(|value| value.abs_diff(128)));
        let (count, most) = (off.clone().count(), off.max());
        assert!(count > 100 && most < Some(40), "{count} {most:?}");
    }

    #[test]
    fn a_frame_too_small_for_readable_text_has_none() {
        let untouched = Image::filled((64, 48), Colours::JFIF, [128, 40, 200]).unwrap();
        assert!(written(64, 48) == untouched);
    }
}
