//! Asks: questions and requests of a subscriber to a publisher, and the answers.
//!
//! An ask travels upstream as one user message of the bus. Its answer comes on
//! [`ReservedTopic::Answer`](crate::ReservedTopic::Answer) with the number that the subscriber chose for itself.

use serde::{Deserialize, Serialize};

use crate::name::{StreamName, TrackName};
use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Largest encoded ask that a publisher accepts, in bytes.
pub const MAX_ASK: usize = 256;

/// A question or request, from a subscriber to one publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Asks for the publisher's clock. Answered with [`Answer::Clock`].
    Clock {
        /// The subscriber's number, to which the answer is addressed.
        asker: u64,
        /// The subscriber's clock when it asked; repeated in the answer.
        asked_at: Timestamp,
    },
    /// Asks for the catalog. Answered with an announcement to all subscribers.
    Catalog,
    /// Asks for a keyframe on a track. The keyframe is the only answer.
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
    /// The publisher's clock, as in NTP (RFC 5905, section 8).
    Clock {
        /// The subscriber's clock when it asked, as it was sent.
        asked_at: Timestamp,
        /// The publisher's clock when it received the ask.
        received_at: Timestamp,
        /// The publisher's clock when it sent the answer.
        answered_at: Timestamp,
    },
}

impl Ask {
    /// Encodes the ask.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes an ask from untrusted bytes.
    ///
    /// # Errors
    /// Fails if the bytes are more than [`MAX_ASK`], of another version, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_ASK {
            return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_ASK });
        }
        wire::decode(bytes)
    }
}

impl Answer {
    /// Encodes the answer as a message part.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes an answer from untrusted bytes.
    ///
    /// # Errors
    /// Fails if the bytes are of another version or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes)
    }
}
