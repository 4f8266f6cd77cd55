//! The drop policy, against made-up rings.

use super::*;
use crate::hub::fixture;
use fanlight_protocol::FrameFlags;
use proptest::prelude::*;

const FRAME: u64 = 33_000;

fn frame(sequence: u64, received_at: u64, size: usize) -> Arc<Frame> {
    let picture = fixture::picture(sequence, Timestamp::from_micros(received_at));
    Arc::new(Frame { payload: vec![0; size].into(), ..picture })
}

fn ring(frames: u64) -> Ring {
    let mut ring = Ring::default();
    fill(&mut ring, frames);
    ring
}

fn fill(ring: &mut Ring, frames: u64) {
    (0..frames).for_each(|n| assert!(ring.push(frame(n, n * FRAME, 10))));
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// One that missed nothing and has little patience.
fn stand(place: Place) -> CursorState {
    CursorState { place, intact: true, patience: Duration::from_millis(400) }
}

/// What a viewer that wants the newest gets at a place.
fn step(ring: &Ring, place: Place) -> Option<Step> {
    match ring.step(stand(place), Pick::InOrder, at(u64::MAX)) {
        Turn::Frame(step) => Some(step),
        Turn::At(_) => panic!("a live viewer never waits for a frame that is there"),
        Turn::Nothing => None,
    }
}

#[test]
fn a_viewer_that_keeps_up_gets_every_frame_in_order() {
    let mut ring = Ring::default();
    let mut place = 0;
    for sequence in 0..100 {
        ring.push(frame(sequence, sequence * FRAME, 10));
        let step_ = step(&ring, place).unwrap();
        assert_eq!((step_.frame.sequence, step_.dropped), (sequence, 0));
        place = step_.place;
        assert!(step(&ring, place).is_none());
    }
}

#[test]
fn a_viewer_within_capacity_misses_nothing() {
    let step = step(&ring(10), 10 - CAPACITY).unwrap();
    assert_eq!((step.frame.sequence, step.dropped), (10 - CAPACITY, 0));
}

#[test]
fn a_viewer_beyond_capacity_skips_to_the_newest_and_the_rest_is_counted() {
    let step = step(&ring(10), 3).unwrap();
    assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 6));
}

#[test]
fn a_viewer_with_a_slow_link_gets_the_newest_even_within_capacity() {
    let ring = ring(10);
    let Turn::Frame(step) = ring.step(stand(8), Pick::Newest, at(0)) else {
        panic!("there is one")
    };
    assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 1));
    assert!(matches!(ring.step(stand(10), Pick::Newest, at(0)), Turn::Nothing));
}

#[test]
fn a_viewer_that_stays_behind_gets_every_frame_when_its_time_has_come() {
    let second = Duration::from_secs(1);
    let mut ring = Ring::default();
    ring.hold(second);
    let (mut place, mut seen) = (0, Vec::new());
    for n in 0..300u64 {
        ring.push(frame(n, n * FRAME, 10));
        loop {
            match ring.step(stand(place), Pick::Behind(second), at(n * FRAME)) {
                Turn::Frame(step) => {
                    assert!(at(n * FRAME).since(step.frame.received_at) >= second);
                    assert_eq!(step.dropped, 0);
                    seen.push(step.frame.sequence);
                    place = step.place;
                }
                Turn::At(due) => {
                    assert!(due > at(n * FRAME) && due <= at(n * FRAME) + second);
                    break;
                }
                Turn::Nothing => panic!("there is always a newer frame"),
            }
        }
    }
    assert!(seen.iter().copied().eq(0..seen.len() as u64) && seen.len() > 250, "{seen:?}");
}

#[test]
fn a_viewer_that_stays_behind_and_was_held_up_too_long_goes_on_where_it_should_be() {
    let second = Duration::from_secs(1);
    let mut ring = Ring::default();
    ring.hold(second);
    fill(&mut ring, 300);
    let now = at(299 * FRAME);
    let Turn::Frame(step) = ring.step(stand(5), Pick::Behind(second), now) else {
        panic!("one is due")
    };
    let age = now.since(step.frame.received_at);
    assert!(age >= second && age < second + Duration::from_micros(FRAME), "{age:?}");
    assert_eq!(step.dropped, step.frame.sequence - 5);
}

