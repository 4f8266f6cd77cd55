//! Whether another frame would reach the viewer soon, or only lengthen a queue on the way. No IO and no clock.
//!
//! `TCP_NOTSENT_LOWAT` bounds what the kernel holds unsent. It does not see what was sent and lies in a router: with a
//! loss-based congestion control (cubic) a queue of a second fills up, and every picture is a second old. What gives it
//! away is that bytes are acknowledged later than the link's own round trip takes. Then the next frame waits until what
//! is under way is down to what the link itself holds.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::socket::STALL_TIMEOUT;

/// A round trip that is longer than the shortest by this much has met a queue. Above the 40 ms for which Linux may
/// delay an acknowledgement (`TCP_DELACK_MIN`).
const TOLERATED: Duration = Duration::from_millis(60);
/// So few bytes under way are no queue: a frame's last segments, for which an acknowledgement may be delayed.
const LITTLE: u64 = 16 * 1024;
/// A connection without a queue is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// One with a queue counts as free of it after this long without.
const RECOVERY: Duration = Duration::from_secs(2);
/// While a frame waits, the queue is looked at no sooner and no later than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_millis(40);
/// The rate is averaged over about this time.
const RATE_OVER: Duration = Duration::from_millis(300);
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
    /// The round trip, smoothed.
    pub rtt: Duration,
    /// The shortest one of late.
    pub min_rtt: Duration,
    /// Since the last acknowledgement.
    pub silent: Duration,
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
pub struct Headroom {
    last: Option<(Timestamp, Reading)>,
    /// Bytes a second while there was a queue; 0 while unknown.
    rate: f64,
    /// When a queue was seen last.
    queue_seen: Option<Timestamp>,
    /// When bytes were acknowledged last, while some waited.
    progress: Timestamp,
}

impl Headroom {
    /// Whether a reading is needed to know more. A connection that keeps up is seldom looked at.
    pub fn wants_reading(&self, now: Timestamp) -> bool {
        self.has_queue() || self.last.is_none_or(|(at, _)| now.since(at) >= LOOK_EVERY)
    }

    /// Whether the connection has or lately had a queue.
    pub fn has_queue(&self) -> bool {
        self.queue_seen.is_some()
    }

    /// The shortest round trip of late; zero while unknown.
    pub fn distance(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |(_, reading)| reading.min_rtt)
    }

    /// Something else gave away that the connection does not keep up.
    pub fn suspect(&mut self, now: Timestamp) {
        self.queue_seen = Some(now);
    }

    /// Takes in a reading of now, and says whether there is room for a frame.
    pub fn take(&mut self, now: Timestamp, reading: Reading) -> Room {
        self.measure(now, &reading);
        let own = (self.rate * GAIN * reading.min_rtt.as_secs_f64()) as u64;
        let room = own.max(LITTLE);
        let late = reading.rtt.max(reading.silent) > reading.min_rtt + TOLERATED;
        if !late || reading.queued <= room {
            if self.queue_seen.is_some_and(|seen| !late && now.since(seen) > RECOVERY) {
                self.queue_seen = None;
            }
            return Room::Now;
        }
        self.queue_seen = Some(now);
        if now.since(self.progress) > STALL_TIMEOUT {
            return Room::Stalled;
        }
        let drained = match self.rate {
            0.0 => LONGEST_WAIT,
            rate => Duration::from_secs_f64((reading.queued - room) as f64 / rate),
        };
        Room::At(now + drained.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn measure(&mut self, now: Timestamp, reading: &Reading) {
        let before = self.last.replace((now, *reading));
        let Some((then, before)) = before else {
            self.progress = now;
            return;
        };
        let acked = reading.acked.saturating_sub(before.acked);
        if acked > 0 || before.queued == 0 {
            self.progress = now;
        }
        let elapsed = now.since(then);
        // Where the queue ran empty meanwhile, what came through says what was sent and not what the link can do.
        if elapsed.is_zero() || before.queued == 0 || reading.queued == 0 {
            return;
        }
        let rate = acked as f64 / elapsed.as_secs_f64();
        let weight = (elapsed.as_secs_f64() / RATE_OVER.as_secs_f64()).min(1.0);
        self.rate = if self.rate == 0.0 { rate } else { self.rate + (rate - self.rate) * weight };
    }
}
