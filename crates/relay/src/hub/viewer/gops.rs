//! Viewers of tracks with deltas.

use super::tests::{FULL, at, next, push, stream, viewer};
use super::*;
use crate::hub::fixture;
use crate::stats::counters::Direction;

const FULL_H264: &str = "full.h264";
const HALF_H264: &str = "half.h264";

/// A frame of a track with deltas, 33 ms after the one before.
fn push_of_gop(stream: &Stream, track: &str, number: u64, is_keyframe: bool) {
    let at = at(number * 33);
    let frame = Frame { flags: fixture::flags(is_keyframe), ..fixture::picture(number, at) };
    stream.track(&track.parse().unwrap()).push(frame);
}

/// All frames that a viewer is sent now, which is when the frame with this number has come.
fn burst(viewer: &mut Viewer, number: u64) -> Vec<u64> {
    std::iter::from_fn(|| next(viewer, number * 33)).collect()
}

fn asks_for_keyframe(stream: &Stream, track: &str, now: u64) -> bool {
    stream.track(&track.parse().unwrap()).asks_for_keyframe(at(now))
}

#[test]
fn a_late_joiner_is_sent_the_gop_at_once_and_is_not_slow_for_that() {
    let stream = stream();
    (0..50).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut late = viewer(&stream, FULL_H264, Duration::ZERO);
    assert_eq!(next(&mut late, 1650), Some(0));
    assert!(late.is_catching_up(at(1650)));
    assert!(burst(&mut late, 50).into_iter().eq(1..50));
    assert!(!late.is_catching_up(at(1650)));
    assert_eq!((late.slow_since(), late.tally(at(1650)).sent), (None, 50));
    assert!(!asks_for_keyframe(&stream, FULL_H264, 1650));
}

#[test]
fn a_burst_that_takes_too_long_is_given_up_and_the_next_keyframe_waited_for() {
    let stream = stream();
    (0..50).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut late = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 50..85 {
        push_of_gop(&stream, FULL_H264, n, false);
        late.hold(DropReason::Link);
        let sent = next(&mut late, n * 33);
        assert_eq!(sent.is_some(), n <= 80, "{n}: it began a second ago");
    }
    assert!(late.tally(at(85 * 33)).dropped > 40, "what it is not sent is known at once");
    push_of_gop(&stream, FULL_H264, 85, true);
    assert_eq!(burst(&mut late, 85), [85]);
    assert!(!asks_for_keyframe(&stream, FULL_H264, 85 * 33), "its wishes cost nobody anything");
}

#[test]
fn after_a_hiccup_all_that_was_held_up_is_sent_at_once_and_nothing_is_dropped() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 0..50 {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        if (20..45).contains(&n) {
            viewer.hold(DropReason::Link);
        } else {
            let expected: Vec<u64> = if n == 45 { (20..46).collect() } else { vec![n] };
            assert_eq!(burst(&mut viewer, n), expected);
        }
    }
    let tally = viewer.tally(at(50 * 33));
    assert_eq!((tally.sent, tally.dropped, tally.behind), (50, 0, 24), "but they were late");
    assert_eq!(viewer.slow_since(), None);
}

#[test]
fn who_cannot_catch_up_gives_up_and_sees_the_next_keyframe() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    let mut sent = Vec::new();
    for n in 0..70 {
        push_of_gop(&stream, FULL_H264, n, n == 0 || n == 60);
        viewer.hold(DropReason::Link);
        // The link carries every third frame.
        sent.extend(if n % 3 == 0 { next(&mut viewer, n * 33) } else { None });
    }
    let last = sent.iter().position(|number| *number == 60).expect("the keyframe") - 1;
    assert!(sent[..=last].iter().copied().eq(0..=last as u64), "{sent:?}");
    assert!(last < 13, "it was given up after two thirds of a second: {sent:?}");
    assert_eq!(sent[last + 1..], [60, 61, 62, 63]);
}

