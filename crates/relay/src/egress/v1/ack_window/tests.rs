//! A camera of 30 frames a second, watched through an ack window.

use super::*;
use proptest::prelude::*;

const FRAME: u64 = 33_333;
const MILLI: u64 = 1000;

/// The path from the relay to the viewer's screen, with times in microseconds.
#[derive(Clone, Copy)]
struct Path {
    rtt: u64,
    /// Time to transmit or paint one frame.
    frame_time: u64,
    /// True if the connection measures the round trip; a proxy hides it.
    rtt_known: bool,
}

struct Playback {
    fps: f64,
    /// Ages in microseconds of frames when they were shown, after the first seconds, sorted.
    ages: Vec<u64>,
}

impl Playback {
    fn age(&self, share: f64) -> u64 {
        self.ages[(self.ages.len() as f64 * share) as usize] / MILLI
    }
}

const SECONDS: u64 = 20;
const SETTLED: u64 = 5;

/// Watches a camera of 30 frames a second over a path that may change with time. A newer frame replaces a held one.
fn watch(path: impl Fn(u64) -> Path) -> Playback {
    let (mut window, mut free_at, mut ages) = (AckWindow::default(), 0, Vec::new());
    let mut acks: VecDeque<(u64, u64)> = VecDeque::new();
    let mut sent = None;
    for now in (0..SECONDS * 1_000_000).step_by(MILLI as usize) {
        let at = Timestamp::from_micros(now);
        while acks.front().is_some_and(|(when, _)| *when <= now) {
            let (_, sequence) = acks.pop_front().unwrap();
            window.acknowledge(sequence, at, false);
        }
        let Path { rtt, frame_time, rtt_known } = path(now);
        let known = Duration::from_micros(if rtt_known { rtt } else { 100 });
        let newest = now / FRAME;
        if sent < Some(newest) && window.hold_until(at, known).is_none() {
            window.note_sent(newest, true, at);
            sent = Some(newest);
            free_at = u64::max(free_at, now + rtt / 2) + frame_time;
            acks.push_back((free_at + rtt / 2, newest));
            if now > SETTLED * 1_000_000 {
                ages.push(free_at - newest * FRAME);
            }
        }
    }
    ages.sort_unstable();
    Playback { fps: ages.len() as f64 / (SECONDS - SETTLED) as f64, ages }
}

fn path(rtt: u64, frame_time: u64) -> Path {
    Path { rtt: rtt * MILLI, frame_time: frame_time * MILLI, rtt_known: true }
}

#[test]
fn a_long_round_trip_costs_no_frames() {
    let playback = watch(|_| path(200, 5));
    assert!(playback.fps > 29.5, "{} fps", playback.fps);
    assert!(playback.age(0.95) < 150, "{} ms", playback.age(0.95));
}

#[test]
fn a_long_round_trip_behind_a_proxy_costs_no_frames_either() {
    let playback = watch(|_| Path { rtt_known: false, ..path(200, 5) });
    assert!(playback.fps > 29.5, "{} fps", playback.fps);
}

#[test]
fn a_tab_that_paints_five_frames_a_second_is_sent_five() {
    let playback = watch(|_| path(2, 200));
    assert!((4.5..5.2).contains(&playback.fps), "{} fps", playback.fps);
    assert!(
        playback.age(0.5) < 300 && playback.age(0.95) < 450,
        "{} {}",
        playback.age(0.5),
        playback.age(0.95)
    );
}

#[test]
fn a_slow_link_is_used_without_filling_its_queue() {
    // 4 Mbit/s, 60 kB a frame, a round trip of 40 ms: 8.3 frames a second are possible.
    let playback = watch(|_| path(40, 120));
    assert!(playback.fps > 7.0, "{} fps", playback.fps);
    assert!(
        playback.age(0.5) < 250 && playback.age(0.95) < 350,
        "{} {}",
        playback.age(0.5),
        playback.age(0.95)
    );
}

#[test]
fn a_tab_that_was_busy_for_a_while_recovers_soon() {
    let busy = 6_000_000..8_000_000;
    let playback = watch(|now| path(2, if busy.contains(&now) { 300 } else { 3 }));
    assert!(playback.fps > 24.0, "{} fps", playback.fps);
    assert!(playback.age(0.5) < 40, "{} ms", playback.age(0.5));
}

