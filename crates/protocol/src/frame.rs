//! Frame metadata, and the header that carries it on the bus: the second of three parts (topic, header, payload).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Largest width or height of a frame, in pixels (JPEG's own limit, ITU-T T.81 B.2.2).
pub const MAX_DIMENSION: u32 = 65_535;

/// A random number that identifies one lifetime of a publisher, from its start to its end. Sequence numbers of
/// different epochs do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Properties of a frame that a viewer needs before it decodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameFlags(u8);

impl FrameFlags {
    /// The frame is decodable alone. Every JPEG is.
    pub const KEYFRAME: Self = Self(1);

    /// Returns the flags of a keyframe, or of a delta.
    pub fn keyframe(is_keyframe: bool) -> Self {
        if is_keyframe { Self::KEYFRAME } else { Self::default() }
    }

    /// Returns whether the frame is decodable alone.
    pub fn is_keyframe(self) -> bool {
        self.0 & Self::KEYFRAME.0 != 0
    }

    /// Returns the flags as they are sent.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Returns the flags with these bits; `None` if this version does not know one of them.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::KEYFRAME.0 == 0).then_some(Self(bits))
    }
}

/// The times of a frame on its way from the camera to the bus, all by one clock: the publisher's in a [`FrameHeader`], the
/// subscriber's once received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTimes {
    /// Time at which the source captured the image.
    pub captured_at: Timestamp,
    /// Time at which capture had read it, before it was encoded.
    pub read_at: Timestamp,
    /// Time at which it was encoded and passed to the bus.
    pub published_at: Timestamp,
}

impl FrameTimes {
    /// Returns the times of a frame that was captured, read and published at one moment.
    pub const fn all_at(moment: Timestamp) -> Self {
        Self { captured_at: moment, read_at: moment, published_at: moment }
    }
}

/// Everything known about a frame besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameMeta {
    /// Counts frames published on this track within the epoch, from 0, without a gap.
    pub sequence: u64,
    /// Times of capture, reading and publication.
    pub times: FrameTimes,
    /// Properties that a viewer needs before it decodes the frame.
    pub flags: FrameFlags,
    /// Width in pixels, 1 to [`MAX_DIMENSION`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_DIMENSION`].
    pub height: u32,
}

impl FrameMeta {
    /// Returns when the source captured the image.
    pub fn captured_at(&self) -> Timestamp {
        self.times.captured_at
    }

    /// Returns whether the frame is decodable alone.
    pub fn is_keyframe(&self) -> bool {
        self.flags.is_keyframe()
    }

    /// Returns width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }
}

/// The header of one frame on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHeader {
    /// The publisher's epoch.
    pub epoch: Epoch,
    /// The frame's metadata; times are by the publisher's clock.
    pub meta: FrameMeta,
}

impl FrameHeader {
    /// Encodes the header as a message part.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes a header from untrusted bytes.
    ///
    /// # Errors
    /// Fails if the bytes are of another version, malformed, or hold an impossible size or an unknown flag.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let header: Self = wire::decode(bytes)?;
        let FrameMeta { width, height, flags, .. } = header.meta;
        let possible = 1..=MAX_DIMENSION;
        if !possible.contains(&width) || !possible.contains(&height) {
            return Err(WireError::Invalid("the width or height of the frame is impossible"));
        }
        if FrameFlags::from_bits(flags.bits()).is_none() {
            return Err(WireError::Invalid("unknown frame flags"));
        }
        Ok(header)
    }
}
