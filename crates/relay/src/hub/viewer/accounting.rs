//! Counters of one viewer: frames sent, dropped and kept waiting, and the pace that [`SlowDetector`] judges.
//!
//! [`SlowDetector`]: super::slow_detector::SlowDetector

use std::ops::AddAssign;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::{LastFrame, Viewer};
use crate::hub::frame::Frame;
use crate::hub::ring::{Delivery, MAX_GOP};
use crate::stats::counters::SentFrame;
use crate::stats::labels::DropReason;

/// A pause of more than this without a frame, though there were newer ones, is a freeze: people see it.
const FREEZE: Duration = Duration::from_millis(200);

/// A wait for link or viewer that is counted: at 30 frames a second, the next frame has arrived by
/// then.
const LONG_WAIT: Duration = Duration::from_millis(35);

/// A frame of a GOP that waits longer than this was held up by more than a keyframe on a narrow link.
const FAR_BEHIND: Duration = Duration::from_millis(250);

/// Frames that a viewer was sent so far, and frames that it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendStats {
    /// Frames sent.
    pub sent: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Frames dropped because the link or the viewer was busy.
    pub dropped: u64,
    /// Frames that waited more than 35 ms because of that. Excludes frames of GOPs: a keyframe holds up the deltas after
    /// it on any link without plenty of spare bandwidth.
    pub waited: u64,
    /// Frames of GOPs that waited more than 35 ms.
    pub queued: u64,
    /// Frames of GOPs that waited more than 250 ms: more than a keyframe accounts for.
    pub far_behind: u64,
}

impl AddAssign for SendStats {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.waited += other.waited;
        self.queued += other.queued;
        self.far_behind += other.far_behind;
    }
}

impl Viewer {
    /// Returns the counters of this viewer. Frames that cannot be sent now, because the viewer waits for a keyframe,
    /// count as dropped.
    pub fn send_stats(&self, now: Timestamp) -> SendStats {
        let undecodable = match self.last_sent_at.is_some() && self.drop_reason.is_viewer_side() {
            true => self.cursor.undecodable(self.delivery_mode(), now),
            false => 0,
        };
        SendStats { dropped: self.stats.dropped + undecodable, ..self.stats }
    }

    /// Counts a frame that is sent, and the frames dropped before it.
    pub(super) fn record(&mut self, delivery: &Delivery, now: Timestamp) {
        let counters = self.stream.counters.of(self.transport);
        let frame = &delivery.frame;
        let age = now.since(frame.captured_at());
        let bytes = frame.payload.len();
        counters.record_sent(SentFrame { bytes, age, frames_behind: delivery.newer });
        let for_decoding_only = self.cursor.is_for_decoding_only(delivery, now);
        // The first frame of a late joiner may be of any age.
        if let Some(last_sent_at) = self.last_sent_at {
            if delivery.dropped > 0 {
                counters.record_dropped(self.drop_reason, delivery.dropped);
                if !self.rate_limit.is_set() && now.since(last_sent_at) > FREEZE {
                    counters.record_freeze();
                }
            }
            if !for_decoding_only {
                self.record_visible(delivery, now);
            } else if self.cursor.was_held_up() && self.drop_reason.is_viewer_side() {
                self.stats.far_behind += 1;
            }
        }
        self.stats.sent += 1;
        self.stats.bytes += bytes as u64;
        // A viewer that starts with an older GOP does not go back in time, because only the end of the GOP is shown. A
        // clock that was set back does go back.
        let earlier = self.last_frame.captured_at.since(delivery.frame.captured_at());
        let is_shown_later = self.has_deltas() && earlier <= MAX_GOP;
        let seen = if is_shown_later { self.last_frame.captured_at } else { Timestamp::default() };
        let captured_at = delivery.frame.captured_at().max(seen);
        self.last_frame = LastFrame { captured_at, pixels: pixels(&delivery.frame) };
        self.last_sent_at = Some(now);
        // A viewer that does not catch up is still held up by what made it fall behind.
        if !for_decoding_only {
            self.drop_reason = DropReason::Relay;
        }
    }

    /// Counts a frame that the viewer will show, and whether it waited long.
    fn record_visible(&mut self, delivery: &Delivery, now: Timestamp) {
        let frame = &delivery.frame;
        let waited = now.since(frame.received_at).saturating_sub(self.cursor.delay());
        let dropped = if self.rate_limit.is_set() { 0 } else { delivery.dropped };
        self.slow_detector.note(now, waited, dropped);
        if !self.drop_reason.is_viewer_side() {
            return;
        }
        let missed = self.rate_limit.due_between(self.last_frame.captured_at, frame.captured_at());
        self.stats.dropped += dropped.max(missed);
        if self.has_deltas() {
            self.stats.queued += u64::from(waited > LONG_WAIT);
            self.stats.far_behind += u64::from(waited > FAR_BEHIND);
        } else {
            self.stats.waited += u64::from(waited > LONG_WAIT);
        }
    }
}

pub(super) fn pixels(frame: &Frame) -> u64 {
    u64::from(frame.meta.width) * u64::from(frame.meta.height)
}
