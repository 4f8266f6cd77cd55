//! Viewers of tracks with deltas.

use super::tests::{FULL, at, next, push, stream, viewer};
use super::*;
use crate::hub::fixture;
use crate::stats::labels::SwitchDirection;

const FULL_H264: &str = "full.h264";
const HALF_H264: &str = "half.h264";

/// Pushes a frame onto a track with deltas, 33 ms after the one before.
fn push_of_gop(stream: &Stream, track: &str, number: u64, is_keyframe: bool) {
    let at = at(number * 33);
    let frame = fixture::frame(number, at, is_keyframe);
    stream.track(&track.parse().unwrap()).push(frame);
}

/// Returns all frames that a viewer is sent when the frame with this number has arrived.
fn burst(viewer: &mut Viewer, number: u64) -> Vec<u64> {
    std::iter::from_fn(|| next(viewer, number * 33)).collect()
}

fn take_keyframe_request(stream: &Stream, track: &str, now: u64) -> bool {
    stream.track(&track.parse().unwrap()).take_keyframe_request(at(now))
}

#[test]
fn a_late_joiner_is_sent_the_gop_in_one_burst_and_is_not_slow_for_it() {
    let stream = stream();
    (0..50).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut joiner = viewer(&stream, FULL_H264, Duration::ZERO);
    assert_eq!(next(&mut joiner, 1650), Some(0));
    assert!(joiner.is_catching_up(at(1650)));
    assert!(burst(&mut joiner, 50).into_iter().eq(1..50));
    assert!(!joiner.is_catching_up(at(1650)));
    assert_eq!((joiner.slow_since(), joiner.send_stats(at(1650)).sent), (None, 50));
    assert!(!take_keyframe_request(&stream, FULL_H264, 1650));
}

#[test]
fn a_burst_that_takes_too_long_is_abandoned_for_the_next_keyframe() {
    let stream = stream();
    (0..50).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut joiner = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 50..85 {
        push_of_gop(&stream, FULL_H264, n, false);
        joiner.set_drop_reason(DropReason::Link);
        let sent = next(&mut joiner, n * 33);
        assert_eq!(sent.is_some(), n <= 80, "{n}: it started a second ago");
    }
    assert!(
        joiner.send_stats(at(85 * 33)).dropped > 40,
        "frames that cannot be sent count immediately"
    );
    push_of_gop(&stream, FULL_H264, 85, true);
    assert_eq!(burst(&mut joiner, 85), [85]);
    assert!(
        !take_keyframe_request(&stream, FULL_H264, 85 * 33),
        "the other viewers need no keyframe"
    );
}

#[test]
fn after_a_short_stall_the_backlog_is_sent_in_one_burst_and_nothing_is_dropped() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 0..50 {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        if (20..45).contains(&n) {
            viewer.set_drop_reason(DropReason::Link);
        } else {
            let expected: Vec<u64> = if n == 45 { (20..46).collect() } else { vec![n] };
            assert_eq!(burst(&mut viewer, n), expected);
        }
    }
    let stats = viewer.send_stats(at(50 * 33));
    assert_eq!((stats.sent, stats.dropped, stats.far_behind), (50, 0, 24), "the backlog waited");
    assert_eq!(viewer.slow_since(), None);
}

#[test]
fn a_viewer_that_cannot_catch_up_continues_at_the_next_keyframe() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    let mut sent = Vec::new();
    for n in 0..70 {
        push_of_gop(&stream, FULL_H264, n, n == 0 || n == 60);
        viewer.set_drop_reason(DropReason::Link);
        // The link sustains every third frame.
        sent.extend(if n % 3 == 0 { next(&mut viewer, n * 33) } else { None });
    }
    let last = sent.iter().position(|number| *number == 60).expect("the keyframe") - 1;
    assert!(sent[..=last].iter().copied().eq(0..=last as u64), "{sent:?}");
    assert!(last < 13, "it gave up after two thirds of a second: {sent:?}");
    assert_eq!(sent[last + 1..], [60, 61, 62, 63]);
}

