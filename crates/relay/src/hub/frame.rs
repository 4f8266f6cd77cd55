//! One encoded frame in the relay.

use bytes::Bytes;
use fanlight_protocol::{FrameMeta, Timestamp};

/// One encoded frame, held once and shared by all viewers that it is sent to.
#[derive(Debug)]
pub struct Frame {
    /// Changes when the publisher's numbering restarts: sequence numbers of different generations do not compare.
    pub generation: u64,
    /// The frame's metadata; times are by the relay's clock.
    pub meta: FrameMeta,
    /// The arrival time, by the relay's clock.
    pub received_at: Timestamp,
    /// The encoded image. The hub never looks inside.
    pub payload: Bytes,
}

impl Frame {
    /// Returns the publisher's count on this track.
    pub fn sequence(&self) -> u64 {
        self.meta.sequence
    }

    /// Returns when the source captured the image.
    pub fn captured_at(&self) -> Timestamp {
        self.meta.captured_at()
    }

    /// Returns whether the frame is decodable alone.
    pub fn is_keyframe(&self) -> bool {
        self.meta.is_keyframe()
    }

    /// Returns whether this frame directly follows `before`: a viewer that was sent `before` can decode it.
    pub fn follows(&self, before: &Self) -> bool {
        self.generation == before.generation
            && before.sequence().checked_add(1) == Some(self.sequence())
    }
}
