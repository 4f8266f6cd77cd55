//! The ack window: a bound on the frames in flight to a viewer that acknowledges what it has shown. No clock: `now` is
//! passed in.
//!
//! Acknowledgements reveal what TCP hides: a proxy that buffers, a receiver that reads slowly, a tab that paints slowly.
//! As TCP's congestion window does, this window follows the shortest recent round trip. If frames are acknowledged in
//! about that time, no queue exists and the window may grow. If they take longer, there is a queue and the window
//! shrinks. A link with a round trip of 200 ms thus sustains the full rate with many frames in flight, and a tab that
//! paints 5 frames a second is sent 5.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::recent_minimum::RecentMinimum;

/// Initial size of the window, in frames.
const INITIAL: usize = 4;
/// Greatest size of the window: two seconds at 30 frames a second.
const MAX: usize = 64;
/// Time, besides a quarter of the shortest round trip, by which a frame may exceed that round trip without counting as
/// queued. A browser's garbage collection takes that long.
const TOLERATED: Duration = Duration::from_millis(40);
/// The same for H.264. A keyframe takes many times longer to transmit, and the deltas after it wait for it.
const TOLERATED_WITH_DELTAS: Duration = Duration::from_millis(200);
/// On a link that loses segments, all acknowledgements must be overdue for this long before they show a queue. A queue
/// persists. A lost segment delays only the frames in flight, about two at a time, and the next one is in time again.
const PERSISTS: Duration = Duration::from_millis(250);
/// Time after a queue for which the window does not grow.
const REST: Duration = Duration::from_secs(2);
/// Interval of frames to a viewer that acknowledges nothing. Its picture must not stop.
const UNACKED_INTERVAL: Duration = Duration::from_secs(1);

/// The ack window of one viewer.
#[derive(Debug)]
pub(super) struct AckWindow {
    size: usize,
    /// Frames in flight, oldest first: the sequence number, and the moment when the frame was sent.
    in_flight: VecDeque<(u64, Timestamp)>,
    /// Number of them, from the oldest, that belong to an earlier numbering.
    earlier: usize,
    shortest: RecentMinimum,
    /// True if the window held a frame since it last grew.
    held: bool,
    /// The moment since which each acknowledgement was overdue.
    overdue_since: Option<Timestamp>,
    /// True if deltas are sent.
    has_deltas: bool,
    /// The moment when a queue was last found.
    queue_at: Option<Timestamp>,
    last_sent: Timestamp,
}

impl Default for AckWindow {
    fn default() -> Self {
        Self {
            size: INITIAL,
            in_flight: VecDeque::new(),
            earlier: 0,
            shortest: RecentMinimum::default(),
            held: false,
            overdue_since: None,
            has_deltas: false,
            queue_at: None,
            last_sent: Timestamp::default(),
        }
    }
}

impl AckWindow {
    /// Returns when the next frame may be sent; `None` means now. `min_rtt` is the shortest round trip of the
    /// connection, which excludes the time to transmit and show a frame.
    pub(super) fn hold_until(&mut self, now: Timestamp, min_rtt: Duration) -> Option<Timestamp> {
        if !self.is_full() {
            return None;
        }
        self.held = true;
        let without_acks = self.last_sent + UNACKED_INTERVAL;
        let next = match self.in_flight.len() == self.size && self.overdue_since.is_none() {
            // At the best rate measured, the last frame has been transmitted by then. Its acknowledgement is in flight,
            // and waiting for it would leave the link idle.
            true => self.shortest.known().map_or(without_acks, |shortest| {
                without_acks
                    .min(self.last_sent + shortest.saturating_sub(min_rtt).max(TOLERATED / 2))
            }),
            false => without_acks,
        };
        (next > now).then_some(next)
    }

    /// Returns whether as many frames are in flight as the window allows.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.len() >= self.size
    }

    /// Returns whether a frame may be sent only because nothing was acknowledged for [`UNACKED_INTERVAL`]. No other
    /// frame may follow it.
    pub(super) fn is_without_acks(&self, now: Timestamp) -> bool {
        self.is_full() && now.since(self.last_sent) >= UNACKED_INTERVAL
    }

    /// Notes that a frame is sent.
    pub(super) fn note_sent(&mut self, sequence: u64, is_keyframe: bool, now: Timestamp) {
        self.has_deltas |= !is_keyframe;
        if self.in_flight.len() >= 2 * MAX {
            self.in_flight.pop_front();
            self.earlier = self.earlier.saturating_sub(1);
        }
        self.in_flight.push_back((sequence, now));
        self.last_sent = now;
    }

    /// Notes that the viewer has shown the frame with this sequence number, or a newer one. `lossy` says whether the
    /// link has recently lost segments.
    pub(super) fn acknowledge(&mut self, sequence: u64, now: Timestamp, lossy: bool) {
        let acked = self.acked_by(sequence);
        let Some((_, sent_at)) = self.in_flight.drain(..acked).next_back() else { return };
        let present = acked > self.earlier;
        self.earlier = self.earlier.saturating_sub(acked);
        if !present {
            return;
        }
        let took = now.since(sent_at);
        let shortest = self.shortest.note(took, now);
        let excess = if self.has_deltas { TOLERATED_WITH_DELTAS } else { TOLERATED };
        let tolerated = shortest + excess.max(shortest / 4);
        if took <= tolerated {
            self.overdue_since = None;
            if self.held {
                self.grow(now);
            }
            return;
        }
        let overdue_for = now.since(*self.overdue_since.get_or_insert(now));
        if !lossy || overdue_for >= PERSISTS {
            self.shrink(took, now);
        }
    }

    /// Returns how many of the frames in flight this acknowledgement covers. A number of an earlier numbering must not
    /// be taken for a present one or vice versa, so an exact match comes first.
    fn acked_by(&self, sequence: u64) -> usize {
        if let Some(at) = self.in_flight.iter().position(|(sent, _)| *sent == sequence) {
            return at + 1;
        }
        let present = self.in_flight.iter().skip(self.earlier);
        match present.take_while(|(sent, _)| *sent <= sequence).count() {
            0 => 0,
            count => self.earlier + count,
        }
    }

    /// Starts a new numbering, perhaps with frames of another size, whose round trip is unknown. Frames in flight can
    /// still be acknowledged, by themselves or with later ones.
    pub(super) fn restart(&mut self) {
        self.earlier = self.in_flight.len();
        self.shortest = RecentMinimum::default();
        (self.overdue_since, self.has_deltas) = (None, false);
    }

    /// Shrinks the window, at most once a round trip so that one queue does not count twice.
    fn shrink(&mut self, took: Duration, now: Timestamp) {
        if self.queue_at.is_none_or(|at| now.since(at) > took) {
            self.size = (self.size - self.size.div_ceil(4)).max(1);
            self.queue_at = Some(now);
        }
    }

    /// Grows the window by one: for each acknowledgement until the first queue, and every [`REST`] after it.
    fn grow(&mut self, now: Timestamp) {
        let rested = self.queue_at.is_none_or(|at| now.since(at) > REST);
        if rested && self.size < MAX {
            self.size += 1;
            self.held = false;
            if let Some(at) = &mut self.queue_at {
                *at = now;
            }
        }
    }
}

#[cfg(test)]
mod tests;
