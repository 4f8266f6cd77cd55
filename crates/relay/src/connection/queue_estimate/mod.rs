//! An estimate of the queues between the relay and a viewer: whether another frame would arrive soon, or only lengthen
//! a queue. No IO and no clock.
//!
//! `TCP_NOTSENT_LOWAT` bounds what the kernel holds unsent. Sent bytes can queue in two further places:
//!
//! - a router: with loss-based congestion control (cubic) its queue fills up, and every frame arrives a second late.
//!   Bytes are then acknowledged later than after the link's own round trip;
//! - the receiver's kernel, if the program there reads slowly. Its window is then narrower than before by the unread
//!   bytes, and sending is limited by that window.
//!
//! In both cases the next frame is held until the bytes in flight are down to what the link itself holds. The first
//! queue is visible as long as bytes are in flight, and their acknowledgements end it. The second is an estimate that
//! only new data can correct, so it never holds a frame for longer than a stated time ([`unread`]).

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod unread;

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::socket::STALL_TIMEOUT;
use crate::recent_minimum::RecentMinimum;
use unread::UnreadEstimate;

/// A round trip longer than the shortest by more than this has met a queue. It is above the 40 ms for which Linux may
/// delay an acknowledgement (`TCP_DELACK_MIN`).
const TOLERATED: Duration = Duration::from_millis(60);
/// One long round trip counts for this long. The smoothed round trip oscillates: it is short if a frame's first bytes
/// met an empty queue, which its last bytes then fill.
const LATE_FOR: Duration = Duration::from_millis(500);
/// Up to this many bytes in flight are no queue: a frame's last segments, whose acknowledgement may be delayed.
const LITTLE: u64 = 16 * 1024;
/// Interval of readings on a connection without a queue.
const READ_EVERY: Duration = Duration::from_millis(250);
/// A connection counts as free of a queue after this long without one.
const RECOVERY: Duration = Duration::from_secs(2);
/// One part in this many of a frame may be unread when the next frame is sent. Without it, a read rate that was
/// measured too low would keep itself too low.
const UNREAD_PART: u64 = 4;
/// A link that lost segments counts as lossy for this long. At a loss of 2 % and 20 segments a frame, every third frame
/// loses one.
const LOSSY_FOR: Duration = Duration::from_secs(5);
/// Shortest and longest time between two readings while a frame is held.
const MIN_HOLD: Duration = Duration::from_millis(4);
const MAX_HOLD: Duration = Duration::from_millis(40);
/// Weight of the latest measurement in the average rate, and the shortest time that a measurement takes.
const WEIGHT: f64 = 0.3;
const MIN_MEASUREMENT: Duration = Duration::from_millis(20);
/// The link itself is assumed to hold this much more than measured. Without it, a rate that was measured too low would
/// keep itself too low.
const GAIN: f64 = 1.5;

/// The kernel's view of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpReading {
    /// Bytes acknowledged so far.
    pub acked: u64,
    /// Bytes that the kernel holds: unsent, or sent and not acknowledged.
    pub queued: u64,
    /// The unsent part of [`Self::queued`].
    pub unsent: u64,
    /// The smoothed round trip.
    pub rtt: Duration,
    /// The shortest recent round trip.
    pub min_rtt: Duration,
    /// Time since the last acknowledgement.
    pub since_ack: Duration,
    /// Bytes that the receiver offered to accept in that acknowledgement; 0 if the kernel does not report it.
    pub receive_window: u64,
    /// Total time for which that window limited sending.
    pub rwnd_limited: Duration,
    /// Segments retransmitted so far.
    pub retransmits: u64,
}

/// The decision whether another frame may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendDecision {
    /// Send it now.
    Send,
    /// Hold it, and take another reading at this moment.
    RetryAt(Timestamp),
    /// Give the connection up: the viewer has read nothing for [`STALL_TIMEOUT`].
    Stalled,
}

