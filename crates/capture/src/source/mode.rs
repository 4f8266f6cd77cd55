//! Size and frame rate as users write them: `1280x720@30`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Smallest width or height that can be requested, in pixels.
pub const MIN_SIDE: u32 = 16;
/// Largest width or height that can be requested, in pixels. Above it, one raw frame takes more than 200 MB.
pub const MAX_SIDE: u32 = 8192;
/// Lowest frame rate that can be requested: one frame in ten seconds.
pub const MIN_FPS: f64 = 0.1;
/// Highest frame rate that can be requested, in frames per second.
pub const MAX_FPS: f64 = 240.0;

/// A frame size and rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
}

/// A text that is not a valid mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not WIDTHxHEIGHT@FPS: write for example 1280x720@30, with sides of {MIN_SIDE} to {MAX_SIDE} pixels and \
     {MIN_FPS} to {MAX_FPS} frames per second"
)]
pub struct InvalidMode(String);

impl Default for Mode {
    /// Nearly every webcam of the last fifteen years offers this mode as MJPEG.
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30.0 }
    }
}

impl Mode {
    /// Returns the frame interval.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.fps)
    }
}

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        parse(text).ok_or_else(|| InvalidMode(printable(text)))
    }
}

/// Returns an invalid mode for an error message, if it contains only characters of modes. Any other text may be part of
/// a password.
fn printable(text: &str) -> String {
    let in_modes = |c: char| c.is_ascii_digit() || matches!(c, 'x' | 'X' | '@' | '.' | '-');
    match text.chars().all(in_modes) {
        true => text.chars().take(80).collect(),
        false => "…".to_owned(),
    }
}

fn parse(text: &str) -> Option<Mode> {
    let (size, fps) = match text.split_once('@') {
        Some((size, fps)) => (size, fps.parse().ok()?),
        None => (text, Mode::default().fps),
    };
    let (width, height) = size.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|side| (MIN_SIDE..=MAX_SIDE).contains(side));
    let mode = Mode { width: side(width)?, height: side(height)?, fps };
    (MIN_FPS..=MAX_FPS).contains(&fps).then_some(mode)
}

/// Returns whether the text after a colon is meant as a mode.
pub(super) fn looks_like_mode(text: &str) -> bool {
    starts_with_size(text) || text.contains('@')
}

/// Returns whether a text starts like a size: digits and an `x`.
pub(super) fn starts_with_size(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && text[digits..].starts_with('x')
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_prints_as_it_is_written() {
        for text in ["1280x720@30", "16x8192@0.1", "640x480@29.97"] {
            assert_eq!(text.parse::<Mode>().unwrap().to_string(), text);
        }
        assert_eq!("640x480".parse::<Mode>().unwrap().fps, 30.0);
    }

    #[test]
    fn an_invalid_mode_is_refused_with_the_syntax() {
        for bad in [
            "",
            "x",
            "640",
            "640x",
            "15x480@30",
            "640x8193@30",
            "640x480@0",
            "640x480@241",
            "640x480@nan",
            "640x480@",
            "-640x480@30",
            "640X480@30",
            "640x480@30@30",
        ] {
            let error = bad.parse::<Mode>().expect_err(bad).to_string();
            assert!(error.contains("WIDTHxHEIGHT@FPS"), "{error}");
        }
    }
}
