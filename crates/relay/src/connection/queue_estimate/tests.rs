//! A camera of 30 frames a second over a simulated connection.

use std::collections::VecDeque;

use super::*;
use crate::connection::simulated::Connection;

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
    let mut queue_estimate = QueueEstimator::default();
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
        if queue_estimate.wants_reading(at) {
            seen.readings += 1;
            match queue_estimate.take(at, connection.read_info(now)) {
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
        queue_estimate.send(FRAME as usize);
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
    assert!(seen.age(0.5) < 350 && seen.age(0.99) < 800, "{} {}", seen.age(0.5), seen.age(0.99));
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
    assert!(seen.at_the_end > 145, "{} of 150 frames in the last five seconds", seen.at_the_end);
}

#[test]
fn a_slow_camera_on_a_quick_link_leaves_no_trace_of_a_queue() {
    let (mut connection, mut queue_estimate) =
        (Connection::new(100, 10, true), QueueEstimator::default());
    for now in 0..10_000 {
        connection.pass(now);
        if now % 500 == 0 {
            let at = Timestamp::from_micros(now * 1000);
            assert_eq!(queue_estimate.take(at, connection.read_info(now)), Room::Now);
            connection.unsent += FRAME;
        }
    }
    assert!(!queue_estimate.has_queue());
}

#[test]
fn many_frames_at_the_same_moment_all_go() {
    for fps in [10, 30] {
        let (mut connection, mut queue_estimate) =
            (Connection::new(1000, 10, false), QueueEstimator::default());
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
                if let Room::At(then) = queue_estimate.take(at, connection.read_info(now)) {
                    until = then.micros() / 1000;
                    break;
                }
                connection.unsent += FRAME;
                queue_estimate.send(FRAME as usize);
                waiting -= 1;
            }
        }
        assert_eq!(late, 0, "{fps} fps");
    }
}

#[test]
fn a_rate_next_to_nothing_is_no_harm() {
    let mut queue_estimate = QueueEstimator::default();
    let reading = |acked, queued| Reading { acked, queued, unsent: queued, ..Reading::default() };
    for n in 0..10_000u64 {
        let acked = n / 9_999;
        queue_estimate.take(Timestamp::from_micros(n * 1_000_000), reading(acked, 0));
    }
    let room = queue_estimate.take(Timestamp::from_micros(20_000_000_000), reading(1, 10_000_000));
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
