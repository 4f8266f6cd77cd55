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
//! Either way the next frame waits until what is under way is down to what the link itself holds.

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
/// A receiver whose window was closed counts as one that reads slowly for this long.
const READS_SLOWLY: Duration = Duration::from_secs(30);
/// While a frame waits, the queue is looked at no sooner and no later than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_millis(40);
/// How much the latest frame counts in the average rate.
const WEIGHT: f64 = 0.3;
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
    /// When there was room last, and how much had been acknowledged by then.
    granted: Option<(Timestamp, u64)>,
    /// Bytes a second that came through; 0 while unknown.
    rate: f64,
    /// When a queue was seen last.
    queue_seen: Option<Timestamp>,
    /// When bytes were acknowledged last, while some waited.
    progress: Timestamp,
    /// The receiver's window at its widest.
    widest: u64,
    /// When sending last had to wait for it.
    window_seen_closed: Option<Timestamp>,
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
        self.watch(now, &reading);
        let unread = self.unread(now, &reading);
        let queued = reading.queued + unread;
        let own = (self.rate * GAIN * reading.min_rtt.as_secs_f64()) as u64;
        let room = own.max(LITTLE);
        let late = reading.rtt.max(reading.silent) > reading.min_rtt + TOLERATED;
        let queue = late || reading.unsent > LITTLE || unread > LITTLE;
        if !queue || queued <= room {
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
        let drained = match self.rate {
            0.0 => LONGEST_WAIT,
            rate => Duration::from_secs_f64((queued - room) as f64 / rate),
        };
        Room::At(now + drained.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn watch(&mut self, now: Timestamp, reading: &Reading) {
        let before = self.last.replace((now, *reading));
        self.widest = self.widest.max(reading.window);
        let Some((_, before)) = before else {
            self.progress = now;
            // Until it has shown otherwise.
            self.queue_seen = Some(now);
            return;
        };
        if reading.acked > before.acked || before.queued == 0 {
            self.progress = now;
        }
        if reading.closed > before.closed {
            self.window_seen_closed = Some(now);
        }
    }

    /// Bytes that lie unread at the receiver: as many as its window lacked when it was heard of last, less what was read
    /// since. Only where sending had to wait for it: a receiver that keeps up does not tell of every byte it reads.
    fn unread(&self, now: Timestamp, reading: &Reading) -> u64 {
        if self.window_seen_closed.is_none_or(|seen| now.since(seen) > READS_SLOWLY) {
            return 0;
        }
        let read_since = (self.rate * GAIN * reading.silent.as_secs_f64()) as u64;
        (self.widest - reading.window).saturating_sub(read_since)
    }

    /// From one frame's turn to the next one's, what is acknowledged is what came through.
    fn grant(&mut self, now: Timestamp, acked: u64) {
        let Some((then, before)) = self.granted.replace((now, acked)) else { return };
        let elapsed = now.since(then).as_secs_f64();
        if elapsed > 0.0 {
            let rate = acked.saturating_sub(before) as f64 / elapsed;
            self.rate =
                if self.rate == 0.0 { rate } else { self.rate + (rate - self.rate) * WEIGHT };
        }
    }
}
