//! Streams and frames for tests.

use std::sync::Arc;

use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, StreamState, Timestamp, TrackEntry};

use crate::hub::{Frame, Hub, Stream, StreamStatus};

/// Returns a live stream that announces these tracks, in a hub of its own.
pub fn stream(tracks: Vec<TrackEntry>) -> Arc<Stream> {
    Hub::new(Arc::default()).open(&"cam".parse().unwrap(), live(tracks))
}

/// Returns the status of a live stream that announces these tracks.
pub fn live(tracks: Vec<TrackEntry>) -> StreamStatus {
    StreamStatus {
        state: StreamState::Live,
        reason: String::new(),
        since: Timestamp::default(),
        gone: false,
        source: "test".into(),
        tracks,
    }
}

/// Returns an announced track of this size in pixels, without frames.
pub fn entry(name: &str, width: u32, height: u32) -> TrackEntry {
    let name = name.parse().unwrap();
    TrackEntry { name, width, height, millifps: 0, bitrate: 0, published: 0, dropped: 0 }
}

/// Returns an empty keyframe that was captured and received at the same time.
pub fn keyframe(sequence: u64, at: Timestamp) -> Frame {
    Frame {
        generation: 0,
        meta: FrameMeta {
            sequence,
            times: FrameTimes::all_at(at),
            flags: FrameFlags::KEYFRAME,
            width: 16,
            height: 9,
        },
        received_at: at,
        payload: Default::default(),
    }
}

/// Returns an empty keyframe or delta that was captured and received at the same time.
pub fn frame(sequence: u64, at: Timestamp, is_keyframe: bool) -> Frame {
    let mut frame = keyframe(sequence, at);
    frame.meta.flags = FrameFlags::keyframe(is_keyframe);
    frame
}
