//! The drop policy, on rings made by hand.

use super::*;
use crate::hub::fixture;
use fanlight_protocol::FrameFlags;
use proptest::prelude::*;

const FRAME: u64 = 33_000;

fn frame(sequence: u64, received_at: u64, size: usize) -> Arc<Frame> {
    let keyframe = fixture::keyframe(sequence, Timestamp::from_micros(received_at));
    Arc::new(Frame { payload: vec![0; size].into(), ..keyframe })
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

/// Returns the state of a cursor that missed nothing and may lag by 400 ms.
fn synced(index: Index) -> CursorState {
    CursorState { index, synced: true, max_lag: Duration::from_millis(400) }
}

/// Returns the next frame of a viewer without a delay.
fn next(ring: &Ring, index: Index) -> Option<Delivery> {
    match ring.next_frame(synced(index), DeliveryMode::InOrder, at(u64::MAX)) {
        NextFrame::Ready(delivery) => Some(delivery),
        NextFrame::At(_) => panic!("a viewer without a delay never waits for a frame in the ring"),
        NextFrame::Nothing => None,
    }
}

#[test]
fn a_viewer_that_keeps_up_gets_every_frame_in_order() {
    let mut ring = Ring::default();
    let mut index = 0;
    for sequence in 0..100 {
        ring.push(frame(sequence, sequence * FRAME, 10));
        let delivery = next(&ring, index).unwrap();
        assert_eq!((delivery.frame.sequence(), delivery.dropped), (sequence, 0));
        index = delivery.next;
        assert!(next(&ring, index).is_none());
    }
}

#[test]
fn a_viewer_within_capacity_misses_nothing() {
    let delivery = next(&ring(10), 10 - MAX_LAG_FRAMES).unwrap();
    assert_eq!((delivery.frame.sequence(), delivery.dropped), (10 - MAX_LAG_FRAMES, 0));
}

#[test]
fn a_viewer_beyond_capacity_skips_to_the_newest_and_the_skipped_frames_are_counted() {
    let delivery = next(&ring(10), 3).unwrap();
    assert_eq!((delivery.frame.sequence(), delivery.next, delivery.dropped), (9, 10, 6));
}

#[test]
fn a_viewer_with_a_slow_link_gets_the_newest_even_within_capacity() {
    let ring = ring(10);
    let NextFrame::Ready(delivery) = ring.next_frame(synced(8), DeliveryMode::Newest, at(0)) else {
        panic!("there is one")
    };
    assert_eq!((delivery.frame.sequence(), delivery.next, delivery.dropped), (9, 10, 1));
    assert!(matches!(ring.next_frame(synced(10), DeliveryMode::Newest, at(0)), NextFrame::Nothing));
}

#[test]
fn a_delayed_viewer_gets_every_frame_when_it_is_due() {
    let second = Duration::from_secs(1);
    let mut ring = Ring::default();
    ring.set_longest_delay(second);
    let (mut index, mut seen) = (0, Vec::new());
    for n in 0..300u64 {
        ring.push(frame(n, n * FRAME, 10));
        loop {
            match ring.next_frame(synced(index), DeliveryMode::Delayed(second), at(n * FRAME)) {
                NextFrame::Ready(delivery) => {
                    assert!(at(n * FRAME).since(delivery.frame.received_at) >= second);
                    assert_eq!(delivery.dropped, 0);
                    seen.push(delivery.frame.sequence());
                    index = delivery.next;
                }
                NextFrame::At(due) => {
                    assert!(due > at(n * FRAME) && due <= at(n * FRAME) + second);
                    break;
                }
                NextFrame::Nothing => panic!("there is always a newer frame"),
            }
        }
    }
    assert!(seen.iter().copied().eq(0..seen.len() as u64) && seen.len() > 250, "{seen:?}");
}

#[test]
fn a_delayed_viewer_that_was_held_up_too_long_continues_at_the_newest_due_frame() {
    let second = Duration::from_secs(1);
    let mut ring = Ring::default();
    ring.set_longest_delay(second);
    fill(&mut ring, 300);
    let now = at(299 * FRAME);
    let NextFrame::Ready(delivery) = ring.next_frame(synced(5), DeliveryMode::Delayed(second), now)
    else {
        panic!("one is due")
    };
    let age = now.since(delivery.frame.received_at);
    assert!(age >= second && age < second + Duration::from_micros(FRAME), "{age:?}");
    assert_eq!(delivery.dropped, delivery.frame.sequence() - 5);
}

#[test]
fn the_ring_holds_what_its_viewers_need_and_no_more() {
    let mut ring = Ring::default();
    let span = |ring: &Ring| {
        let [oldest, newest] = [ring.frames.front(), ring.frames.back()];
        newest.unwrap().received_at.since(oldest.unwrap().received_at)
    };
    ring.set_longest_delay(Duration::from_secs(3600));
    fill(&mut ring, 600);
    assert!(span(&ring) <= MAX_BUFFER + DELAY_MARGIN, "{:?}", span(&ring));
    ring.set_longest_delay(Duration::from_secs(1));
    assert!(span(&ring) <= Duration::from_secs(1) + DELAY_MARGIN);
    ring.set_longest_delay(Duration::ZERO);
    assert_eq!(ring.frames.len() as u64, MAX_LAG_FRAMES);
}

#[test]
fn frames_before_a_moment_are_counted_even_after_eviction() {
    let ring = ring(10);
    assert_eq!(ring.count_before(3, at(9 * FRAME)), 6);
    assert_eq!(ring.count_before(9, at(9 * FRAME)), 0);
    assert_eq!(ring.count_before(10, at(u64::MAX)), 0);
}

#[test]
fn a_cleared_ring_gives_nothing_until_the_next_frame() {
    let mut ring = ring(10);
    ring.clear();
    assert!([0, 9, 10, 11].iter().all(|&index| next(&ring, index).is_none()));
    ring.push(frame(10, 330_000, 10));
    let delivery = next(&ring, 9).unwrap();
    assert_eq!((delivery.frame.sequence(), delivery.dropped), (10, 1));
}

#[test]
fn the_ring_is_bounded_in_frames_bytes_and_time() {
    assert_eq!(ring(100).frames.len() as u64, MAX_LAG_FRAMES);
    let mut heavy = Ring::default();
    (0..3).for_each(|n| assert!(heavy.push(frame(n, n, MAX_BYTES - 1))));
    assert_eq!(heavy.frames.len(), 1);
    let mut slow = Ring::default();
    slow.push(frame(0, 0, 1));
    slow.push(frame(1, 3_000_000, 1));
    assert_eq!(slow.frames.len(), 1);
    assert_eq!(slow.newest().unwrap().sequence(), 1);
}

fn delta(sequence: u64, received_at: u64, size: usize) -> Arc<Frame> {
    let mut frame =
        Arc::into_inner(frame(sequence, received_at, size)).expect("no other handle exists");
    frame.meta.flags = FrameFlags::default();
    Arc::new(frame)
}

/// Returns a ring with keyframes at these indices, and deltas at all others.
fn gops(frames: u64, keyframes: &[u64]) -> Ring {
    let mut ring = Ring::default();
    for n in 0..frames {
        let make = if keyframes.contains(&n) { frame } else { delta };
        assert!(ring.push(make(n, n * FRAME, 10)));
    }
    ring
}

#[test]
fn a_delta_is_accepted_only_after_the_frame_before_it() {
    let mut ring = Ring::default();
    assert!(!ring.push(delta(0, 0, 10)), "it has no predecessor");
    assert!(ring.push(frame(1, 1, 10)));
    assert!(ring.push(delta(2, 2, 10)));
    assert!(!ring.push(delta(4, 4, 10)), "a frame was lost");
    assert!(!ring.push(delta(5, 5, 10)), "the frames after it cannot be decoded either");
    assert!(ring.push(frame(6, 6, 10)));
    let mut of_another_generation = Arc::into_inner(delta(7, 7, 10)).unwrap();
    of_another_generation.generation = 1;
    assert!(!ring.push(Arc::new(of_another_generation)));
    assert!(ring.push(delta(7, 7, 10)));
    ring.clear();
    assert!(!ring.push(delta(8, 8, 10)));
    assert_eq!(ring.head(), 4);
}

#[test]
fn a_late_joiner_starts_with_the_newest_gop_however_long_it_is() {
    let ring = gops(80, &[0, 40]);
    assert_eq!(ring.entry_point(), Some(40));
    let mut joiner = CursorState { index: 40, synced: false, max_lag: MAX_GOP };
    for sequence in 40..80 {
        let NextFrame::Ready(delivery) =
            ring.next_frame(joiner, DeliveryMode::InOrder, at(u64::MAX))
        else {
            panic!("there is one")
        };
        assert_eq!((delivery.frame.sequence(), delivery.dropped), (sequence, 0));
        joiner = CursorState { index: delivery.next, synced: true, ..joiner };
    }
    assert!(matches!(ring.next_frame(joiner, DeliveryMode::InOrder, at(0)), NextFrame::Nothing));
}

#[test]
fn a_gop_that_is_too_long_or_too_large_is_held_for_a_second_and_late_joiners_wait_for_a_keyframe() {
    let mut long = gops(95, &[0]);
    let second = DELTA_RETENTION.as_micros() as u64 / FRAME + 1;
    assert_eq!((long.entry_point(), long.frames.len() as u64), (None, second));
    let joiner = CursorState { index: long.head(), synced: false, max_lag: MAX_GOP };
    assert!(long.push(delta(95, 95 * FRAME, 10)));
    assert!(matches!(long.next_frame(joiner, DeliveryMode::Newest, at(0)), NextFrame::Nothing));
    assert!(long.push(frame(96, 96 * FRAME, 10)));
    let NextFrame::Ready(delivery) = long.next_frame(joiner, DeliveryMode::Newest, at(0)) else {
        panic!("there is one")
    };
    assert_eq!(delivery.frame.sequence(), 96);
    let mut heavy = Ring::default();
    assert!(heavy.push(frame(0, 0, MAX_GOP_BYTES - 1)));
    assert!(heavy.push(delta(1, FRAME, 1)));
    assert_eq!(heavy.entry_point(), Some(0));
    assert!(heavy.push(delta(2, 2 * FRAME, 1)));
    assert_eq!(heavy.entry_point(), None);
}

#[test]
fn a_viewer_that_has_fallen_behind_continues_at_a_keyframe_if_one_is_ahead() {
    let ring = gops(30, &[0, 20]);
    let delivery = next(&ring, 5).unwrap();
    assert_eq!((delivery.frame.sequence(), delivery.dropped), (20, 15));
    let delivery = next(&ring, 21).unwrap();
    assert_eq!(
        (delivery.frame.sequence(), delivery.dropped),
        (21, 0),
        "after the keyframe it continues in order"
    );
}

#[test]
fn a_viewer_that_lags_too_far_waits_for_a_keyframe_and_never_gets_an_older_frame() {
    let mut ring = gops(30, &[0]);
    assert!(next(&ring, 10).is_none(), "600 ms older than the newest");
    assert!(next(&ring, 20).is_some(), "300 ms are allowed");
    assert!(next(&ring, 28).is_some());
    assert!(ring.push(frame(30, 30 * FRAME, 10)));
    let delivery = next(&ring, 10).unwrap();
    assert_eq!((delivery.frame.sequence(), delivery.dropped), (30, 20));
}

#[test]
fn the_last_two_frames_of_a_slow_camera_come_in_order_however_old_they_are() {
    let mut ring = Ring::default();
    assert!(ring.push(frame(0, 0, 10)));
    (1..3).for_each(|n| assert!(ring.push(delta(n, n * 1_000_000, 10))));
    assert_eq!(next(&ring, 1).unwrap().frame.sequence(), 1);
    assert_eq!(next(&ring, 2).unwrap().frame.sequence(), 2);
}

#[test]
fn a_viewer_that_missed_a_frame_gets_no_delta() {
    let ring = gops(30, &[0, 20]);
    let missed = |index| CursorState { synced: false, ..synced(index) };
    for mode in [DeliveryMode::InOrder, DeliveryMode::Newest, DeliveryMode::Delayed(Duration::ZERO)]
    {
        for index in 21..31 {
            assert!(matches!(
                ring.next_frame(missed(index), mode, at(u64::MAX)),
                NextFrame::Nothing
            ));
        }
        let NextFrame::Ready(delivery) = ring.next_frame(missed(7), mode, at(u64::MAX)) else {
            panic!("there is a keyframe")
        };
        assert_eq!(delivery.frame.sequence(), 20);
    }
}

fn any_mode() -> impl Strategy<Value = DeliveryMode> {
    let delayed =
        (0..7000u64).prop_map(|millis| DeliveryMode::Delayed(Duration::from_millis(millis)));
    prop_oneof![Just(DeliveryMode::InOrder), Just(DeliveryMode::Newest), delayed]
}

proptest! {
    #[test]
    fn every_frame_is_either_sent_or_dropped_and_none_twice(
        mode in any_mode(),
        looks in proptest::collection::vec(0..5u64, 1..400),
    ) {
        let mut ring = Ring::default();
        if let DeliveryMode::Delayed(delay) = mode {
            ring.set_longest_delay(delay);
        }
        let (mut index, mut seen, mut dropped, mut last) = (0, 0, 0, None);
        for (n, looks) in looks.into_iter().enumerate() {
            let n = n as u64;
            ring.push(frame(n, n * FRAME, 10));
            for _ in 0..looks {
                let NextFrame::Ready(delivery) = ring.next_frame(synced(index), mode, at(n * FRAME)) else { break };
                prop_assert!(last < Some(delivery.frame.sequence()), "no older frame after a newer one");
                last = Some(delivery.frame.sequence());
                (index, seen, dropped) = (delivery.next, seen + 1, dropped + delivery.dropped);
                prop_assert_eq!(seen + dropped, index);
            }
        }
    }
}