/// The estimate for one connection.
#[derive(Debug, Default)]
pub struct QueueEstimator {
    last: Option<(Timestamp, TcpReading)>,
    /// The moment when a frame was last allowed, and the bytes acknowledged by then.
    allowed: Option<(Timestamp, u64)>,
    /// Delivery rate in bytes a second; 0 while unknown.
    rate: f64,
    /// A frame that met no queue: the moment when it was sent, and the acknowledged bytes beyond which it arrives.
    sample: Option<(Timestamp, u64)>,
    /// The shortest recent time until a part of such a frame was acknowledged.
    shortest: RecentMinimum,
    /// The moment when a round trip was last too long.
    late_at: Option<Timestamp>,
    /// The moment when a queue was last seen.
    queue_seen_at: Option<Timestamp>,
    /// The moment when bytes were last acknowledged while some were waiting.
    progress_at: Timestamp,
    /// The moment when segments were last retransmitted.
    lost_at: Option<Timestamp>,
    unread: UnreadEstimate,
    /// The moment since which only unread bytes have held a frame.
    held_since: Option<Timestamp>,
    /// Bytes of a frame, decaying slowly from the largest recent frame.
    frame: u64,
}

impl QueueEstimator {
    /// Returns whether a reading is needed to decide. A connection that keeps up is rarely read.
    pub fn needs_reading(&self, now: Timestamp) -> bool {
        self.has_queue() || self.last.is_none_or(|(at, _)| now.since(at) >= READ_EVERY)
    }

    /// Returns whether the connection has or recently had a queue.
    pub fn has_queue(&self) -> bool {
        self.queue_seen_at.is_some()
    }

    /// Returns the shortest recent round trip; zero while unknown. The kernel remembers its minimum for minutes
    /// although the route may have become longer, so the time that a frame took without meeting a queue counts as well.
    pub fn min_rtt(&self) -> Duration {
        let kernel = self.last.map_or(Duration::ZERO, |(_, reading)| reading.min_rtt);
        // Our measurement is only as exact as the readings are frequent, so a small excess means nothing.
        let ours = self.shortest.known().filter(|ours| *ours > kernel + TOLERATED);
        ours.unwrap_or(kernel)
    }

    /// Returns whether the connection has recently lost segments, so that frames may be late without any queue.
    pub fn is_lossy(&self, now: Timestamp) -> bool {
        self.lost_at.is_some_and(|at| now.since(at) < LOSSY_FOR)
    }

    /// Returns whether sending was recently limited by the receiver rather than by the network.
    pub fn is_receiver_limited(&self, now: Timestamp) -> bool {
        self.unread.is_limiting(now)
    }

    /// Returns the bytes acknowledged as of the last reading.
    pub fn acked(&self) -> u64 {
        self.last.map_or(0, |(_, reading)| reading.acked)
    }

    /// Returns whether nothing is in flight that could still bring an answer, and no proof of unread bytes exists. Only
    /// the estimate of unread bytes can then have held the last frame.
    pub fn is_idle(&self) -> bool {
        self.last.is_none_or(|(_, reading)| reading.queued == 0) && !self.unread.is_proven()
    }

    /// Notes that this many bytes are sent, right after they were allowed.
    pub fn note_sent(&mut self, bytes: usize) {
        self.frame = (self.frame - self.frame / 8).max(bytes as u64);
        let Some((at, reading)) = self.last.filter(|_| self.has_queue()) else { return };
        if self.sample.is_none() && reading.queued <= LITTLE {
            self.sample = Some((at, reading.acked + reading.queued));
        }
    }

    /// Notes that a write had to wait: the connection does not keep up.
    pub fn note_backpressure(&mut self, now: Timestamp) {
        self.queue_seen_at = Some(now);
    }

