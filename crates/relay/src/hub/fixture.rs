//! What the tests of the hub and of all who show something of it begin with: a stream, and pictures.

use std::sync::Arc;

use fanlight_protocol::{FrameFlags, StreamState, Timestamp, TrackEntry};

use super::{Frame, Hub, Status, Stream};

/// A live stream of a hub of its own, that lists these tracks.
pub fn stream(tracks: Vec<TrackEntry>) -> Arc<Stream> {
    Hub::new(Arc::default()).open(&"cam".parse().unwrap(), live(tracks))
}

/// The status of a live stream that lists these tracks.
pub fn live(tracks: Vec<TrackEntry>) -> Status {
    Status {
        state: StreamState::Live,
        reason: String::new(),
        since: Timestamp::default(),
        source: "test".into(),
        tracks,
    }
}

/// A listed track of which nothing has come yet, with pictures of this size in pixels.
pub fn entry(name: &str, width: u32, height: u32) -> TrackEntry {
    let name = name.parse().unwrap();
    TrackEntry { name, width, height, millifps: 0, bitrate: 0, published: 0, dropped: 0 }
}

/// An empty picture that stands alone, taken and received at the same time.
pub fn picture(sequence: u64, at: Timestamp) -> Frame {
    Frame {
        run: 0,
        sequence,
        captured_at: at,
        read_at: at,
        published_at: at,
        received_at: at,
        flags: FrameFlags::KEYFRAME,
        width: 16,
        height: 9,
        payload: Default::default(),
    }
}

/// The flags of a picture that stands alone, or of one that does not.
pub fn flags(is_keyframe: bool) -> FrameFlags {
    if is_keyframe { FrameFlags::KEYFRAME } else { FrameFlags::default() }
}
