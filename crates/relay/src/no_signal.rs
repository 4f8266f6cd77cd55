//! A picture that states why there is no video.

use std::collections::HashMap;

use bytes::Bytes;
use fanlight_protocol::{StreamName, StreamState, Timestamp};
use font8x8::UnicodeFonts as _;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma};
use parking_lot::Mutex;

use crate::hub::{Stream, StreamStatus};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
const BACKGROUND: Luma<u8> = Luma([24]);
const NAME: Luma<u8> = Luma([230]);
const REASON: Luma<u8> = Luma([150]);
const QUALITY: u8 = 80;
/// Most characters of the reason in a line, and most lines below the name.
const MAX_LINE: usize = 36;
const MAX_LINES: usize = 4;

/// Most pictures kept. All viewers of a stream are shown the same one.
const MAX_CACHED: usize = 64;

/// Draws no-signal pictures, each of them once.
#[derive(Debug, Default)]
pub struct NoSignal {
    /// The pictures by stream and reason. The mutex is held while a picture is drawn, because all other viewers need it
    /// too.
    cache: Mutex<HashMap<(StreamName, String), Bytes>>,
}

impl NoSignal {
    /// Returns the picture for the present state of a stream.
    pub fn picture(&self, stream: &Stream) -> Bytes {
        let key = (stream.name().clone(), reason(&stream.status()));
        let mut cache = self.cache.lock();
        if cache.len() >= MAX_CACHED && !cache.contains_key(&key) {
            cache.clear();
        }
        let draw = |(name, reason): &(StreamName, String)| draw(name.as_str(), reason).into();
        cache.entry(key).or_insert_with_key(draw).clone()
    }
}

fn reason(status: &StreamStatus) -> String {
    match status.state {
        StreamState::Offline | StreamState::Ended if !status.reason.is_empty() => {
            status.reason.clone()
        }
        StreamState::Live if status.frozen_since().is_some() => {
            format!("{} since {}", status.reason, utc(status.since))
        }
        StreamState::Ended => "source ended".into(),
        StreamState::Offline | StreamState::Live | StreamState::Idle => "no new picture".into(),
    }
}

/// Returns the time of day. The viewer's time zone is not known.
fn utc(time: Timestamp) -> String {
    let minutes = time.micros() / 60_000_000;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

/// Draws the name of a stream and the reason; returns a JPEG.
fn draw(name: &str, reason: &str) -> Vec<u8> {
    let mut picture = GrayImage::from_pixel(WIDTH, HEIGHT, BACKGROUND);
    // A name of 64 characters fits at size 1, a usual one at size 3.
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

/// Wraps a text between words. A longer word or text is cut.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().take(MAX_LINE).collect();
        let last = lines.last_mut().expect("there is at least one line");
        if last.is_empty() {
            *last = word;
        } else if last.chars().count() + 1 + word.chars().count() <= MAX_LINE {
            *last += " ";
            *last += &word;
        } else {
            lines.push(word);
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

/// Writes a centred line, in blocks of `size` pixels.
fn write(picture: &mut GrayImage, text: &str, top: u32, size: u32, colour: Luma<u8>) {
    let width = text.chars().count() as u32 * 8 * size;
    let left = WIDTH.saturating_sub(width) / 2;
    for (index, letter) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let Some(rows) = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')) else { continue };
        for (y, row) in rows.iter().enumerate() {
            for x in (0..8).filter(|x| row >> x & 1 == 1) {
                let (x, y) = (left + (index as u32 * 8 + x) * size, top + y as u32 * size);
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
    fn any_name_and_reason_can_be_drawn() {
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
    fn a_frozen_camera_is_named_with_the_time_of_its_picture() {
        let mut status = crate::hub::fixture::live(Vec::new());
        assert_eq!(reason(&status), "no new picture");
        status.reason = fanlight_protocol::catalog::FROZEN.into();
        status.since = Timestamp::from_micros((19_000 * 86_400 + 3 * 3600 + 12 * 60) * 1_000_000);
        assert_eq!(reason(&status), "camera repeats the same picture since 03:12 UTC");
    }

    #[test]
    fn a_reason_is_wrapped_between_words() {
        assert_eq!(wrap("a b"), ["a b"]);
        let lines = wrap("nothing heard from capture for three seconds, trying again");
        assert_eq!(lines, ["nothing heard from capture for three", "seconds, trying again"]);
        assert_eq!(wrap(&"x".repeat(100))[0].len(), MAX_LINE);
        assert_eq!(wrap(&"word ".repeat(100)).len(), MAX_LINES);
    }
}
