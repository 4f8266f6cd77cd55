//! The request for a webcam: camera, mode, format and controls.

use std::fmt;
use std::str::FromStr;

use super::controls::Controls;
use super::selector::Selector;
use crate::source::mode::Mode;

/// A webcam as the user requested it.
#[derive(Debug, Clone, PartialEq)]
pub struct WebcamRequest {
    /// The camera.
    pub selector: Selector,
    /// Frame size and rate. The camera may choose another mode.
    pub mode: Mode,
    /// The pixel format; `None`: the best.
    pub format: Option<PixelFormat>,
    /// The controls to set.
    pub controls: Controls,
}

impl WebcamRequest {
    /// Returns a request without a format and controls.
    pub fn new(selector: Selector, mode: Mode) -> Self {
        Self { selector, mode, format: None, controls: Controls::new() }
    }
}

/// The pixel format of a camera: its FourCC, as the driver lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelFormat(String);

/// A text that is not a pixel format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a pixel format: write its four letters, as --list-devices shows them, for example MJPG"
)]
pub struct InvalidFormat(String);

impl FromStr for PixelFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let possible = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        match possible {
            true => Ok(Self(text.into())),
            false => Err(InvalidFormat(text.chars().take(80).collect())),
        }
    }
}

impl PixelFormat {
    /// Returns the matching format among those that the camera supports.
    pub(super) fn find_in<'a>(&self, formats: &'a [String]) -> Option<&'a String> {
        formats.iter().find(|name| *self == ***name)
    }
}

impl PartialEq<str> for PixelFormat {
    fn eq(&self, letters: &str) -> bool {
        self.0.eq_ignore_ascii_case(letters)
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_found_in_upper_or_lower_case() {
        let formats = ["MJPG".to_owned(), "Y16".into()];
        let find = |text: &str| text.parse::<PixelFormat>().unwrap().find_in(&formats).cloned();
        assert_eq!(find("mjpg").as_deref(), Some("MJPG"));
        assert_eq!(find("Y16").as_deref(), Some("Y16"));
        assert_eq!(find("YUYV"), None);
        for bad in ["", "MJPEG", "a b", "ü"] {
            assert!(bad.parse::<PixelFormat>().unwrap_err().to_string().contains("MJPG"), "{bad}");
        }
    }
}
