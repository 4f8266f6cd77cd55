//! Topics: the first part of a bus message.

use std::fmt;
use std::str::FromStr;

use crate::name::{InvalidName, StreamName, TrackName};

/// A track's name on the bus: `NAME/RENDITION.CODEC/`, for example `cam/full.jpeg/`.
///
/// It ends with a slash because subscriptions match by prefix: without it, a subscription to `cam1/full.jpeg` would also match
/// `cam1/full.jpeg2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// The stream the track belongs to.
    pub stream: StreamName,
    /// The track within it.
    pub track: TrackName,
}

/// A text that is not a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It does not have the form of a topic.
    #[error("not a topic (NAME/RENDITION.CODEC/)")]
    Form,
    /// A name in it is invalid.
    #[error("in a topic: {0}")]
    Name(#[from] InvalidName),
}

impl Topic {
    /// Makes the topic of a track.
    pub fn new(stream: StreamName, track: TrackName) -> Self {
        Self { stream, track }
    }

    /// Parses a topic from the first part of a message.
    ///
    /// # Errors
    /// Fails if the bytes have another form, or a name in them is invalid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TopicError> {
        std::str::from_utf8(bytes).map_err(|_| TopicError::Form)?.parse()
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let (stream, track) =
            text.strip_suffix('/').and_then(|rest| rest.split_once('/')).ok_or(TopicError::Form)?;
        Ok(Self { stream: stream.parse()?, track: track.parse()? })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.stream, self.track)
    }
}

/// A topic without frames. It begins with `!`, which no stream name contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedTopic {
    /// `!catalog/`: the publisher's [`Catalog`](crate::Catalog).
    Catalog,
    /// `!answer/ID/`: [`Answer`](crate::Answer)s to the subscriber with this number, as 16 hexadecimal digits.
    Answer(u64),
}

impl ReservedTopic {
    /// Parses a reserved topic from the first part of a message.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        if text == "!catalog/" {
            return Some(Self::Catalog);
        }
        let digits = text.strip_prefix("!answer/")?.strip_suffix('/')?;
        let canonical = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        canonical.then(|| u64::from_str_radix(digits, 16).ok().map(Self::Answer))?
    }
}

impl fmt::Display for ReservedTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("!catalog/"),
            Self::Answer(id) => write!(f, "!answer/{id:016x}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_is_a_prefix_of_another() {
        let one: Topic = "cam1/full.jpeg/".parse().unwrap();
        let ten: Topic = "cam10/full.jpeg/".parse().unwrap();
        assert!(!ten.to_string().starts_with(&one.to_string()));
    }

    #[test]
    fn a_topic_without_a_trailing_slash_is_refused() {
        for bad in
            ["cam/full.jpeg", "cam/", "/", "", "cam/full.jpeg//", "cam/x/full.jpeg/", "!catalog/"]
        {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
        assert_eq!(Topic::from_bytes(&[0xff, 0xfe]), Err(TopicError::Form));
    }

    #[test]
    fn reserved_topics_round_trip() {
        for topic in
            [ReservedTopic::Catalog, ReservedTopic::Answer(0), ReservedTopic::Answer(u64::MAX)]
        {
            assert_eq!(ReservedTopic::from_bytes(topic.to_string().as_bytes()), Some(topic));
        }
        assert_eq!(ReservedTopic::from_bytes(b"!answer/1/"), None);
        assert_eq!(ReservedTopic::from_bytes(b"!answer/+00000000000000f/"), None);
    }
}