#[test]
fn the_ring_is_as_long_as_its_viewers_need_and_no_longer() {
    let mut ring = Ring::default();
    let span = |ring: &Ring| {
        let [oldest, newest] = [ring.frames.front(), ring.frames.back()];
        newest.unwrap().received_at.since(oldest.unwrap().received_at)
    };
    ring.hold(Duration::from_secs(3600));
    fill(&mut ring, 600);
    assert!(span(&ring) <= MAX_BUFFER + SLACK, "{:?}", span(&ring));
    ring.hold(Duration::from_secs(1));
    assert!(span(&ring) <= Duration::from_secs(1) + SLACK);
    ring.hold(Duration::ZERO);
    assert_eq!(ring.frames.len() as u64, CAPACITY);
}

#[test]
fn what_lies_before_a_moment_is_counted_also_where_it_is_no_longer_held() {
    let ring = ring(10);
    assert_eq!(ring.before(3, at(9 * FRAME)), 6);
    assert_eq!(ring.before(9, at(9 * FRAME)), 0);
    assert_eq!(ring.before(10, at(u64::MAX)), 0);
}

#[test]
fn a_cleared_ring_gives_nothing_until_the_next_frame() {
    let mut ring = ring(10);
    ring.clear();
    assert!([0, 9, 10, 11].iter().all(|&place| step(&ring, place).is_none()));
    ring.push(frame(10, 330_000, 10));
    let step = step(&ring, 9).unwrap();
    assert_eq!((step.frame.sequence, step.dropped), (10, 1));
}

#[test]
fn the_ring_is_bounded_in_frames_bytes_and_time() {
    assert_eq!(ring(100).frames.len() as u64, CAPACITY);
    let mut heavy = Ring::default();
    (0..3).for_each(|n| assert!(heavy.push(frame(n, n, MAX_BYTES - 1))));
    assert_eq!(heavy.frames.len(), 1);
    let mut slow = Ring::default();
    slow.push(frame(0, 0, 1));
    slow.push(frame(1, 3_000_000, 1));
    assert_eq!(slow.frames.len(), 1);
    assert_eq!(slow.newest().unwrap().sequence, 1);
}

fn delta(sequence: u64, received_at: u64, size: usize) -> Arc<Frame> {
    let frame = Arc::into_inner(frame(sequence, received_at, size)).expect("nobody else has it");
    Arc::new(Frame { flags: FrameFlags::default(), ..frame })
}

/// Keyframes at these places, and deltas at all others.
fn gops(frames: u64, keyframes: &[u64]) -> Ring {
    let mut ring = Ring::default();
    for n in 0..frames {
        let make = if keyframes.contains(&n) { frame } else { delta };
        assert!(ring.push(make(n, n * FRAME, 10)));
    }
    ring
}

#[test]
fn a_delta_is_taken_in_only_after_the_frame_before_it() {
    let mut ring = Ring::default();
    assert!(!ring.push(delta(0, 0, 10)), "there is none before it");
    assert!(ring.push(frame(1, 1, 10)));
    assert!(ring.push(delta(2, 2, 10)));
    assert!(!ring.push(delta(4, 4, 10)), "one was lost");
    assert!(!ring.push(delta(5, 5, 10)), "what follows cannot be decoded either");
    assert!(ring.push(frame(6, 6, 10)));
    let mut of_another_run = Arc::into_inner(delta(7, 7, 10)).unwrap();
    of_another_run.run = 1;
    assert!(!ring.push(Arc::new(of_another_run)));
    assert!(ring.push(delta(7, 7, 10)));
    ring.clear();
    assert!(!ring.push(delta(8, 8, 10)));
    assert_eq!(ring.head(), 4);
}

#[test]
fn a_late_joiner_begins_with_the_newest_gop_however_long_it_has_waited() {
    let ring = gops(80, &[0, 40]);
    assert_eq!(ring.entry(), Some(40));
    let mut late = CursorState { place: 40, intact: false, patience: MAX_GOP };
    for sequence in 40..80 {
        let Turn::Frame(step) = ring.step(late, Pick::InOrder, at(u64::MAX)) else {
            panic!("there is one")
        };
        assert_eq!((step.frame.sequence, step.dropped), (sequence, 0));
        late = CursorState { place: step.place, intact: true, ..late };
    }
    assert!(matches!(ring.step(late, Pick::InOrder, at(0)), Turn::Nothing));
}

