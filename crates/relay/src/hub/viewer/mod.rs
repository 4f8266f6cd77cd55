//! One subscription: a viewer's cursor, and which frame it is sent next.
//!
//! - `switch`: the change to another track of the same stream;
//! - `accounting`: counters of what was sent and dropped;
//! - [`slow_detector`]: whether the viewer keeps up.

mod accounting;
pub mod slow_detector;
mod switch;

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::rate::RateLimit;
use fanlight_protocol::{Timestamp, TrackName};

use crate::hub::cursor::Cursor;
use crate::hub::frame::Frame;
use crate::hub::ring::{DeliveryMode, NextFrame};
use crate::hub::stream::Stream;
use crate::hub::track::Track;
use crate::stats::counters::TransportCounters;
use crate::stats::labels::{CloseReason, DropReason, Transport};
use crate::wake::Waker;
pub use accounting::SendStats;
use slow_detector::SlowDetector;
use switch::PendingSwitch;

/// A missed send deadline is reported for this long.
const OVERDUE_REPORTED_FOR: Duration = Duration::from_secs(3);

/// Shortest interval between keyframe requests for one viewer whose decoder fails. All viewers of the track receive
/// these keyframes, so one broken decoder must not request them in a row.
const DECODE_FAILURE_INTERVAL: Duration = Duration::from_secs(5);

/// The next step for a viewer.
#[derive(Debug)]
pub enum NextSend {
    /// A frame to send now.
    Frame {
        /// The frame.
        frame: Arc<Frame>,
        /// True if there are newer frames already.
        has_newer: bool,
    },
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing until the viewer's waker is woken.
    Nothing,
}

/// The frame rate and the delay that a viewer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ViewOptions {
    /// Most frames a second; every frame if absent.
    pub max_fps: Option<f64>,
    /// Time between a frame's arrival and its sending; zero for the newest frame. At most
    /// [`MAX_BUFFER`](super::ring::MAX_BUFFER).
    pub delay: Duration,
}

/// One subscription: an active cursor on a track of a stream.
#[derive(Debug)]
pub struct Viewer {
    stream: Arc<Stream>,
    cursor: Cursor,
    /// A cursor on another track, until the viewer can continue there.
    pending_switch: Option<Box<PendingSwitch>>,
    transport: Transport,
    slow_detector: SlowDetector,
    rate_limit: RateLimit,
    /// The time at which the viewer joined its stream.
    since: Timestamp,
    last_sent_at: Option<Timestamp>,
    last_frame: LastFrame,
    /// The cause of the wait since the last frame. Dropped frames are counted under it.
    drop_reason: DropReason,
    stats: SendStats,
    /// Changes to another track so far.
    switches: u32,
    /// The time of the last keyframe request for this viewer's failed decoder.
    decode_failed_at: Option<Timestamp>,
    overdue_at: Option<Timestamp>,
}

/// The last frame that was sent.
#[derive(Debug, Clone, Copy, Default)]
struct LastFrame {
    /// The newest capture time that the viewer has seen.
    captured_at: Timestamp,
    pixels: u64,
}

impl Viewer {
    /// Subscribes to a track. `waker` is woken when a frame arrives or the stream's status changes.
    pub fn watch(
        stream: &Arc<Stream>,
        track: &TrackName,
        transport: Transport,
        options: ViewOptions,
        waker: Waker,
        now: Timestamp,
    ) -> Self {
        let cursor = stream.open_cursor(track, waker, options.delay).activate();
        if !cursor.track().has_entry_point() {
            cursor.track().request_keyframe();
        }
        stream.counters.of(transport).join();
        Self {
            stream: stream.clone(),
            cursor,
            pending_switch: None,
            transport,
            slow_detector: SlowDetector::default(),
            rate_limit: RateLimit::new(options.max_fps),
            since: now,
            last_sent_at: None,
            last_frame: LastFrame::default(),
            drop_reason: DropReason::Relay,
            stats: SendStats::default(),
            switches: 0,
            decode_failed_at: None,
            overdue_at: None,
        }
    }

    /// Returns the stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Returns the track that the viewer is sent.
    pub fn track(&self) -> &Arc<Track> {
        self.cursor.track()
    }

    /// Returns whether the viewer is sent deltas.
    pub fn has_deltas(&self) -> bool {
        self.cursor.track().has_deltas()
    }

    /// Returns whether the next frames are sent to be decoded, not to be shown.
    pub fn is_catching_up(&self, now: Timestamp) -> bool {
        self.cursor.is_catching_up(now)
    }

    /// Returns whether the viewer has to catch up because it was held up, and not because it started with a held GOP.
    pub fn was_held_up(&self) -> bool {
        self.cursor.was_held_up()
    }

    /// Makes the viewer continue at a keyframe if it lags too far, without an attempt to catch up.
    pub fn abandon_backlog(&mut self, now: Timestamp) {
        let next = self.cursor.next_frame(self.delivery_mode(), now);
        if self.last_sent_at.is_some() && matches!(next, NextFrame::Nothing) {
            self.cursor.abandon_backlog();
        }
    }

