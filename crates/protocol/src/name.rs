//! Names of streams, renditions and tracks. A value of these types is always valid.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest stream name, in bytes.
pub const MAX_STREAM_NAME: usize = 64;
/// Longest rendition name, in bytes.
pub const MAX_RENDITION_NAME: usize = 16;

/// A text that is not a valid name, with the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// An invalid stream name.
    #[error(
        "{0:?} is not a stream name: 1 to {MAX_STREAM_NAME} characters of a-z, 0-9, '_' and '-', the first a letter or digit"
    )]
    Stream(String),
    /// An invalid rendition.
    #[error("{0:?} is not a rendition: 1 to {MAX_RENDITION_NAME} characters of a-z and 0-9")]
    Rendition(String),
    /// A word reserved by the protocol.
    #[error("{0:?} is reserved for automatic selection by the relay and is not a rendition")]
    Reserved(String),
    /// An unknown codec.
    #[error("{0:?} is not a codec: use jpeg or h264, or auto where the relay may select")]
    Codec(String),
    /// A text without the form of a track.
    #[error("{0:?} is not a track: RENDITION.CODEC, for example full.jpeg")]
    Track(String),
}

/// Most characters of a bad name that an error repeats.
const QUOTED: usize = 80;

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

/// The name of a stream, which viewers select it by: `[a-z0-9][a-z0-9_-]{0,63}`.
///
/// Cheap to clone: the text is shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let valid = bytes.len() <= MAX_STREAM_NAME
            && bytes.first().is_some_and(|&b| letter_or_digit(b))
            && bytes.iter().all(|&b| letter_or_digit(b) || b == b'_' || b == b'-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidName::Stream(quoted(text))) }
    }
}

/// The name of a rendition, one size and quality of a stream: `[a-z0-9]{1,16}`; `auto` is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenditionName(Arc<str>);

impl RenditionName {
    /// The word for automatic selection of a rendition by the relay.
    pub const AUTO: &str = "auto";

    /// Returns the name of the rendition that every stream has, in the source's own size.
    pub fn full() -> Self {
        Self("full".into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RenditionName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == Self::AUTO {
            return Err(InvalidName::Reserved(quoted(text)));
        }
        let valid = (1..=MAX_RENDITION_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if valid { Ok(Self(text.into())) } else { Err(InvalidName::Rendition(quoted(text))) }
    }
}

/// The encoding of a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Codec {
    /// One baseline or progressive JPEG image (ITU-T T.81), decodable alone.
    Jpeg = 1,
    /// H.264 in Annex B byte stream format (ITU-T H.264).
    H264 = 2,
}

impl Codec {
    /// The word for automatic selection of a codec by the relay.
    pub const AUTO: &str = "auto";

    /// Returns the name used in topics, URLs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::H264 => "h264",
        }
    }

    /// Returns the codec with this number in a `fanlight.v1` message.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Jpeg),
            2 => Some(Self::H264),
            _ => None,
        }
    }
}

impl FromStr for Codec {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text {
            "jpeg" => Ok(Self::Jpeg),
            "h264" => Ok(Self::H264),
            _ => Err(InvalidName::Codec(quoted(text))),
        }
    }
}

/// A track within its stream: `RENDITION.CODEC`, for example `full.jpeg`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrackName {
    /// The size and quality.
    pub rendition: RenditionName,
    /// The encoding.
    pub codec: Codec,
}

impl TrackName {
    /// Returns the track that every stream has: full size, JPEG.
    pub fn full_jpeg() -> Self {
        Self { rendition: RenditionName::full(), codec: Codec::Jpeg }
    }
}

impl FromStr for TrackName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (rendition, codec) =
            text.split_once('.').ok_or_else(|| InvalidName::Track(quoted(text)))?;
        Ok(Self { rendition: rendition.parse()?, codec: codec.parse()? })
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rendition, self.codec)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Implements the conversions that all textual names share: they are displayed, compared and serialized as their text.
macro_rules! textual {
    ($($name:ident),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().into()
            }
        }
    )* };
}

textual!(StreamName, RenditionName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_has_a_limited_alphabet_and_length() {
        for good in ["a", "0", "front-door_2", &"x".repeat(64)] {
            assert!(good.parse::<StreamName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn auto_is_not_a_rendition() {
        assert_eq!("auto".parse::<RenditionName>(), Err(InvalidName::Reserved("auto".into())));
        assert!("autox".parse::<RenditionName>().is_ok());
        assert!("full-hd".parse::<RenditionName>().is_err());
        assert!("x".repeat(17).parse::<RenditionName>().is_err());
    }

    #[test]
    fn an_error_repeats_only_the_beginning_of_a_long_name() {
        let error = "X".repeat(100_000).parse::<StreamName>().unwrap_err();
        assert!(error.to_string().len() < 300);
    }

    #[test]
    fn a_track_name_is_rendition_dot_codec() {
        let track: TrackName = "half.h264".parse().unwrap();
        assert_eq!(track.to_string(), "half.h264");
        assert!("half".parse::<TrackName>().is_err());
        assert!("half.vp8".parse::<TrackName>().is_err());
        assert!("auto.jpeg".parse::<TrackName>().is_err());
    }
}
