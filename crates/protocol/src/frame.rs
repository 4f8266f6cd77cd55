//! The header that travels with each frame on the bus: the second of three parts (topic, header, payload).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Largest width or height of a picture, in pixels (JPEG's own limit, ITU-T T.81 B.2.2).
pub const MAX_DIMENSION: u32 = 65_535;

/// One run of a publisher, a random number. Sequence numbers of different epochs do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a viewer must know of a frame before it decodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameFlags(u8);

impl FrameFlags {
    /// Decodable alone. Every JPEG is.
    pub const KEYFRAME: Self = Self(1);

    /// Whether the frame is decodable alone.
    pub fn is_keyframe(self) -> bool {
        self.0 & Self::KEYFRAME.0 != 0
    }

    /// The flags as they travel.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The flags with these bits; none but those known to this version may be set.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::KEYFRAME.0 == 0).then_some(Self(bits))
    }
}

/// The header of one frame on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHeader {
    /// The publisher's run.
    pub epoch: Epoch,
    /// Counts frames published on this track within the epoch, from 0, without a gap.
    pub sequence: u64,
    /// When the picture was taken, by the publisher's clock.
    pub captured_at: Timestamp,
    /// When the publisher had it in hand, before it was encoded, by the publisher's clock.
    pub read_at: Timestamp,
    /// When it was encoded and given to the bus, by the publisher's clock.
    pub published_at: Timestamp,
    /// What a viewer must know before it decodes.
    pub flags: FrameFlags,
    /// Width in pixels, 1 to [`MAX_DIMENSION`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_DIMENSION`].
    pub height: u32,
}

impl FrameHeader {
    /// The header as the bytes of a message part.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a header from untrusted bytes.
    ///
    /// # Errors
    /// When the bytes are of another version, malformed, or hold a size or flag that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let header: Self = wire::decode(bytes)?;
        let possible = 1..=MAX_DIMENSION;
        if !possible.contains(&header.width) || !possible.contains(&header.height) {
            return Err(WireError::Invalid("a picture of this size cannot be"));
        }
        if FrameFlags::from_bits(header.flags.bits()).is_none() {
            return Err(WireError::Invalid("unknown frame flags"));
        }
        Ok(header)
    }
}
