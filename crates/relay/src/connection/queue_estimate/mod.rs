//! Whether another frame would reach the viewer soon, or only lengthen a queue on the way. No IO and no clock.
//!
//! `TCP_NOTSENT_LOWAT` bounds what the kernel holds unsent. It does not see what was sent and lies somewhere on the way,
//! and there are two such places:
//!
//! - a router: with a loss-based congestion control (cubic) its queue fills up, and every picture is a second old. Bytes
//!   are then acknowledged later than the link's own round trip takes;
//! - the receiver's kernel, when the program there reads slowly. Its window is then narrower than it has been, by what
//!   lies there unread, and sending has to wait for it.
//!
//! Either way the next frame waits until what is under way is down to what the link itself holds. The first is seen as long
//! as bytes are in flight, which their acknowledgements end. The second is an estimate that only new data can correct, so
//! it never holds a frame back for longer than a stated time ([`unread`]).

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod unread;

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::socket::STALL_TIMEOUT;
use crate::recent_minimum::RecentMinimum;
use unread::Unread;

/// A round trip that is longer than the shortest by this much has met a queue. Above the 40 ms for which Linux may
/// delay an acknowledgement (`TCP_DELACK_MIN`).
const TOLERATED: Duration = Duration::from_millis(60);
/// The smoothed round trip swings: short where a frame's first bytes met an empty queue that its last ones then fill. One
/// long round trip counts for this long.
const LATE_FOR: Duration = Duration::from_millis(500);
/// So few bytes under way are no queue: a frame's last segments, for which an acknowledgement may be delayed.
const LITTLE: u64 = 16 * 1024;
/// A connection without a queue is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// One with a queue counts as free of it after this long without.
const RECOVERY: Duration = Duration::from_secs(2);
/// This part of a frame may lie unread when the next one is sent: a reading rate that was measured too low would else keep
/// itself too low.
const UNREAD_PART: u64 = 4;
/// A link that lost segments counts as lossy for this long: at 2 % of 20 segments a frame, every third frame loses one.
const LOSSY_FOR: Duration = Duration::from_secs(5);
/// While a frame waits, the queue is looked at no sooner and no later than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_millis(40);
/// How much the latest measurement counts in the average rate, and how long one takes at least.
const WEIGHT: f64 = 0.3;
const SHORTEST_MEASURE: Duration = Duration::from_millis(20);
/// What the link holds by itself is taken to be this much more than what was measured, or a rate measured too low
/// would keep itself too low.
const GAIN: f64 = 1.5;

/// What the kernel says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Bytes acknowledged so far.
    pub acked: u64,
    /// Bytes handed to the kernel and not acknowledged: unsent, or under way.
    pub queued: u64,
    /// Those of them that are not sent yet.
    pub unsent: u64,
    /// The round trip, smoothed.
    pub rtt: Duration,
    /// The shortest one of late.
    pub min_rtt: Duration,
    /// Since the last acknowledgement.
    pub silent: Duration,
    /// Bytes that the receiver is ready to take, as it said then; 0 where the kernel does not tell.
    pub window: u64,
    /// For how long in all sending had to wait for that window.
    pub closed: Duration,
    /// Segments sent again so far.
    pub retransmits: u64,
}

/// Whether there is room for another frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Now,
    /// Look again then.
    At(Timestamp),
    /// The viewer has taken nothing for [`STALL_TIMEOUT`].
    Stalled,
}

/// What is known of a connection's queue.
#[derive(Debug, Default)]
pub struct QueueEstimator {
    last: Option<(Timestamp, Reading)>,
    /// The moment when there was room last, and how much had been acknowledged by then.
    granted: Option<(Timestamp, u64)>,
    /// Bytes a second that came through; 0 while unknown.
    rate: f64,
    /// Since when, and beyond how many acknowledged bytes, a frame is followed that met nothing on its way.
    probe: Option<(Timestamp, u64)>,
    /// The shortest recent time until such a frame was acknowledged in part.
    shortest: RecentMinimum,
    /// The moment when a round trip was too long last.
    late_seen: Option<Timestamp>,
    /// The moment when a queue was seen last.
    queue_seen: Option<Timestamp>,
    /// The moment when bytes were acknowledged last, while some waited.
    progress: Timestamp,
    /// The moment when segments were sent again last.
    lost_at: Option<Timestamp>,
    unread: Unread,
    /// Since when nothing but unread bytes has held a frame back.
    held_since: Option<Timestamp>,
    /// Bytes of a frame, decaying slowly from the largest recent one.
    frame: u64,
}

impl QueueEstimator {
    /// Whether a reading is needed to know more. A connection that keeps up is seldom looked at.
    pub fn wants_reading(&self, now: Timestamp) -> bool {
        self.has_queue() || self.last.is_none_or(|(at, _)| now.since(at) >= LOOK_EVERY)
    }

    /// Whether the connection has or lately had a queue.
    pub fn has_queue(&self) -> bool {
        self.queue_seen.is_some()
    }

    /// The shortest round trip of late; zero while unknown. The kernel remembers its shortest for minutes, and a route
    /// may have become longer since; so what a frame takes that met nothing on its way counts as well.
    pub fn distance(&self) -> Duration {
        let kernel = self.last.map_or(Duration::ZERO, |(_, reading)| reading.min_rtt);
        // It is known only as exactly as the connection is looked at, so a little longer says nothing.
        let ours = self.shortest.known().filter(|ours| *ours > kernel + TOLERATED);
        ours.unwrap_or(kernel)
    }

