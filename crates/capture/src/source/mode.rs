//! Size and rate as people write them: `1280x720@30`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Smallest width or height that may be asked for.
pub const MIN_SIDE: u32 = 16;
/// Largest width or height that may be asked for: above it, one raw picture takes more than 200 MB.
pub const MAX_SIDE: u32 = 8192;
/// Lowest rate that may be asked for, in frames per second: one in ten seconds.
pub const MIN_FPS: f64 = 0.1;
/// Highest rate that may be asked for, in frames per second.
pub const MAX_FPS: f64 = 240.0;

/// A size and a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
}

/// A text that is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not WIDTHxHEIGHT@FPS, for example 1280x720@30: sides from {MIN_SIDE} to {MAX_SIDE} pixels, {MIN_FPS} to \
     {MAX_FPS} frames per second"
)]
pub struct InvalidMode(String);

impl Default for Mode {
    /// What nearly every webcam of the last fifteen years offers as MJPEG.
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30.0 }
    }
}

impl Mode {
    /// The time from picture to picture.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.fps)
    }
}

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        parse(text).ok_or_else(|| InvalidMode(shown(text)))
    }
}

/// A text that is no mode, where it is made of what modes are made of. Another one may be a part of a password.
fn shown(text: &str) -> String {
    let of_modes = |c: char| c.is_ascii_digit() || matches!(c, 'x' | 'X' | '@' | '.' | '-');
    match text.chars().all(of_modes) {
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
    fn a_bad_mode_is_refused_with_the_rule() {
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
