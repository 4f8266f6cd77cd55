//! What a subscriber may ask a publisher, and the answers.
//!
//! An ask travels upstream as one user message of the bus; its answer comes back on
//! [`ReservedTopic::Answer`](crate::ReservedTopic::Answer) with the number that the asker chose for itself.

use serde::{Deserialize, Serialize};

use crate::name::{StreamName, TrackName};
use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Largest encoded ask, in bytes: what a publisher lets in from upstream.
pub const MAX_ASK: usize = 256;

/// A question or wish, from a subscriber to one publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// What is your clock? Answered with [`Answer::Clock`].
    Clock {
        /// Who asks: where the answer goes.
        asker: u64,
        /// The asker's clock when it asked; repeated in the answer.
        asked_at: Timestamp,
    },
    /// Your catalog, please. Answered with an announcement to everybody.
    Catalog,
    /// A keyframe on this track, please. Not answered; the keyframe is the answer.
    Keyframe {
        /// The stream of the track.
        stream: StreamName,
        /// The track.
        track: TrackName,
    },
}

/// An answer, from a publisher to the subscriber that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The publisher's clock, in the manner of NTP (RFC 5905, section 8).
    Clock {
        /// The asker's clock when it asked, as it was sent.
        asked_at: Timestamp,
        /// The publisher's clock when the ask came in.
        received_at: Timestamp,
        /// The publisher's clock when the answer went out.
        answered_at: Timestamp,
    },
}

/// First byte of a user message upstream. 0 and 1 are ZeroMQ's own (unsubscribe, subscribe: ZMTP 3.0, RFC 23).
const USER_MESSAGE: u8 = 2;

impl Ask {
    /// The ask as the bytes of a user message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = wire::encode(self);
        bytes.insert(0, USER_MESSAGE);
        bytes
    }

    /// Reads an ask from untrusted bytes.
    ///
    /// # Errors
    /// When the bytes are too many, of another version, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_ASK {
            return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_ASK });
        }
        match bytes.split_first() {
            Some((&USER_MESSAGE, rest)) => wire::decode(rest),
            Some(_) => Err(WireError::Invalid("not an ask")),
            None => Err(WireError::Empty),
        }
    }
}

impl Answer {
    /// The answer as the bytes of a message part.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads an answer from untrusted bytes.
    ///
    /// # Errors
    /// When the bytes are of another version or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes)
    }
}