#[test]
fn late_joiners_request_a_keyframe_if_the_gop_is_too_long_but_not_twice_a_second() {
    let stream = stream();
    (0..100).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut joiner = viewer(&stream, FULL_H264, Duration::ZERO);
    assert!(burst(&mut joiner, 100).is_empty());
    assert!(take_keyframe_request(&stream, FULL_H264, 3300));
    let _another = viewer(&stream, FULL_H264, Duration::ZERO);
    assert!(!take_keyframe_request(&stream, FULL_H264, 3350));
    assert!(take_keyframe_request(&stream, FULL_H264, 4300), "the first one did not arrive");
    push_of_gop(&stream, FULL_H264, 100, true);
    assert_eq!(burst(&mut joiner, 100), [100]);
}

/// Returns a viewer for which the relay chose H.264, with JPEG as its fallback.
fn viewer_with_fallback(stream: &Arc<Stream>, now: u64) -> Viewer {
    let mut viewer = viewer(stream, FULL_H264, Duration::ZERO);
    viewer.start_with_fallback(&FULL.parse().unwrap(), at(now));
    viewer
}

#[test]
fn the_fallback_is_shown_until_the_track_has_frames_and_is_released_then() {
    let stream = stream();
    let mut viewer = viewer_with_fallback(&stream, 0);
    for n in 0..100 {
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut viewer, n), [n * 33]);
        let timeout = Duration::from_secs(2);
        assert_eq!(viewer.is_switch_stalled(at(n * 33), timeout), n * 33 > 2000);
    }
    // From here on there is also H.264.
    for n in 100..105 {
        push_of_gop(&stream, FULL_H264, n, n == 100);
        assert_eq!(burst(&mut viewer, n), [n]);
    }
    assert!(viewer.pending_track().is_none());
    assert!(!stream.track(&FULL.parse().unwrap()).has_demand());
    assert_eq!(stream.viewers(), 1);
}

#[test]
fn a_viewer_that_joins_within_a_gop_sees_jpeg_until_the_next_keyframe() {
    let stream = stream();
    let mut viewer = viewer_with_fallback(&stream, 0);
    for n in 0..130 {
        push_of_gop(&stream, FULL_H264, n, n == 120);
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut viewer, n), [if n < 120 { n * 33 } else { n }]);
        assert!(
            !viewer.is_switch_stalled(at(n * 33), Duration::from_secs(2)),
            "frames arrive: {n}"
        );
    }
}

#[test]
fn a_viewer_that_switches_before_its_first_frame_sees_jpeg_until_the_new_track_starts() {
    let stream = stream();
    let mut viewer = viewer_with_fallback(&stream, 0);
    viewer.switch_to(&HALF_H264.parse().unwrap(), at(0));
    assert!(!stream.track(&FULL_H264.parse().unwrap()).has_demand());
    for n in 0..20 {
        push(&stream, FULL, n * 33, n * 33);
        if n >= 10 {
            push_of_gop(&stream, HALF_H264, n, n == 10);
        }
        assert_eq!(burst(&mut viewer, n), [if n < 10 { n * 33 } else { n }]);
    }
}

#[test]
fn the_fallback_is_shown_while_the_gop_is_too_long_to_start_with() {
    let stream = stream();
    let join = || viewer_with_fallback(&stream, 3300);
    (0..100).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut joiner = join();
    assert_eq!(stream.viewers(), 1);
    for n in 100..130 {
        push_of_gop(&stream, FULL_H264, n, n == 120);
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut joiner, n), [if n < 120 { n * 33 } else { n }]);
    }
    assert!(join().pending_track().is_none(), "now there is a GOP to start with");
}

#[test]
fn after_a_loss_a_keyframe_is_requested_and_no_viewer_is_sent_the_deltas_before_it() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in (0..10).chain(12..20) {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        assert_eq!(next(&mut viewer, n * 33), (n < 10).then_some(n));
    }
    assert!(take_keyframe_request(&stream, FULL_H264, 1000));
    push_of_gop(&stream, FULL_H264, 20, true);
    assert_eq!(next(&mut viewer, 660), Some(20));
    let track = stream.track(&FULL_H264.parse().unwrap());
    assert_eq!(track.orphaned(), 8);
    assert!(!take_keyframe_request(&stream, FULL_H264, 3000), "it has arrived");
}