#[test]
fn whoever_comes_while_the_gop_is_too_long_has_a_keyframe_made_but_nobody_asks_twice_a_second() {
    let stream = stream();
    (0..100).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut late = viewer(&stream, FULL_H264, Duration::ZERO);
    assert!(burst(&mut late, 100).is_empty());
    assert!(asks_for_keyframe(&stream, FULL_H264, 3300));
    let _another = viewer(&stream, FULL_H264, Duration::ZERO);
    assert!(!asks_for_keyframe(&stream, FULL_H264, 3350));
    assert!(asks_for_keyframe(&stream, FULL_H264, 4300), "it did not come");
    push_of_gop(&stream, FULL_H264, 100, true);
    assert_eq!(burst(&mut late, 100), [100]);
}

/// A viewer for which the relay chose H.264.
fn viewer_of_either(stream: &Arc<Stream>, now: u64) -> Viewer {
    let mut viewer = viewer(stream, FULL_H264, Duration::ZERO);
    viewer.begin_with(&FULL.parse().unwrap(), at(now));
    viewer
}

#[test]
fn a_track_that_never_comes_leaves_nobody_in_the_dark_and_once_it_comes_the_other_is_given_up() {
    let stream = stream();
    let mut viewer = viewer_of_either(&stream, 0);
    for n in 0..100 {
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut viewer, n), [n * 33]);
        let patience = Duration::from_secs(2);
        assert_eq!(viewer.waits_in_vain(at(n * 33), patience), n * 33 > 2000);
    }
    // From here on there is H.264 too.
    for n in 100..105 {
        push_of_gop(&stream, FULL_H264, n, n == 100);
        assert_eq!(burst(&mut viewer, n), [n]);
    }
    assert!(viewer.turns_to().is_none());
    assert!(!stream.track(&FULL.parse().unwrap()).is_wanted());
    assert_eq!(stream.viewers(), 1);
}

#[test]
fn who_comes_amid_a_gop_of_which_nothing_is_here_sees_jpeg_until_its_keyframe_comes() {
    let stream = stream();
    let mut viewer = viewer_of_either(&stream, 0);
    for n in 0..130 {
        push_of_gop(&stream, FULL_H264, n, n == 120);
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut viewer, n), [if n < 120 { n * 33 } else { n }]);
        assert!(!viewer.waits_in_vain(at(n * 33), Duration::from_secs(2)), "it does come: {n}");
    }
}

#[test]
fn who_turns_elsewhere_before_anything_came_is_shown_jpeg_until_then() {
    let stream = stream();
    let mut viewer = viewer_of_either(&stream, 0);
    viewer.turn_to(&HALF_H264.parse().unwrap(), at(0));
    assert!(!stream.track(&FULL_H264.parse().unwrap()).is_wanted());
    for n in 0..20 {
        push(&stream, FULL, n * 33, n * 33);
        if n >= 10 {
            push_of_gop(&stream, HALF_H264, n, n == 10);
        }
        assert_eq!(burst(&mut viewer, n), [if n < 10 { n * 33 } else { n }]);
    }
}

#[test]
fn while_a_gop_is_too_long_to_begin_with_another_track_is_shown() {
    let stream = stream();
    let begin = || viewer_of_either(&stream, 3300);
    (0..100).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    let mut late = begin();
    assert_eq!(stream.viewers(), 1);
    for n in 100..130 {
        push_of_gop(&stream, FULL_H264, n, n == 120);
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(burst(&mut late, n), [if n < 120 { n * 33 } else { n }]);
    }
    assert!(begin().turns_to().is_none(), "now there is a GOP to begin with");
}

#[test]
fn after_a_loss_a_keyframe_is_asked_for_and_what_comes_before_it_is_sent_to_nobody() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in (0..10).chain(12..20) {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        assert_eq!(next(&mut viewer, n * 33), (n < 10).then_some(n));
    }
    assert!(asks_for_keyframe(&stream, FULL_H264, 1000));
    push_of_gop(&stream, FULL_H264, 20, true);
    assert_eq!(next(&mut viewer, 660), Some(20));
    let track = stream.track(&FULL_H264.parse().unwrap());
    assert_eq!(track.orphaned(), 8);
    assert!(!asks_for_keyframe(&stream, FULL_H264, 3000), "it is here");
}

