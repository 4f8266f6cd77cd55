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
use crate::shortest::Shortest;

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
/// A receiver whose window was closed counts as one that reads slowly for this long.
const READS_SLOWLY: Duration = Duration::from_secs(30);
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
    /// Since when, and beyond how many acknowledged bytes, a frame is followed that met nothing on its way.
    probe: Option<(Timestamp, u64)>,
    /// How long such frames took to be acknowledged in part.
    shortest: Shortest,
    /// When a round trip was too long last.
    late_seen: Option<Timestamp>,
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

    /// The shortest round trip of late; zero while unknown. The kernel remembers its shortest for minutes, and a route
    /// may have become longer since; so what a frame takes that met nothing on its way counts as well.
    pub fn distance(&self) -> Duration {
        let kernel = self.last.map_or(Duration::ZERO, |(_, reading)| reading.min_rtt);
        // It is known only as exactly as the connection is looked at, so a little longer says nothing.
        let ours = self.shortest.known().filter(|ours| *ours > kernel + TOLERATED);
        ours.unwrap_or(kernel)
    }

    /// Bytes acknowledged so far, as far as it was looked at.
    pub fn acked(&self) -> u64 {
        self.last.map_or(0, |(_, reading)| reading.acked)
    }

    /// Something is sent, right after there was room for it.
    pub fn send(&mut self) {
        let Some((at, reading)) = self.last.filter(|_| self.has_queue()) else { return };
        if self.probe.is_none() && reading.queued <= LITTLE {
            self.probe = Some((at, reading.acked + reading.queued));
        }
    }

    /// Something else gave away that the connection does not keep up.
    pub fn suspect(&mut self, now: Timestamp) {
        self.queue_seen = Some(now);
    }

    /// Takes in a reading of now, and says whether there is room for a frame.
    pub fn take(&mut self, now: Timestamp, reading: Reading) -> Room {
        self.watch(now, &reading);
        let unread = self.unread(now, &reading);
        let distance = self.distance().as_secs_f64();
        let room = ((self.rate * GAIN * distance) as u64).max(LITTLE);
        let late = self.late_seen.is_some_and(|seen| now.since(seen) < LATE_FOR);
        let queue = late || reading.unsent > room || unread > LITTLE;
        // What lies unread is no part of what the link holds by itself.
        let too_much = reading.queued.saturating_sub(room).max(unread.saturating_sub(LITTLE));
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
        let drained = match self.rate {
            0.0 => LONGEST_WAIT,
            // A rate next to nothing makes a time that no duration holds.
            rate => Duration::try_from_secs_f64(too_much as f64 / rate).unwrap_or(LONGEST_WAIT),
        };
        Room::At(now + drained.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn watch(&mut self, now: Timestamp, reading: &Reading) {
        let before = self.last.replace((now, *reading));
        self.widest = self.widest.max(reading.window);
        let Some((then, before)) = before else {
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
        // Silence means something only while bytes were on their way all the time.
        let waited = before.queued > 0 && reading.acked == before.acked;
        let silent = if waited { reading.silent.min(now.since(then)) } else { Duration::ZERO };
        if reading.rtt.max(silent) > reading.min_rtt + TOLERATED {
            self.late_seen = Some(now);
        }
        self.shortest.forget(now);
        if let Some((sent_at, mark)) = self.probe
            && reading.acked > mark
        {
            self.shortest.note(now.since(sent_at), now);
            self.probe = None;
        }
    }

    /// Bytes that lie unread at the receiver: as many as its window lacked when it was heard of last, less what was read
    /// since. Only where sending had to wait for it: a receiver that keeps up does not tell of every byte it reads.
    fn unread(&self, now: Timestamp, reading: &Reading) -> u64 {
        if self.window_seen_closed.is_none_or(|seen| now.since(seen) > READS_SLOWLY) {
            return 0;
        }
        let read_since = (self.rate * reading.silent.as_secs_f64()) as u64;
        (self.widest - reading.window).saturating_sub(read_since)
    }

    /// From one frame's turn to the next one's, what is acknowledged is what came through.
    fn grant(&mut self, now: Timestamp, acked: u64) {
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::simulated::Connection;
    use super::*;

    const FRAME: u64 = 60_000;
    const INTERVAL: u64 = 33;
    const SECONDS: u64 = 20;
    const SETTLED: u64 = 5;

    #[derive(Debug)]
    struct Seen {
        fps: f64,
        /// Ages of frames when they were read whole, after the first seconds, sorted, in milliseconds.
        ages: Vec<u64>,
        /// Frames read whole in the last five seconds.
        at_the_end: u64,
        readings: u64,
        waits: u64,
        stalled: Option<u64>,
    }

    impl Seen {
        fn age(&self, share: f64) -> u64 {
            self.ages[(self.ages.len() as f64 * share) as usize]
        }
    }

    /// Watches a camera of 30 frames a second of 60 kB over a connection; the newest frame wins.
    fn watch(mut connection: Connection, change: impl Fn(u64, &mut Connection)) -> Seen {
        let mut headroom = Headroom::default();
        let mut seen =
            Seen { fps: 0.0, ages: vec![], at_the_end: 0, readings: 0, waits: 0, stalled: None };
        let (mut sent, mut until, mut written) = (None, 0, 0);
        let mut under_way: VecDeque<(u64, u64)> = VecDeque::new();
        for now in 0..SECONDS * 1000 {
            change(now, &mut connection);
            connection.pass(now);
            while under_way.front().is_some_and(|(end, _)| *end <= connection.read) {
                let (_, captured) = under_way.pop_front().unwrap();
                if now > SETTLED * 1000 {
                    seen.ages.push(now - captured);
                }
                seen.at_the_end += u64::from(now > (SECONDS - 5) * 1000);
            }
            let newest = now / INTERVAL;
            if sent == Some(newest) || now < until {
                continue;
            }
            let at = Timestamp::from_micros(now * 1000);
            if headroom.wants_reading(at) {
                seen.readings += 1;
                match headroom.take(at, connection.read_info(now)) {
                    Room::Now => {}
                    Room::At(then) => {
                        until = then.micros() / 1000;
                        seen.waits += u64::from(now > SETTLED * 1000);
                        continue;
                    }
                    Room::Stalled => {
                        seen.stalled = Some(now);
                        break;
                    }
                }
            }
            connection.unsent += FRAME;
            written += FRAME;
            headroom.send();
            sent = Some(newest);
            under_way.push_back((written, newest * INTERVAL));
        }
        seen.fps = seen.ages.len() as f64 / (SECONDS - SETTLED) as f64;
        seen.ages.sort_unstable();
        seen
    }

    fn steady(_: u64, _: &mut Connection) {}

    #[test]
    fn a_link_that_keeps_up_is_seldom_looked_at_and_never_waited_for() {
        let seen = watch(Connection::new(100, 1, true), steady);
        assert!(seen.fps > 29.5 && seen.waits == 0, "{seen:?}");
        let seldom = SECONDS * 1000 / LOOK_EVERY.as_millis() as u64 + 3000 / INTERVAL;
        assert!(seen.readings < seldom, "{}", seen.readings);
    }

    #[test]
    fn distance_is_no_queue() {
        let seen = watch(Connection::new(40, 200, true), steady);
        assert!(seen.fps > 29.5 && seen.waits == 0, "{} fps, {} waits", seen.fps, seen.waits);
    }

    #[test]
    fn a_queue_on_the_way_is_not_filled_and_the_link_not_left_idle() {
        for (fills, distance) in [(true, 1), (true, 40), (false, 1), (false, 40)] {
            // 4 Mbit/s carry 8.3 frames a second, each of which takes 120 ms.
            let seen = watch(Connection::new(4, distance, fills), steady);
            assert!(seen.fps > 6.5, "{fills} {distance}: {} fps", seen.fps);
            assert!(seen.age(0.95) < 250, "{fills} {distance}: {} ms", seen.age(0.95));
        }
    }

    #[test]
    fn a_program_that_reads_slowly_does_not_see_old_pictures() {
        let mut connection = Connection::new(1000, 1, true);
        connection.reads = 600;
        let seen = watch(connection, steady);
        assert!(seen.fps > 8.0, "{} fps", seen.fps);
        assert!(
            seen.age(0.5) < 350 && seen.age(0.99) < 800,
            "{} {}",
            seen.age(0.5),
            seen.age(0.99)
        );
    }

    #[test]
    fn a_link_that_is_well_again_carries_everything_again() {
        let change = |now: u64, connection: &mut Connection| {
            connection.carries = if (6_000..9_000).contains(&now) { 500 } else { 12_500 };
        };
        let seen = watch(Connection::new(100, 1, true), change);
        // 3 of the 15 seconds that count were slow.
        assert!(seen.fps > 30.0 * 12.0 / 15.0 - 1.0, "{} fps", seen.fps);
        // It takes a look to notice.
        assert!(seen.age(0.5) < 50 && seen.age(0.99) < 500, "{} {}", seen.age(0.5), seen.age(0.99));
    }

    #[test]
    fn a_tunnel_does_not_fill_up_with_pictures() {
        let change = |now: u64, connection: &mut Connection| {
            connection.carries = if (6_000..8_000).contains(&now) { 0 } else { 2_500 };
        };
        let seen = watch(Connection::new(20, 20, true), change);
        let old = seen.ages.iter().filter(|age| **age > 1000).count();
        assert!(old <= 15, "{old} pictures older than a second after two seconds of tunnel");
    }

    #[test]
    fn a_longer_route_is_taken_for_what_it_is_after_a_while() {
        let change = |now: u64, connection: &mut Connection| {
            // The kernel goes on telling the shortest round trip of minutes ago.
            connection.distance = if now < 500 { 20 } else { 200 };
        };
        let seen = watch(Connection::new(100, 20, true), change);
        assert!(
            seen.at_the_end > 145,
            "{} of 150 frames in the last five seconds",
            seen.at_the_end
        );
    }

    #[test]
    fn a_slow_camera_on_a_quick_link_leaves_no_trace_of_a_queue() {
        let (mut connection, mut headroom) = (Connection::new(100, 10, true), Headroom::default());
        for now in 0..10_000 {
            connection.pass(now);
            if now % 500 == 0 {
                let at = Timestamp::from_micros(now * 1000);
                assert_eq!(headroom.take(at, connection.read_info(now)), Room::Now);
                connection.unsent += FRAME;
            }
        }
        assert!(!headroom.has_queue());
    }

    #[test]
    fn many_frames_at_the_same_moment_all_go() {
        for fps in [10, 30] {
            let (mut connection, mut headroom) =
                (Connection::new(1000, 10, false), Headroom::default());
            let (mut waiting, mut until, mut late) = (0, 0, 0);
            for now in 0..20_000u64 {
                connection.pass(now);
                if now % (1000 / fps) == 0 {
                    // What did not go before the next ones came.
                    late += if now > 5_000 { waiting } else { 0 };
                    waiting = 16;
                }
                while waiting > 0 && now >= until {
                    let at = Timestamp::from_micros(now * 1000);
                    if let Room::At(then) = headroom.take(at, connection.read_info(now)) {
                        until = then.micros() / 1000;
                        break;
                    }
                    connection.unsent += FRAME;
                    headroom.send();
                    waiting -= 1;
                }
            }
            assert_eq!(late, 0, "{fps} fps");
        }
    }

    #[test]
    fn a_rate_next_to_nothing_is_no_harm() {
        let mut headroom = Headroom::default();
        let reading =
            |acked, queued| Reading { acked, queued, unsent: queued, ..Reading::default() };
        for n in 0..10_000u64 {
            let acked = n / 9_999;
            headroom.take(Timestamp::from_micros(n * 1_000_000), reading(acked, 0));
        }
        let room = headroom.take(Timestamp::from_micros(20_000_000_000), reading(1, 10_000_000));
        assert!(matches!(room, Room::At(_) | Room::Stalled), "{room:?}");
    }

    #[test]
    fn a_viewer_that_takes_nothing_is_given_up_after_the_stall_timeout() {
        let change = |now: u64, connection: &mut Connection| {
            if now > 3_000 {
                connection.reads = 0;
            }
        };
        let seen = watch(Connection::new(100, 1, true), change);
        let stalled = seen.stalled.expect("given up");
        let timeout = STALL_TIMEOUT.as_millis() as u64;
        assert!((3_000 + timeout..5_000 + timeout).contains(&stalled), "{stalled}");
    }
}