#[test]
fn a_viewer_whose_decoder_fails_continues_at_a_keyframe_and_requests_one_in_five_seconds() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    (0..10).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    burst(&mut viewer, 10);
    viewer.decode_failed(at(330));
    assert!(take_keyframe_request(&stream, FULL_H264, 330));
    (10..20).for_each(|n| push_of_gop(&stream, FULL_H264, n, false));
    assert!(burst(&mut viewer, 20).is_empty());
    viewer.decode_failed(at(3000));
    assert!(!take_keyframe_request(&stream, FULL_H264, 3000));
    push_of_gop(&stream, FULL_H264, 20, true);
    assert_eq!(burst(&mut viewer, 20), [20]);
    let dropped = stream.counters.of(Transport::V1).read().dropped;
    assert_eq!(dropped[DropReason::Keyframe as usize], 10);
    viewer.decode_failed(at(5400));
    assert!(take_keyframe_request(&stream, FULL_H264, 5400));
}

#[test]
fn a_switch_of_size_is_immediate_with_a_short_gop_and_otherwise_at_the_next_keyframe() {
    for (start, waits) in [(0, true), (40, false)] {
        let stream = stream();
        let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
        for n in 0..100 {
            push_of_gop(&stream, FULL_H264, n, n == 0);
            if n >= start {
                push_of_gop(&stream, HALF_H264, n, n == start || n == 60);
            }
            if n == 50 {
                viewer.switch_to(&HALF_H264.parse().unwrap(), at(n * 33));
            }
            let sent = burst(&mut viewer, n);
            let switches = n == if waits { 60 } else { 50 };
            let expected = if switches && !waits { (40..51).collect() } else { vec![n] };
            assert_eq!(sent, expected, "{start} {n}");
        }
        assert_eq!(viewer.switch_count(), 1);
        for track in [FULL_H264, HALF_H264] {
            assert!(
                !take_keyframe_request(&stream, track, 9000),
                "other viewers would receive it too"
            );
        }
    }
}

#[test]
fn a_switch_of_codec_shows_every_picture_once() {
    for first in [FULL, FULL_H264] {
        let stream = stream();
        let other = if first == FULL { FULL_H264 } else { FULL };
        let mut viewer = viewer(&stream, first, Duration::ZERO);
        for n in 0..100 {
            push_of_gop(&stream, FULL_H264, n, n % 60 == 0);
            push(&stream, FULL, n * 33, n * 33);
            if n == 30 {
                viewer.switch_to(&other.parse().unwrap(), at(n * 33));
            }
            let shown = next(&mut viewer, n * 33);
            let in_jpeg = viewer.track().topic().track.to_string() == FULL;
            assert_eq!(shown, Some(if in_jpeg { n * 33 } else { n }));
        }
        assert_eq!(viewer.track().topic().track.to_string(), other);
        let switches = [SwitchDirection::Up, SwitchDirection::Down]
            .map(|direction| stream.switches.read(direction));
        assert_eq!(switches, [0, 0], "the size is the same");
    }
}

#[test]
fn a_viewer_held_up_near_the_end_of_a_long_gop_catches_up_from_where_it_was() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 0..130 {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        if (110..120).contains(&n) {
            viewer.set_drop_reason(DropReason::Link);
            continue;
        }
        let expected: Vec<u64> = if n == 120 { (110..121).collect() } else { vec![n] };
        assert_eq!(burst(&mut viewer, n), expected);
    }
}

#[test]
fn a_viewer_that_misses_each_keyframe_is_still_shown_some() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    let (mut last, mut longest) = (0, 0);
    for n in 0..1200 {
        push_of_gop(&stream, FULL_H264, n, n % 60 == 0);
        viewer.set_drop_reason(DropReason::Link);
        // The link is free a second after each keyframe.
        if n % 60 == 30 && next(&mut viewer, n * 33).is_some() {
            longest = longest.max(n - last);
            last = n;
        }
    }
    assert!(last > 1100 && longest * 33 < 4500, "no frame for {} ms", longest * 33);
}
