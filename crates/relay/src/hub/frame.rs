//! One encoded picture.

use bytes::Bytes;
use fanlight_protocol::{FrameFlags, Timestamp};

/// One encoded picture, held once and shared by all who send it.
#[derive(Debug)]
pub struct Frame {
    /// Changes where the publisher's count begins anew: sequences of different runs do not compare.
    pub run: u64,
    /// The publisher's count on this track.
    pub sequence: u64,
    /// When the picture was taken, by our clock.
    pub captured_at: Timestamp,
    /// When capture had it in hand, before it was encoded, by our clock.
    pub read_at: Timestamp,
    /// When it was encoded and given to the bus, by our clock.
    pub published_at: Timestamp,
    /// When it came in, by our clock.
    pub received_at: Timestamp,
    /// What a viewer must know before it decodes.
    pub flags: FrameFlags,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The encoded picture. The hub never looks inside.
    pub payload: Bytes,
}

impl Frame {
    /// Whether it comes directly after another, so that whoever was sent that one can decode this one.
    pub fn follows(&self, before: &Self) -> bool {
        self.run == before.run && before.sequence.checked_add(1) == Some(self.sequence)
    }
}
