//! A camera of 30 frames a second over a simulated connection.

use std::collections::VecDeque;

use super::*;
use crate::connection::simulated::SimulatedConnection;

const FRAME: u64 = 60_000;
const INTERVAL: u64 = 33;
const SECONDS: u64 = 20;
const SETTLED: u64 = 5;

#[derive(Debug)]
struct Playback {
    fps: f64,
    /// Ages in milliseconds of frames when they were read completely, after the first seconds, sorted.
    ages: Vec<u64>,
    /// Frames read completely in the last five seconds.
    at_the_end: u64,
    readings: u64,
    holds: u64,
    stalled: Option<u64>,
}

impl Playback {
    fn age(&self, share: f64) -> u64 {
        self.ages[(self.ages.len() as f64 * share) as usize]
    }
}

/// Watches a camera of 30 frames a second of 60 kB over a connection. A newer frame replaces a held one.
fn watch(
    connection: SimulatedConnection,
    change: impl Fn(u64, &mut SimulatedConnection),
) -> Playback {
    watch_frames(FRAME, connection, change)
}

/// The same with frames of this many bytes.
fn watch_frames(
    frame: u64,
    mut connection: SimulatedConnection,
    change: impl Fn(u64, &mut SimulatedConnection),
) -> Playback {
    let mut queue_estimate = QueueEstimator::default();
    let mut playback =
        Playback { fps: 0.0, ages: vec![], at_the_end: 0, readings: 0, holds: 0, stalled: None };
    let (mut sent, mut until, mut written) = (None, 0, 0);
    let mut in_flight: VecDeque<(u64, u64)> = VecDeque::new();
    for now in 0..SECONDS * 1000 {
        change(now, &mut connection);
        connection.tick(now);
        while in_flight.front().is_some_and(|(end, _)| *end <= connection.read) {
            let (_, captured) = in_flight.pop_front().unwrap();
            if now > SETTLED * 1000 {
                playback.ages.push(now - captured);
            }
            playback.at_the_end += u64::from(now > (SECONDS - 5) * 1000);
        }
        let newest = now / INTERVAL;
        if sent == Some(newest) || now < until {
            continue;
        }
        let at = Timestamp::from_micros(now * 1000);
        if queue_estimate.needs_reading(at) {
            playback.readings += 1;
            match queue_estimate.update(at, connection.reading(now)) {
                SendDecision::Send => {}
                SendDecision::RetryAt(then) => {
                    until = then.micros() / 1000;
                    playback.holds += u64::from(now > SETTLED * 1000);
                    continue;
                }
                SendDecision::Stalled => {
                    playback.stalled = Some(now);
                    break;
                }
            }
        }
        connection.unsent += frame;
        written += frame;
        queue_estimate.note_sent(frame as usize);
        sent = Some(newest);
        in_flight.push_back((written, newest * INTERVAL));
    }
    playback.fps = playback.ages.len() as f64 / (SECONDS - SETTLED) as f64;
    playback.ages.sort_unstable();
    playback
}

fn steady(_: u64, _: &mut SimulatedConnection) {}

#[test]
fn a_link_that_keeps_up_is_rarely_read_and_never_holds_a_frame() {
    let playback = watch(SimulatedConnection::new(100, 1, true), steady);
    assert!(playback.fps > 29.5 && playback.holds == 0, "{playback:?}");
    let seldom = SECONDS * 1000 / READ_EVERY.as_millis() as u64 + 3000 / INTERVAL;
    assert!(playback.readings < seldom, "{}", playback.readings);
}

#[test]
fn a_long_round_trip_is_no_queue() {
    let playback = watch(SimulatedConnection::new(40, 200, true), steady);
    assert!(
        playback.fps > 29.5 && playback.holds == 0,
        "{} fps, {} holds",
        playback.fps,
        playback.holds
    );
}

#[test]
fn a_queue_on_the_way_is_not_filled_and_the_link_is_not_left_idle() {
    for (fills_queue, base_rtt) in [(true, 1), (true, 40), (false, 1), (false, 40)] {
        // 4 Mbit/s sustain 8.3 frames a second, each of which takes 120 ms.
        let playback = watch(SimulatedConnection::new(4, base_rtt, fills_queue), steady);
        assert!(playback.fps > 6.5, "{fills_queue} {base_rtt}: {} fps", playback.fps);
        assert!(playback.age(0.95) < 250, "{fills_queue} {base_rtt}: {} ms", playback.age(0.95));
    }
}

#[test]
fn a_program_that_reads_slowly_does_not_get_old_frames() {
    let mut connection = SimulatedConnection::new(1000, 1, true);
    connection.read_rate = 600;
    let playback = watch(connection, steady);
    assert!(playback.fps > 8.0, "{} fps", playback.fps);
    assert!(
        playback.age(0.5) < 350 && playback.age(0.99) < 800,
        "{} {}",
        playback.age(0.5),
        playback.age(0.99)
    );
}

