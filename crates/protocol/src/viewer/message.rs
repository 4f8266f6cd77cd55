//! The fixed header before the payload of a binary `fanlight.v1` message.

use crate::frame::FrameFlags;
use crate::name::Codec;
use crate::time::Timestamp;

/// Length of the header, in bytes. The payload follows directly.
pub const FRAME_HEADER_LEN: usize = 32;

/// The version of the header; its first byte.
pub const FRAME_VERSION: u8 = 1;

/// The header of one frame sent to a viewer. All integers are little-endian:
///
/// | byte | content |
/// |---|---|
/// | 0 | u8 version, 1 |
/// | 1 | u8 codec: 1 JPEG, 2 H.264 Annex B |
/// | 2 | u8 flags: bit 0 keyframe |
/// | 3 | u8 rendition: index in the `track` message |
/// | 4 | u32 subscription id |
/// | 8 | u64 sequence |
/// | 16 | u64 captured_at, Unix microseconds of the relay's clock |
/// | 24 | u64 sent_at, the same |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMessage {
    /// The encoding of the payload.
    pub codec: Codec,
    /// Properties that are needed before decoding.
    pub flags: FrameFlags,
    /// Index into the renditions of the `track` message.
    pub rendition: u8,
    /// The viewer's number for its subscription.
    pub id: u32,
    /// The publisher's count on this track.
    pub sequence: u64,
    /// Time at which the source captured the image, by the relay's clock.
    pub captured_at: Timestamp,
    /// Time at which the relay began to send it, by the relay's clock.
    pub sent_at: Timestamp,
}

impl FrameMessage {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; FRAME_HEADER_LEN] {
        let mut bytes = [0; FRAME_HEADER_LEN];
        bytes[0] = FRAME_VERSION;
        bytes[1] = self.codec as u8;
        bytes[2] = self.flags.bits();
        bytes[3] = self.rendition;
        bytes[4..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.captured_at.micros().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sent_at.micros().to_le_bytes());
        bytes
    }

    /// Splits a message into header and payload. Returns `None` if it is too short, of another version, or contains a codec or
    /// flag that this version does not know.
    pub fn decode(message: &[u8]) -> Option<(Self, &[u8])> {
        let (header, payload) = message.split_first_chunk::<FRAME_HEADER_LEN>()?;
        if header[0] != FRAME_VERSION {
            return None;
        }
        let u64_at = |at: usize| {
            u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes of thirty-two"))
        };
        let decoded = Self {
            codec: Codec::from_number(header[1])?,
            flags: FrameFlags::from_bits(header[2])?,
            rendition: header[3],
            id: u32::from_le_bytes([header[4], header[5], header[6], header[7]]),
            sequence: u64_at(8),
            captured_at: Timestamp::from_micros(u64_at(16)),
            sent_at: Timestamp::from_micros(u64_at(24)),
        };
        Some((decoded, payload))
    }
}
