//! A track's pending request for a keyframe, and the limit on how often the relay asks its publisher for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::Timestamp;
use tokio::sync::Notify;

/// Shortest interval between two requests of a track, for all viewers together: a keyframe takes as many bytes as many
/// deltas.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A request for a keyframe that the ingest side takes and sends to the publisher.
#[derive(Debug)]
pub(super) struct KeyframeRequest {
    pending: AtomicBool,
    /// The time at which the publisher was last asked, in microseconds.
    asked_at: AtomicU64,
    /// Notifies the ingest side of a new request.
    demand_changed: Arc<Notify>,
}

impl KeyframeRequest {
    pub(super) fn new(demand_changed: Arc<Notify>) -> Self {
        Self { pending: AtomicBool::new(false), asked_at: AtomicU64::new(0), demand_changed }
    }

    /// Requests a keyframe. Further calls have no effect until the request is taken or fulfilled.
    pub(super) fn raise(&self) {
        if !self.pending.swap(true, Ordering::Relaxed) {
            self.demand_changed.notify_one();
        }
    }

    /// Clears the request, because a keyframe arrived.
    pub(super) fn fulfil(&self) {
        self.pending.store(false, Ordering::Relaxed);
    }

    /// Takes the request; false if there is none. A request that comes too soon after the last one stays pending.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let last = Timestamp::from_micros(self.asked_at.load(Ordering::Relaxed));
        if !self.pending.load(Ordering::Relaxed) || now.since(last) < MIN_INTERVAL {
            return false;
        }
        self.asked_at.store(now.micros(), Ordering::Relaxed);
        self.pending.store(false, Ordering::Relaxed);
        true
    }
}