    /// Whether the connection has recently lost segments, so that frames may be late without any queue.
    pub fn is_lossy(&self, now: Timestamp) -> bool {
        self.lost_at.is_some_and(|at| now.since(at) < LOSSY_FOR)
    }

    /// Whether sending has recently waited for the receiver rather than for the network.
    pub fn waited_for_receiver(&self, now: Timestamp) -> bool {
        self.unread.was_waited_for(now)
    }

    /// Bytes acknowledged so far, as far as it was looked at.
    pub fn acked(&self) -> u64 {
        self.last.map_or(0, |(_, reading)| reading.acked)
    }

    /// Whether nothing but the estimate of unread bytes held the last frame back, and nothing proves it: nothing is in
    /// flight that could still bring an answer.
    pub fn is_idle(&self) -> bool {
        self.last.is_none_or(|(_, reading)| reading.queued == 0) && !self.unread.is_proven()
    }

    /// Something of this many bytes is sent, right after there was room for it.
    pub fn send(&mut self, bytes: usize) {
        self.frame = (self.frame - self.frame / 8).max(bytes as u64);
        let Some((at, reading)) = self.last.filter(|_| self.has_queue()) else { return };
        if self.probe.is_none() && reading.queued <= LITTLE {
            self.probe = Some((at, reading.acked + reading.queued));
        }
    }

    /// Something else gave away that the connection does not keep up.
    pub fn suspect(&mut self, now: Timestamp) {
        self.queue_seen = Some(now);
    }

    /// Takes in a reading of now, and returns whether there is room for a frame.
    pub fn take(&mut self, now: Timestamp, reading: Reading) -> Room {
        self.watch(now, &reading);
        let unread = self.unread.bytes(now, &reading, self.rate);
        let margin = LITTLE.max(self.frame / UNREAD_PART);
        let distance = self.distance().as_secs_f64();
        let room = ((self.rate * GAIN * distance) as u64).max(LITTLE);
        let late = self.late_seen.is_some_and(|seen| now.since(seen) < LATE_FOR);
        let queue = late || reading.unsent > room || unread > margin;
        // Unread bytes are no part of what the link holds by itself.
        let in_flight = reading.queued.saturating_sub(room);
        let too_much = in_flight.max(unread.saturating_sub(margin));
        if !queue || too_much == 0 {
            if self.queue_seen.is_some_and(|seen| !queue && now.since(seen) > RECOVERY) {
                self.queue_seen = None;
            }
            self.grant(now, reading.acked);
            return Room::Now;
        }
        self.queue_seen = Some(now);
        if now.since(self.progress) > STALL_TIMEOUT {
            return Room::Stalled;
        }
        let look = now + self.drains_in(too_much);
        if in_flight > 0 {
            self.held_since = None;
            return Room::At(look);
        }
        let until = *self.held_since.get_or_insert(now) + self.unread.hold(now, &reading);
        if now < until {
            return Room::At(look.min(until));
        }
        self.unread.probe(&reading);
        self.grant(now, reading.acked);
        Room::Now
    }

    /// Returns how long it takes until this many bytes are gone; at most the time until the next look.
    fn drains_in(&self, bytes: u64) -> Duration {
        let drained = match self.rate {
            0.0 => LONGEST_WAIT,
            // A rate next to nothing makes a time that no duration holds.
            rate => Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(LONGEST_WAIT),
        };
        drained.clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    fn watch(&mut self, now: Timestamp, reading: &Reading) {
        let before = self.last.replace((now, *reading));
        self.unread.watch(now, reading);
        let Some((then, before)) = before else {
            self.progress = now;
            // Until it has shown otherwise.
            self.queue_seen = Some(now);
            return;
        };
        if reading.acked > before.acked || before.queued == 0 {
            self.progress = now;
        }
        if reading.retransmits > before.retransmits {
            self.lost_at = Some(now);
        }
        // Silence means something only while bytes were on their way all the time.
        let waited = before.queued > 0 && reading.acked == before.acked;
        let silent = if waited { reading.silent.min(now.since(then)) } else { Duration::ZERO };
        if reading.rtt.max(silent) > reading.min_rtt + TOLERATED {
            self.late_seen = Some(now);
        }
        self.shortest.expire(now);
        if let Some((sent_at, mark)) = self.probe
            && reading.acked > mark
        {
            // Seen late, it would pass for a long round trip.
            if now.since(then) <= TOLERATED {
                self.shortest.note(now.since(sent_at), now);
            }
            self.probe = None;
        }
    }

    /// From one frame's turn to the next one's, what is acknowledged is what came through.
    fn grant(&mut self, now: Timestamp, acked: u64) {
        self.held_since = None;
        let Some((then, before)) = self.granted else {
            self.granted = Some((now, acked));
            return;
        };
        // Many frames may go at the same moment, before any of them can be acknowledged.
        let elapsed = now.since(then);
        if elapsed < SHORTEST_MEASURE.max(self.distance()) {
            return;
        }
        self.granted = Some((now, acked));
        let came_through = acked.saturating_sub(before);
        if came_through > 0 {
            let rate = came_through as f64 / elapsed.as_secs_f64();
            self.rate =
                if self.rate == 0.0 { rate } else { self.rate + (rate - self.rate) * WEIGHT };
        }
    }
}
