//! Encoded frames onto the bus, and the count of those that did not get there. Knows nothing of sources and encoders.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_bus::{OutgoingFrame, TrackCounts, TrackMonitor, TrackPublisher};
use parking_lot::{Mutex, MutexGuard};

use crate::frame::Frame;

/// Frames of a track that were not published, for the catalog. The bus counts those that were.
#[derive(Debug, Default)]
pub struct FrameCounters {
    dropped: AtomicU64,
    damaged: AtomicU64,
    withheld: AtomicU64,
}

impl FrameCounters {
    /// Counts frames that were dropped because this process was too slow for them.
    pub fn drop_frames(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a frame that was damaged.
    pub fn note_damage(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that were withheld from a watched track although this process had time for them: an earlier frame that
    /// they refer to is missing, or the track's encoder has failed.
    pub fn withhold(&self, count: u64) {
        self.withheld.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the number of damaged frames.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Returns the number of frames dropped because this process was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns the number of withheld frames.
    pub fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }
}

/// A track's end of the bus. It is connected once everything that its demand affects exists; until then the track is not
/// watched.
#[derive(Debug, Default)]
pub struct TrackOutput {
    publisher: Mutex<TrackWriter>,
    monitor: OnceLock<TrackMonitor>,
}

impl TrackOutput {
    /// Connects the track to the bus.
    pub fn connect(&self, publisher: TrackPublisher) {
        self.monitor.get_or_init(|| publisher.monitor());
        *self.publisher.lock() = TrackWriter(Some(publisher));
    }

    /// Returns whether a subscriber watches the track.
    pub fn is_watched(&self) -> bool {
        self.monitor.get().is_some_and(TrackMonitor::is_watched)
    }

    /// Returns the frames and bytes published, and the frames that the bus did not accept.
    pub fn counts(&self) -> TrackCounts {
        self.monitor.get().map(TrackMonitor::counts).unwrap_or_default()
    }

    /// Returns the writer, for this thread alone.
    pub fn lock(&self) -> MutexGuard<'_, TrackWriter> {
        self.publisher.lock()
    }
}

/// Writes the frames of one track.
#[derive(Debug, Default)]
pub struct TrackWriter(Option<TrackPublisher>);

impl TrackWriter {
    /// Sends a frame. Returns whether it was sent.
    pub fn publish(&mut self, frame: Frame) -> bool {
        let Frame { meta, payload } = frame;
        self.0.as_mut().is_some_and(|track| track.publish(OutgoingFrame { meta, payload }))
    }
}