#[test]
fn one_whose_decoder_fails_goes_on_at_a_keyframe_and_has_one_made_once_in_five_seconds() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    (0..10).for_each(|n| push_of_gop(&stream, FULL_H264, n, n == 0));
    burst(&mut viewer, 10);
    viewer.fail(at(330));
    assert!(asks_for_keyframe(&stream, FULL_H264, 330));
    (10..20).for_each(|n| push_of_gop(&stream, FULL_H264, n, false));
    assert!(burst(&mut viewer, 20).is_empty());
    viewer.fail(at(3000));
    assert!(!asks_for_keyframe(&stream, FULL_H264, 3000));
    push_of_gop(&stream, FULL_H264, 20, true);
    assert_eq!(burst(&mut viewer, 20), [20]);
    let dropped = stream.traffic.over(Transport::V1).read().dropped;
    assert_eq!(dropped[DropReason::Keyframe as usize], 10);
    viewer.fail(at(5400));
    assert!(asks_for_keyframe(&stream, FULL_H264, 5400));
}

#[test]
fn a_change_of_size_happens_with_a_short_gop_at_once_and_else_at_the_next_keyframe() {
    for (begins, waits) in [(0, true), (40, false)] {
        let stream = stream();
        let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
        for n in 0..100 {
            push_of_gop(&stream, FULL_H264, n, n == 0);
            if n >= begins {
                push_of_gop(&stream, HALF_H264, n, n == begins || n == 60);
            }
            if n == 50 {
                viewer.turn_to(&HALF_H264.parse().unwrap(), at(n * 33));
            }
            let sent = burst(&mut viewer, n);
            let changes = n == if waits { 60 } else { 50 };
            let expected = if changes && !waits { (40..51).collect() } else { vec![n] };
            assert_eq!(sent, expected, "{begins} {n}");
        }
        assert_eq!(viewer.switches(), 1);
        for track in [FULL_H264, HALF_H264] {
            assert!(!asks_for_keyframe(&stream, track, 9000), "others would pay for it");
        }
    }
}

#[test]
fn a_change_of_codec_shows_every_picture_once() {
    for first in [FULL, FULL_H264] {
        let stream = stream();
        let other = if first == FULL { FULL_H264 } else { FULL };
        let mut viewer = viewer(&stream, first, Duration::ZERO);
        for n in 0..100 {
            push_of_gop(&stream, FULL_H264, n, n % 60 == 0);
            push(&stream, FULL, n * 33, n * 33);
            if n == 30 {
                viewer.turn_to(&other.parse().unwrap(), at(n * 33));
            }
            let shown = next(&mut viewer, n * 33);
            let in_jpeg = viewer.track().topic().track.to_string() == FULL;
            assert_eq!(shown, Some(if in_jpeg { n * 33 } else { n }));
        }
        assert_eq!(viewer.track().topic().track.to_string(), other);
        let switches = [Direction::Up, Direction::Down].map(|way| stream.switches.read(way));
        assert_eq!(switches, [0, 0], "its size is the same");
    }
}

#[test]
fn one_that_was_held_up_late_in_a_long_gop_catches_up_from_where_it_was() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    for n in 0..130 {
        push_of_gop(&stream, FULL_H264, n, n == 0);
        if (110..120).contains(&n) {
            viewer.hold(DropReason::Link);
            continue;
        }
        let expected: Vec<u64> = if n == 120 { (110..121).collect() } else { vec![n] };
        assert_eq!(burst(&mut viewer, n), expected);
    }
}

#[test]
fn one_whose_turns_miss_each_keyframe_by_more_than_its_patience_is_still_shown_some() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL_H264, Duration::ZERO);
    let (mut last, mut longest) = (0, 0);
    for n in 0..1200 {
        push_of_gop(&stream, FULL_H264, n, n % 60 == 0);
        viewer.hold(DropReason::Link);
        // Its link is free a second after each keyframe.
        if n % 60 == 30 && next(&mut viewer, n * 33).is_some() {
            longest = longest.max(n - last);
            last = n;
        }
    }
    assert!(last > 1100 && longest * 33 < 4500, "dark for {} ms", longest * 33);
}
