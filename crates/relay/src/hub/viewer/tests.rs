//! Viewers of tracks whose frames are all keyframes.

use super::*;
use crate::hub::fixture;
use crate::wake::Waker;

pub(super) const FULL: &str = "full.jpeg";
const HALF: &str = "half.jpeg";

pub(super) fn stream() -> Arc<Stream> {
    fixture::stream(Vec::new())
}

pub(super) fn viewer(stream: &Arc<Stream>, track: &str, delay: Duration) -> Viewer {
    let options = ViewOptions { max_fps: None, delay };
    let waker = Waker::new(Arc::default());
    Viewer::watch(stream, &track.parse().unwrap(), Transport::V1, options, waker, at(0))
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + millis * 1000)
}

/// Pushes a keyframe with these capture and arrival times onto a track.
pub(super) fn push(stream: &Stream, track: &str, captured: u64, received: u64) {
    let track = stream.track(&track.parse().unwrap());
    let received_at = at(received);
    track.push(Frame { received_at, ..fixture::keyframe(captured, at(captured)) });
}

pub(super) fn next(viewer: &mut Viewer, now: u64) -> Option<u64> {
    match viewer.next(at(now)) {
        NextSend::Frame { frame, .. } => Some(frame.sequence()),
        NextSend::At(_) | NextSend::Nothing => None,
    }
}

/// Switches a viewer between two tracks, of which `first` receives each picture 5 ms before the other. Returns the
/// pictures shown, and when the switch had completed.
fn switch(from: &str, to: &str, first: &str, delay: Duration) -> (Vec<u64>, Option<u64>) {
    let stream = stream();
    let mut viewer = viewer(&stream, from, delay);
    let (mut shown, mut switched) = (Vec::new(), None);
    let other = if first == from { to } else { from };
    for now in 0..3000 {
        if now == 1000 {
            viewer.switch_to(&to.parse().unwrap(), at(now));
            assert_eq!(stream.viewers(), 1, "a standby cursor is no viewer");
        }
        for (track, latency) in [(first, 5), (other, 10)] {
            let has_started = track == from || now > 1050;
            if now % 33 == latency && has_started {
                push(&stream, track, now - latency, now);
            }
        }
        shown.extend(next(&mut viewer, now));
        if viewer.switch_count() > 0 {
            switched.get_or_insert(now);
        }
    }
    assert_eq!(viewer.track().topic().track.to_string(), to);
    (shown, switched)
}

#[test]
fn a_switch_of_rendition_shows_every_picture_once_whichever_track_receives_it_first() {
    for (from, to) in [(FULL, HALF), (HALF, FULL)] {
        for first in [FULL, HALF] {
            let (shown, switched) = switch(from, to, first, Duration::ZERO);
            assert!(shown.windows(2).all(|two| two[1] == two[0] + 33), "{shown:?}");
            assert!(switched.unwrap() < 1_200, "{switched:?}");
        }
    }
}

#[test]
fn a_delayed_viewer_switches_when_the_first_new_picture_is_due() {
    for first in [FULL, HALF] {
        let (shown, switched) = switch(FULL, HALF, first, Duration::from_millis(500));
        // The first picture comes immediately.
        assert!(shown[1..].windows(2).all(|two| two[1] == two[0] + 33), "{shown:?}");
        assert!((1_500..1_700).contains(&switched.unwrap()), "{switched:?}");
    }
}

#[test]
fn a_silent_track_does_not_hold_up_its_viewer_and_the_switch_can_be_cancelled() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL, Duration::ZERO);
    push(&stream, FULL, 0, 1);
    assert_eq!(next(&mut viewer, 1), Some(0));
    viewer.switch_to(&HALF.parse().unwrap(), at(1));
    for n in 1..10 {
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(next(&mut viewer, n * 33), Some(n * 33));
    }
    assert!(stream.track(&HALF.parse().unwrap()).has_demand());
    viewer.switch_to(&FULL.parse().unwrap(), at(400));
    assert!(!stream.track(&HALF.parse().unwrap()).has_demand());
    assert!(viewer.pending_track().is_none() && viewer.switch_count() == 0);
}

#[test]
fn a_viewer_with_a_frame_rate_limit_sees_frames_while_a_switch_is_pending() {
    let stream = stream();
    let options = ViewOptions { max_fps: Some(5.0), ..ViewOptions::default() };
    let waker = Waker::new(Arc::default());
    let full = FULL.parse().unwrap();
    let mut viewer = Viewer::watch(&stream, &full, Transport::V1, options, waker, at(0));
    let mut shown = Vec::new();
    for n in 0..60 {
        push(&stream, FULL, n * 33, n * 33);
        shown.extend(next(&mut viewer, n * 33));
        if n == 20 {
            viewer.switch_to(&HALF.parse().unwrap(), at(n * 33));
        }
    }
    assert!(shown.windows(2).all(|two| two[1] - two[0] < 250), "{shown:?}");
    assert!(*shown.last().unwrap() > 1_700, "{shown:?}");
}

#[test]
fn frames_skipped_by_a_switch_are_counted() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL, Duration::ZERO);
    push(&stream, FULL, 0, 0);
    assert_eq!(next(&mut viewer, 0), Some(0));
    viewer.switch_to(&HALF.parse().unwrap(), at(1));
    viewer.set_drop_reason(DropReason::Link);
    (1..10).for_each(|n| push(&stream, FULL, n * 33, n * 33));
    push(&stream, HALF, 9 * 33, 9 * 33);
    assert_eq!(next(&mut viewer, 300), Some(9 * 33));
    assert_eq!(viewer.send_stats(at(300)).dropped, 8);
    let dropped = stream.counters.of(Transport::V1).read().dropped;
    assert_eq!(dropped[DropReason::Link as usize], 8);
}
