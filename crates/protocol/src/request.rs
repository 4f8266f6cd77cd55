//! Requests of a subscriber to a publisher, and the answers.
//!
//! A request travels upstream as one user message of the bus. Its answer comes on
//! [`ReservedTopic::Answer`](crate::ReservedTopic::Answer) with the number that the subscriber chose for itself.

use serde::{Deserialize, Serialize};

use crate::name::{StreamName, TrackName};
use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Largest encoded request that a publisher accepts, in bytes.
pub const MAX_REQUEST: usize = 256;

/// A request from a subscriber to one publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Requests the publisher's clock. Answered with [`Answer::Clock`].
    Clock {
        /// The subscriber's number, to which the answer is addressed.
        asker: u64,
        /// The subscriber's clock when it sent the request; repeated in the answer.
        asked_at: Timestamp,
    },
    /// Requests the catalog. Answered with an announcement to all subscribers.
    Catalog,
    /// Requests a keyframe on a track. The keyframe is the only answer.
    Keyframe {
        /// The stream of the track.
        stream: StreamName,
        /// The track.
        track: TrackName,
    },
}

/// An answer, from a publisher to the subscriber that sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The publisher's clock, as in NTP (RFC 5905, section 8).
    Clock {
        /// The subscriber's clock when it sent the request, as it was sent.
        asked_at: Timestamp,
        /// The publisher's clock when it received the request.
        received_at: Timestamp,
        /// The publisher's clock when it sent the answer.
        answered_at: Timestamp,
    },
}

impl Request {
    /// Encodes the request.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes a request from untrusted bytes.
    ///
    /// # Errors
    /// Fails if the bytes are more than [`MAX_REQUEST`], of another version, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_REQUEST {
            return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_REQUEST });
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