/// A real socket showed this: a client stopped for 3 s, then read everything. Its window opened wide, and narrowed by
/// the bytes of 33 frames while nothing was unread.
#[test]
fn a_program_that_stopped_once_and_reads_everything_again_is_sent_all_frames_within_three_seconds()
{
    let change = |now: u64, connection: &mut SimulatedConnection| {
        connection.read_rate = if (9_000..12_000).contains(&now) { 0 } else { u64::MAX / 2 };
        connection.max_window = match now {
            ..12_000 => 140_000,
            12_000..12_200 => 1_213_000,
            _ => 1_069_000,
        };
    };
    let playback = watch_frames(4_400, SimulatedConnection::new(1000, 1, false), change);
    assert!(playback.at_the_end > 145, "{} of 150 frames", playback.at_the_end);
}

#[test]
fn a_link_that_recovers_sustains_the_full_rate_again() {
    let change = |now: u64, connection: &mut SimulatedConnection| {
        connection.rate = if (6_000..9_000).contains(&now) { 500 } else { 12_500 };
    };
    let playback = watch(SimulatedConnection::new(100, 1, true), change);
    // 3 of the 15 seconds that count were slow.
    assert!(playback.fps > 30.0 * 12.0 / 15.0 - 1.0, "{} fps", playback.fps);
    // It takes one reading to notice.
    assert!(
        playback.age(0.5) < 50 && playback.age(0.99) < 500,
        "{} {}",
        playback.age(0.5),
        playback.age(0.99)
    );
}

#[test]
fn an_outage_does_not_queue_old_frames() {
    let change = |now: u64, connection: &mut SimulatedConnection| {
        connection.rate = if (6_000..8_000).contains(&now) { 0 } else { 2_500 };
    };
    let playback = watch(SimulatedConnection::new(20, 20, true), change);
    let old = playback.ages.iter().filter(|age| **age > 1000).count();
    assert!(old <= 15, "{old} frames older than a second after an outage of two seconds");
}

#[test]
fn a_longer_route_is_recognised_after_a_while() {
    let change = |now: u64, connection: &mut SimulatedConnection| {
        // The kernel keeps reporting the shortest round trip of minutes ago.
        connection.base_rtt = if now < 500 { 20 } else { 200 };
    };
    let playback = watch(SimulatedConnection::new(100, 20, true), change);
    assert!(
        playback.at_the_end > 145,
        "{} of 150 frames in the last five seconds",
        playback.at_the_end
    );
}

#[test]
fn a_slow_camera_on_a_fast_link_shows_no_queue() {
    let (mut connection, mut queue_estimate) =
        (SimulatedConnection::new(100, 10, true), QueueEstimator::default());
    for now in 0..10_000 {
        connection.tick(now);
        if now % 500 == 0 {
            let at = Timestamp::from_micros(now * 1000);
            assert_eq!(queue_estimate.update(at, connection.reading(now)), SendDecision::Send);
            connection.unsent += FRAME;
        }
    }
    assert!(!queue_estimate.has_queue());
}

#[test]
fn many_frames_at_the_same_moment_are_all_sent() {
    for fps in [10, 30] {
        let (mut connection, mut queue_estimate) =
            (SimulatedConnection::new(1000, 10, false), QueueEstimator::default());
        let (mut pending, mut until, mut late) = (0, 0, 0);
        for now in 0..20_000u64 {
            connection.tick(now);
            if now % (1000 / fps) == 0 {
                // These frames were not sent before the next ones came.
                late += if now > 5_000 { pending } else { 0 };
                pending = 16;
            }
            while pending > 0 && now >= until {
                let at = Timestamp::from_micros(now * 1000);
                if let SendDecision::RetryAt(then) =
                    queue_estimate.update(at, connection.reading(now))
                {
                    until = then.micros() / 1000;
                    break;
                }
                connection.unsent += FRAME;
                queue_estimate.note_sent(FRAME as usize);
                pending -= 1;
            }
        }
        assert_eq!(late, 0, "{fps} fps");
    }
}

#[test]
fn a_rate_close_to_zero_is_harmless() {
    let mut queue_estimate = QueueEstimator::default();
    let reading =
        |acked, queued| TcpReading { acked, queued, unsent: queued, ..TcpReading::default() };
    for n in 0..10_000u64 {
        let acked = n / 9_999;
        queue_estimate.update(Timestamp::from_micros(n * 1_000_000), reading(acked, 0));
    }
    let decision =
        queue_estimate.update(Timestamp::from_micros(20_000_000_000), reading(1, 10_000_000));
    assert!(matches!(decision, SendDecision::RetryAt(_) | SendDecision::Stalled), "{decision:?}");
}

#[test]
fn a_viewer_that_reads_nothing_is_closed_after_the_stall_timeout() {
    let change = |now: u64, connection: &mut SimulatedConnection| {
        if now > 3_000 {
            connection.read_rate = 0;
        }
    };
    let playback = watch(SimulatedConnection::new(100, 1, true), change);
    let stalled = playback.stalled.expect("closed");
    let timeout = STALL_TIMEOUT.as_millis() as u64;
    assert!((3_000 + timeout..5_000 + timeout).contains(&stalled), "{stalled}");
}
