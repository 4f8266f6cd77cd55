//! Encoded pictures onto the bus, and what became of them. Knows nothing of sources and encoders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_bus::{OutgoingFrame, TrackPublisher};
use fanlight_protocol::FrameFlags;

use crate::frame::Frame;

/// What became of a track's pictures, for the catalog.
#[derive(Debug, Default)]
pub struct FrameCounters {
    published: AtomicU64,
    dropped: AtomicU64,
    damaged: AtomicU64,
    withheld: AtomicU64,
    bytes: AtomicU64,
}

impl FrameCounters {
    /// Counts pictures that were dropped because this process was too slow for them.
    pub fn drop_frames(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a picture that came damaged.
    pub fn note_damage(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that a watched track was not given although this process had time for them: an earlier frame that they
    /// refer to is missing, or the track's encoder has failed.
    pub fn withhold(&self, count: u64) {
        self.withheld.fetch_add(count, Ordering::Relaxed);
    }

    /// Pictures published.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Pictures that came damaged.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Pictures dropped because this process was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Frames that were withheld.
    pub fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }

    /// Bytes published.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The way out for one track.
#[derive(Debug)]
pub struct TrackWriter {
    track: TrackPublisher,
    tally: Arc<FrameCounters>,
}

impl TrackWriter {
    /// Counts what is published on `track` in `tally`.
    pub fn new(track: TrackPublisher, tally: Arc<FrameCounters>) -> Self {
        Self { track, tally }
    }

    /// Sends a picture; it is dropped where the bus is behind. Returns whether it was sent.
    pub fn publish(&mut self, frame: Frame) -> bool {
        let bytes = frame.payload.len() as u64;
        let taken = self.track.publish(OutgoingFrame {
            captured_at: frame.times.captured_at,
            read_at: frame.times.read_at,
            flags: if frame.keyframe { FrameFlags::KEYFRAME } else { FrameFlags::default() },
            width: frame.width,
            height: frame.height,
            payload: frame.payload,
        });
        if taken {
            self.tally.published.fetch_add(1, Ordering::Relaxed);
            self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.tally.drop_frames(1);
        }
        taken
    }
}
