//! What a user asks of a webcam.

use std::fmt;
use std::str::FromStr;

use super::controls::Controls;
use super::selector::Selector;
use crate::source::mode::Mode;

/// A webcam as a user wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Which one.
    pub which: Selector,
    /// Its size and rate; it may give something else.
    pub mode: Mode,
    /// The format of its pictures; absent: the best.
    pub format: Option<Format>,
    /// What to set at it.
    pub controls: Controls,
}

impl Asked {
    /// This one, and nothing said of the rest.
    pub fn plain(which: Selector, mode: Mode) -> Self {
        Self { which, mode, format: None, controls: Controls::new() }
    }
}

/// The format of a camera's pictures: four letters, as it offers them itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(String);

/// A text that cannot be a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no format of a camera: write its four letters, as --list-devices shows them, for example MJPG"
)]
pub struct InvalidFormat(String);

impl FromStr for Format {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let possible = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        match possible {
            true => Ok(Self(text.into())),
            false => Err(InvalidFormat(text.chars().take(80).collect())),
        }
    }
}

impl Format {
    /// The one of those offered that is meant.
    pub(super) fn among<'a>(&self, offered: &'a [String]) -> Option<&'a String> {
        offered.iter().find(|name| *self == ***name)
    }
}

impl PartialEq<str> for Format {
    fn eq(&self, letters: &str) -> bool {
        self.0.eq_ignore_ascii_case(letters)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_found_among_those_offered_in_any_case() {
        let offered = ["MJPG".to_owned(), "Y16".into()];
        let among = |text: &str| text.parse::<Format>().unwrap().among(&offered).cloned();
        assert_eq!(among("mjpg").as_deref(), Some("MJPG"));
        assert_eq!(among("Y16").as_deref(), Some("Y16"));
        assert_eq!(among("YUYV"), None);
        for bad in ["", "MJPEG", "a b", "ü"] {
            assert!(bad.parse::<Format>().unwrap_err().to_string().contains("MJPG"), "{bad}");
        }
    }
}