#[test]
fn of_a_gop_that_is_too_long_or_too_heavy_a_second_is_held_and_the_next_keyframe_is_waited_for() {
    let mut long = gops(95, &[0]);
    let second = DELTAS.as_micros() as u64 / FRAME + 1;
    assert_eq!((long.entry(), long.frames.len() as u64), (None, second));
    let late = CursorState { place: long.head(), intact: false, patience: MAX_GOP };
    assert!(long.push(delta(95, 95 * FRAME, 10)));
    assert!(matches!(long.step(late, Pick::Newest, at(0)), Turn::Nothing));
    assert!(long.push(frame(96, 96 * FRAME, 10)));
    let Turn::Frame(step) = long.step(late, Pick::Newest, at(0)) else { panic!("there is one") };
    assert_eq!(step.frame.sequence, 96);
    let mut heavy = Ring::default();
    assert!(heavy.push(frame(0, 0, MAX_GOP_BYTES - 1)));
    assert!(heavy.push(delta(1, FRAME, 1)));
    assert_eq!(heavy.entry(), Some(0));
    assert!(heavy.push(delta(2, 2 * FRAME, 1)));
    assert_eq!(heavy.entry(), None);
}

#[test]
fn who_has_fallen_behind_goes_on_at_a_keyframe_if_there_is_one_ahead() {
    let ring = gops(30, &[0, 20]);
    let step_ = step(&ring, 5).unwrap();
    assert_eq!((step_.frame.sequence, step_.dropped), (20, 15));
    let step_ = step(&ring, 21).unwrap();
    assert_eq!((step_.frame.sequence, step_.dropped), (21, 0), "behind it in order");
}

#[test]
fn who_is_out_of_patience_waits_for_a_keyframe_and_never_gets_an_older_picture() {
    let mut ring = gops(30, &[0]);
    assert!(step(&ring, 10).is_none(), "600 ms older than the newest");
    assert!(step(&ring, 20).is_some(), "300 ms are all right");
    assert!(step(&ring, 28).is_some());
    assert!(ring.push(frame(30, 30 * FRAME, 10)));
    let step_ = step(&ring, 10).unwrap();
    assert_eq!((step_.frame.sequence, step_.dropped), (30, 20));
}

#[test]
fn of_a_slow_camera_the_last_two_come_in_order_however_old_they_are() {
    let mut ring = Ring::default();
    assert!(ring.push(frame(0, 0, 10)));
    (1..3).for_each(|n| assert!(ring.push(delta(n, n * 1_000_000, 10))));
    assert_eq!(step(&ring, 1).unwrap().frame.sequence, 1);
    assert_eq!(step(&ring, 2).unwrap().frame.sequence, 2);
}

#[test]
fn who_missed_something_gets_no_delta() {
    let ring = gops(30, &[0, 20]);
    let missed = |place| CursorState { intact: false, ..stand(place) };
    for pick in [Pick::InOrder, Pick::Newest, Pick::Behind(Duration::ZERO)] {
        for place in 21..31 {
            assert!(matches!(ring.step(missed(place), pick, at(u64::MAX)), Turn::Nothing));
        }
        let Turn::Frame(step) = ring.step(missed(7), pick, at(u64::MAX)) else {
            panic!("there is a keyframe")
        };
        assert_eq!(step.frame.sequence, 20);
    }
}

fn any_pick() -> impl Strategy<Value = Pick> {
    let behind = (0..7000u64).prop_map(|millis| Pick::Behind(Duration::from_millis(millis)));
    prop_oneof![Just(Pick::InOrder), Just(Pick::Newest), behind]
}

proptest! {
    #[test]
    fn every_frame_is_either_seen_or_dropped_and_none_twice(
        pick in any_pick(),
        looks in proptest::collection::vec(0..5u64, 1..400),
    ) {
        let mut ring = Ring::default();
        if let Pick::Behind(by) = pick {
            ring.hold(by);
        }
        let (mut place, mut seen, mut dropped, mut last) = (0, 0, 0, None);
        for (n, looks) in looks.into_iter().enumerate() {
            let n = n as u64;
            ring.push(frame(n, n * FRAME, 10));
            for _ in 0..looks {
                let Turn::Frame(step) = ring.step(stand(place), pick, at(n * FRAME)) else { break };
                prop_assert!(last < Some(step.frame.sequence), "never an older one");
                last = Some(step.frame.sequence);
                (place, seen, dropped) = (step.place, seen + 1, dropped + step.dropped);
                prop_assert_eq!(seen + dropped, place);
            }
        }
    }
}
