//! A picture that says why there is no picture.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use fanlight_protocol::{StreamName, StreamState};
use font8x8::UnicodeFonts as _;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma};

use crate::hub::{Status, Stream};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
const BACKGROUND: Luma<u8> = Luma([24]);
const NAME: Luma<u8> = Luma([230]);
const REASON: Luma<u8> = Luma([150]);
const QUALITY: u8 = 80;
/// Letters of the reason that fit in a line, and lines that fit below the name.
const LINE: usize = 36;
const LINES: usize = 4;

/// Pictures drawn lately: all viewers of a stream are shown the same one.
const KEPT: usize = 64;

/// Draws pictures that say why there is none, each once.
#[derive(Debug, Default)]
pub struct NoSignal {
    /// By stream and reason; the mutex guards handles, and the drawing of a picture that all others wait for anyway.
    drawn: Mutex<HashMap<(StreamName, String), Bytes>>,
}

impl NoSignal {
    /// The picture for a stream as it is now.
    pub fn picture(&self, stream: &Stream) -> Bytes {
        let key = (stream.name().clone(), reason(&stream.status()));
        let mut drawn = self.drawn.lock().expect("drawing does not panic");
        if drawn.len() >= KEPT && !drawn.contains_key(&key) {
            drawn.clear();
        }
        let draw = |(name, reason): &(StreamName, String)| draw(name.as_str(), reason).into();
        drawn.entry(key).or_insert_with_key(draw).clone()
    }
}

fn reason(status: &Status) -> String {
    match status.state {
        StreamState::Offline | StreamState::Ended if !status.reason.is_empty() => {
            status.reason.clone()
        }
        StreamState::Ended => "the source has ended".into(),
        StreamState::Offline | StreamState::Live | StreamState::Idle => "no picture comes".into(),
    }
}

/// Draws the name of a stream and the reason, as JPEG.
fn draw(name: &str, reason: &str) -> Vec<u8> {
    let mut picture = GrayImage::from_pixel(WIDTH, HEIGHT, BACKGROUND);
    // A name of 64 letters fits at size 1; the usual one at size 3.
    let size = (WIDTH / 8 / (name.chars().count() as u32 + 4)).clamp(1, 3);
    write(&mut picture, name, 130, size, NAME);
    for (number, line) in wrap(reason).iter().enumerate() {
        write(&mut picture, line, 180 + 26 * number as u32, 2, REASON);
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&picture)
        .expect("a grey picture of this size always encodes to memory");
    jpeg
}

/// Breaks a text between words; what does not fit is cut.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().take(LINE).collect();
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            *last = word;
        } else if last.chars().count() + 1 + word.chars().count() <= LINE {
            *last += " ";
            *last += &word;
        } else {
            lines.push(word);
        }
    }
    lines.truncate(LINES);
    lines
}

/// Writes a line in the middle, in blocks of `size` pixels.
fn write(picture: &mut GrayImage, text: &str, top: u32, size: u32, colour: Luma<u8>) {
    let width = text.chars().count() as u32 * 8 * size;
    let left = WIDTH.saturating_sub(width) / 2;
    for (place, letter) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let Some(rows) = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')) else { continue };
        for (y, row) in rows.iter().enumerate() {
            for x in (0..8).filter(|x| row >> x & 1 == 1) {
                let (x, y) = (left + (place as u32 * 8 + x) * size, top + y as u32 * size);
                fill(picture, x, y, size, colour);
            }
        }
    }
}

fn fill(picture: &mut GrayImage, left: u32, top: u32, size: u32, colour: Luma<u8>) {
    for y in top..(top + size).min(HEIGHT) {
        for x in left..(left + size).min(WIDTH) {
            picture.put_pixel(x, y, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_and_reason_make_a_picture() {
        for (name, reason) in
            [("cam", "unplugged"), ("", ""), (&"x".repeat(64), &"wörter ☃ ".repeat(99))]
        {
            let jpeg = draw(name, reason);
            let picture = image::load_from_memory(&jpeg).unwrap().to_luma8();
            assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
            let written = picture.pixels().filter(|pixel| pixel.0[0] > 100).count();
            assert_eq!(written > 0, !name.is_empty());
        }
    }

    #[test]
    fn a_reason_is_broken_between_words() {
        assert_eq!(wrap("a b"), ["a b"]);
        let lines = wrap("nothing heard from capture for three seconds, trying again");
        assert_eq!(lines, ["nothing heard from capture for three", "seconds, trying again"]);
        assert_eq!(wrap(&"x".repeat(100))[0].len(), LINE);
        assert_eq!(wrap(&"word ".repeat(100)).len(), LINES);
    }
}