    /// Takes a reading of now, and decides whether a frame may be sent.
    pub fn update(&mut self, now: Timestamp, reading: TcpReading) -> SendDecision {
        self.observe(now, &reading);
        let unread = self.unread.bytes(now, &reading, self.rate);
        let margin = LITTLE.max(self.frame / UNREAD_PART);
        let min_rtt = self.min_rtt().as_secs_f64();
        // The bytes that the link holds by itself.
        let capacity = ((self.rate * GAIN * min_rtt) as u64).max(LITTLE);
        let late = self.late_at.is_some_and(|at| now.since(at) < LATE_FOR);
        let queue = late || reading.unsent > capacity || unread > margin;
        // Unread bytes are not part of what the link holds.
        let in_flight = reading.queued.saturating_sub(capacity);
        let excess = in_flight.max(unread.saturating_sub(margin));
        if !queue || excess == 0 {
            if self.queue_seen_at.is_some_and(|seen| !queue && now.since(seen) > RECOVERY) {
                self.queue_seen_at = None;
            }
            self.allow(now, reading.acked);
            return SendDecision::Send;
        }
        self.queue_seen_at = Some(now);
        if now.since(self.progress_at) > STALL_TIMEOUT {
            return SendDecision::Stalled;
        }
        let next_reading = now + self.drains_in(excess);
        if in_flight > 0 {
            self.held_since = None;
            return SendDecision::RetryAt(next_reading);
        }
        let until = *self.held_since.get_or_insert(now) + self.unread.hold(now, &reading);
        if now < until {
            return SendDecision::RetryAt(next_reading.min(until));
        }
        self.unread.note_sent(&reading);
        self.allow(now, reading.acked);
        SendDecision::Send
    }

    /// Returns the time until this many bytes have drained, within the bounds of the time between two readings.
    fn drains_in(&self, bytes: u64) -> Duration {
        let drained = match self.rate {
            0.0 => MAX_HOLD,
            // A rate close to zero yields a time that no duration can hold.
            rate => Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(MAX_HOLD),
        };
        drained.clamp(MIN_HOLD, MAX_HOLD)
    }

    fn observe(&mut self, now: Timestamp, reading: &TcpReading) {
        let before = self.last.replace((now, *reading));
        self.unread.observe(now, reading);
        let Some((then, before)) = before else {
            self.progress_at = now;
            // A new connection is assumed to have a queue until it has shown otherwise.
            self.queue_seen_at = Some(now);
            return;
        };
        if reading.acked > before.acked || before.queued == 0 {
            self.progress_at = now;
        }
        if reading.retransmits > before.retransmits {
            self.lost_at = Some(now);
        }
        // The time since the last acknowledgement means something only if bytes were in flight all the time.
        let waited = before.queued > 0 && reading.acked == before.acked;
        let unanswered =
            if waited { reading.since_ack.min(now.since(then)) } else { Duration::ZERO };
        if reading.rtt.max(unanswered) > reading.min_rtt + TOLERATED {
            self.late_at = Some(now);
        }
        self.shortest.expire(now);
        if let Some((sent_at, mark)) = self.sample
            && reading.acked > mark
        {
            // A late reading would make the round trip look long.
            if now.since(then) <= TOLERATED {
                self.shortest.note(now.since(sent_at), now);
            }
            self.sample = None;
        }
    }

    /// Allows a frame. The bytes acknowledged between two allowed frames give the delivery rate.
    fn allow(&mut self, now: Timestamp, acked: u64) {
        self.held_since = None;
        let Some((then, before)) = self.allowed else {
            self.allowed = Some((now, acked));
            return;
        };
        // Many frames may be sent at the same moment, before any of them can be acknowledged.
        let elapsed = now.since(then);
        if elapsed < MIN_MEASUREMENT.max(self.min_rtt()) {
            return;
        }
        self.allowed = Some((now, acked));
        let delivered = acked.saturating_sub(before);
        if delivered > 0 {
            let rate = delivered as f64 / elapsed.as_secs_f64();
            self.rate =
                if self.rate == 0.0 { rate } else { self.rate + (rate - self.rate) * WEIGHT };
        }
    }
}