#[test]
fn a_slow_keyframe_does_not_shrink_the_window() {
    // 1 Mbit/s, a round trip of 40 ms: a delta takes 20 ms, and a keyframe, every two seconds, eight times as long.
    let (mut window, mut free_at, mut held) = (AckWindow::default(), 0, 0);
    let mut acks: VecDeque<(u64, u64)> = VecDeque::new();
    for n in 0..600 {
        let now = n * FRAME;
        while acks.front().is_some_and(|(when, _)| *when <= now) {
            let (when, sequence) = acks.pop_front().unwrap();
            window.acknowledge(sequence, Timestamp::from_micros(when), false);
        }
        let at = Timestamp::from_micros(now);
        held += u64::from(window.hold_until(at, Duration::from_millis(40)).is_some());
        let is_keyframe = n % 60 == 0;
        window.note_sent(n, is_keyframe, at);
        free_at = free_at.max(now + 20 * MILLI) + if is_keyframe { 160 } else { 20 } * MILLI;
        acks.push_back((free_at + 20 * MILLI, n));
    }
    assert!(held < 10 && window.size > INITIAL, "{held} {window:?}");
}

#[test]
fn frames_delayed_by_a_lost_segment_do_not_shrink_the_window_and_a_queue_does() {
    for (lossy, overdue_of_ten, shrinks) in [(true, 4, false), (true, 10, true), (false, 4, true)] {
        let mut window = AckWindow { size: 8, ..AckWindow::default() };
        let mut smallest = window.size;
        for n in 0..300 {
            let (sent_at, overdue) = (n * FRAME, n > 30 && n % 10 < overdue_of_ten);
            let took = if overdue { 110 } else { 45 } * MILLI;
            window.note_sent(n, true, Timestamp::from_micros(sent_at));
            window.acknowledge(n, Timestamp::from_micros(sent_at + took), lossy);
            smallest = smallest.min(window.size);
        }
        assert_eq!(smallest < 8, shrinks, "{lossy} {overdue_of_ten}: {smallest}");
    }
}

#[test]
fn a_viewer_that_never_acknowledges_is_still_sent_a_frame_a_second() {
    let mut window = AckWindow::default();
    let sent = (0..10_000 * MILLI).step_by(MILLI as usize).filter(|now| {
        let at = Timestamp::from_micros(*now);
        let sends = window.hold_until(at, Duration::ZERO).is_none();
        if sends {
            window.note_sent(now / FRAME, true, at);
        }
        sends
    });
    let sent = sent.count();
    assert!((INITIAL + 8..=INITIAL + 10).contains(&sent), "{sent}");
}

#[test]
fn an_acknowledgement_covers_all_frames_before_it() {
    let mut window = AckWindow::default();
    let at = |millis: u64| Timestamp::from_micros(millis * MILLI);
    (0..4).for_each(|n| window.note_sent(n, true, at(n)));
    assert!(window.hold_until(at(5), Duration::ZERO).is_some());
    window.acknowledge(3, at(10), false);
    assert_eq!(window.hold_until(at(10), Duration::ZERO), None);
    assert!(window.in_flight.is_empty());
}

#[test]
fn an_old_numbering_is_not_mistaken_for_the_new_one_nor_the_new_one_for_the_old() {
    let mut window = AckWindow::default();
    let at = |millis: u64| Timestamp::from_micros(millis * MILLI);
    (500..503).for_each(|n| window.note_sent(n, true, at(n - 500)));
    window.restart();
    (3..5).for_each(|n| window.note_sent(n, true, at(n)));
    window.acknowledge(500, at(100), false);
    assert_eq!(window.in_flight.len(), 4, "the old numbering says nothing about the new one");
    assert_eq!(window.shortest.known(), None);
    window.acknowledge(3, at(103), false);
    assert_eq!(window.in_flight, [(4, at(4))]);
    assert_eq!(window.shortest.known(), Some(Duration::from_millis(100)));
    window.acknowledge(502, at(104), false);
    assert!(window.in_flight.is_empty(), "a higher number is that of a later frame");
}

proptest! {
    #[test]
    fn the_frames_in_flight_are_bounded_whatever_is_acknowledged(
        acks in proptest::collection::vec((any::<u64>(), 0..100u64), 0..500),
    ) {
        let (mut window, mut now) = (AckWindow::default(), Timestamp::from_micros(1));
        for (n, (sequence, later)) in acks.into_iter().enumerate() {
            now = now + Duration::from_millis(later);
            if window.hold_until(now, Duration::ZERO).is_none() {
                window.note_sent(n as u64, true, now);
            }
            window.acknowledge(sequence % (n as u64 + 3), now, false);
            prop_assert!(window.in_flight.len() <= 2 * MAX && (1..=MAX).contains(&window.size));
        }
    }
}