    /// Reports that the viewer cannot decode what it was sent. It continues at a keyframe, which is requested.
    pub fn decode_failed(&mut self, now: Timestamp) {
        let track = self.cursor.track();
        if !track.has_deltas() {
            return;
        }
        if self.decode_failed_at.is_none_or(|at| now.since(at) >= DECODE_FAILURE_INTERVAL) {
            self.decode_failed_at = Some(now);
            track.request_keyframe();
        }
        self.cursor.require_keyframe();
        self.drop_reason = DropReason::Keyframe;
    }

    /// Returns how often the viewer changed to another track.
    pub fn switch_count(&self) -> u32 {
        self.switches
    }

    /// Returns the frame rate that the viewer asked for; `None` for every frame.
    pub fn max_fps(&self) -> Option<f64> {
        self.rate_limit.max_fps()
    }

    /// Returns when the last frame was sent.
    pub fn last_sent_at(&self) -> Option<Timestamp> {
        self.last_sent_at
    }

    /// Changes the frame rate and the delay.
    pub fn set_options(&mut self, options: ViewOptions) {
        self.rate_limit.set(options.max_fps);
        self.cursor.set_delay(options.delay);
        if let Some(next) = &mut self.pending_switch {
            next.cursor.set_delay(options.delay);
        }
    }

    /// Returns since when this viewer gets fewer frames than there are, because its link or machine is too slow.
    pub fn slow_since(&self) -> Option<Timestamp> {
        self.slow_detector.slow_since()
    }

    /// Returns whether a frame is due now that only the link can hold back.
    pub fn has_due_frame(&self, now: Timestamp) -> bool {
        let next = self.cursor.next_frame(self.delivery_mode(), now);
        let is_due = |frame: &Frame| self.rate_limit.is_due(frame.captured_at());
        matches!(next, NextFrame::Ready(delivery) if is_due(&delivery.frame))
            && !self.awaits_switch(now)
    }

    /// Records a fault of the relay: it held a due frame back for longer than promised.
    pub fn mark_overdue(&mut self, now: Timestamp) {
        self.overdue_at = Some(now);
        self.counters().record_overdue();
    }

    /// Returns when a frame was last sent after its send deadline, if that was a moment ago.
    pub fn overdue_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.overdue_at.filter(|at| now.since(*at) < OVERDUE_REPORTED_FOR)
    }

    /// Sets the cause of the current wait. Frames dropped from now on are counted under it.
    pub fn set_drop_reason(&mut self, reason: DropReason) {
        self.drop_reason = reason;
    }

    /// Returns what to send next, and counts it as sent and the frames before it as dropped.
    pub fn next(&mut self, now: Timestamp) -> NextSend {
        if self.pending_switch.is_some()
            && let Some(until) = self.try_switch(now)
        {
            return NextSend::At(until);
        }
        if self.awaits_switch(now) {
            return NextSend::Nothing;
        }
        loop {
            let delivery = match self.cursor.next_frame(self.delivery_mode(), now) {
                NextFrame::Ready(delivery) => delivery,
                NextFrame::At(due) => {
                    self.cursor.finish_catch_up();
                    return NextSend::At(due);
                }
                NextFrame::Nothing if self.cursor.try_catch_up(now) => continue,
                NextFrame::Nothing => return NextSend::Nothing,
            };
            if !self.rate_limit.admit(delivery.frame.captured_at()) {
                self.cursor.skip_to(delivery.next);
                self.counters().record_dropped(DropReason::MaxFps, delivery.dropped + 1);
                continue;
            }
            self.record(&delivery, now);
            self.cursor.advance(&delivery, now);
            return NextSend::Frame { has_newer: delivery.newer > 0, frame: delivery.frame };
        }
    }

    fn delivery_mode(&self) -> DeliveryMode {
        match self.last_sent_at {
            // A new viewer is sent a frame immediately, even if it asked for a delay.
            None => DeliveryMode::Newest,
            Some(_) if !self.cursor.delay().is_zero() => DeliveryMode::Delayed(self.cursor.delay()),
            Some(_) if self.is_slow_by_itself() => DeliveryMode::Newest,
            Some(_) => DeliveryMode::InOrder,
        }
    }

    /// Returns whether the viewer is slow, and not because of this relay. Frames before the newest would only increase
    /// its frame age.
    fn is_slow_by_itself(&self) -> bool {
        self.slow_detector.slow_since().is_some() && self.drop_reason != DropReason::Relay
    }

    fn counters(&self) -> &TransportCounters {
        self.stream.counters.of(self.transport)
    }

    /// Counts the viewer's connection as closed.
    pub fn close(&self, reason: CloseReason) {
        self.counters().record_closed(reason);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.counters().leave();
    }
}

#[cfg(test)]
mod gops;
#[cfg(test)]
mod tests;
