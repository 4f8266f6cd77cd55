//! Viewers of tracks on which every frame stands alone.

use super::*;
use crate::hub::fixture;
use crate::wake::Waker;

pub(super) const FULL: &str = "full.jpeg";
const HALF: &str = "half.jpeg";

pub(super) fn stream() -> Arc<Stream> {
    fixture::stream(Vec::new())
}

pub(super) fn viewer(stream: &Arc<Stream>, track: &str, behind: Duration) -> Viewer {
    let manner = ViewOptions { fps: None, behind };
    let waker = Waker::new(Arc::default());
    stream.watch(&track.parse().unwrap(), Transport::V1, manner, waker, at(0))
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + millis * 1000)
}

/// A picture taken then comes on a track, a little later.
pub(super) fn push(stream: &Stream, track: &str, captured: u64, received: u64) {
    let track = stream.track(&track.parse().unwrap());
    let received_at = at(received);
    track.push(Frame { received_at, ..fixture::picture(captured, at(captured)) });
}

pub(super) fn next(viewer: &mut Viewer, now: u64) -> Option<u64> {
    match viewer.next(at(now)) {
        Next::Frame(frame, _) => Some(frame.sequence),
        Next::At(_) | Next::Nothing => None,
    }
}

/// Shows pictures of which one track has each 5 ms before the other; returns those shown, and when the viewer had gone
/// on to the other.
fn change(from: &str, to: &str, first: &str, behind: Duration) -> (Vec<u64>, Option<u64>) {
    let stream = stream();
    let mut viewer = viewer(&stream, from, behind);
    let (mut shown, mut changed) = (Vec::new(), None);
    let other = if first == from { to } else { from };
    for now in 0..3000 {
        if now == 1000 {
            viewer.turn_to(&to.parse().unwrap(), at(now));
            assert_eq!(stream.viewers(), 1, "who waits at a track is no viewer of it");
        }
        for (track, delay) in [(first, 5), (other, 10)] {
            let began = track == from || now > 1050;
            if now % 33 == delay && began {
                push(&stream, track, now - delay, now);
            }
        }
        shown.extend(next(&mut viewer, now));
        if viewer.switches() > 0 {
            changed.get_or_insert(now);
        }
    }
    assert_eq!(viewer.track().topic().track.to_string(), to);
    (shown, changed)
}

#[test]
fn a_change_of_rendition_shows_every_picture_once_whichever_track_has_it_first() {
    for (from, to) in [(FULL, HALF), (HALF, FULL)] {
        for first in [FULL, HALF] {
            let (shown, changed) = change(from, to, first, Duration::ZERO);
            assert!(shown.windows(2).all(|two| two[1] == two[0] + 33), "{shown:?}");
            assert!(changed.unwrap() < 1_200, "{changed:?}");
        }
    }
}

#[test]
fn who_stays_behind_changes_when_the_time_of_the_first_new_picture_has_come() {
    for first in [FULL, HALF] {
        let (shown, changed) = change(FULL, HALF, first, Duration::from_millis(500));
        // The first picture comes at once.
        assert!(shown[1..].windows(2).all(|two| two[1] == two[0] + 33), "{shown:?}");
        assert!((1_500..1_700).contains(&changed.unwrap()), "{changed:?}");
    }
}

#[test]
fn a_track_that_brings_nothing_holds_nothing_up_and_another_may_be_turned_to() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL, Duration::ZERO);
    push(&stream, FULL, 0, 1);
    assert_eq!(next(&mut viewer, 1), Some(0));
    viewer.turn_to(&HALF.parse().unwrap(), at(1));
    for n in 1..10 {
        push(&stream, FULL, n * 33, n * 33);
        assert_eq!(next(&mut viewer, n * 33), Some(n * 33));
    }
    assert!(stream.track(&HALF.parse().unwrap()).is_wanted());
    viewer.turn_to(&FULL.parse().unwrap(), at(400));
    assert!(!stream.track(&HALF.parse().unwrap()).is_wanted());
    assert!(viewer.turns_to().is_none() && viewer.switches() == 0);
}

#[test]
fn who_asked_for_fewer_pictures_sees_them_also_while_another_rendition_is_waited_for() {
    let stream = stream();
    let manner = ViewOptions { fps: Some(5.0), ..ViewOptions::default() };
    let waker = Waker::new(Arc::default());
    let mut viewer = stream.watch(&FULL.parse().unwrap(), Transport::V1, manner, waker, at(0));
    let mut shown = Vec::new();
    for n in 0..60 {
        push(&stream, FULL, n * 33, n * 33);
        shown.extend(next(&mut viewer, n * 33));
        if n == 20 {
            viewer.turn_to(&HALF.parse().unwrap(), at(n * 33));
        }
    }
    assert!(shown.windows(2).all(|two| two[1] - two[0] < 250), "{shown:?}");
    assert!(*shown.last().unwrap() > 1_700, "{shown:?}");
}

#[test]
fn what_a_change_passes_over_is_counted() {
    let stream = stream();
    let mut viewer = viewer(&stream, FULL, Duration::ZERO);
    push(&stream, FULL, 0, 0);
    assert_eq!(next(&mut viewer, 0), Some(0));
    viewer.turn_to(&HALF.parse().unwrap(), at(1));
    viewer.hold(DropReason::Link);
    (1..10).for_each(|n| push(&stream, FULL, n * 33, n * 33));
    push(&stream, HALF, 9 * 33, 9 * 33);
    assert_eq!(next(&mut viewer, 300), Some(9 * 33));
    assert_eq!(viewer.tally(at(300)).dropped, 8);
    let dropped = stream.traffic.over(Transport::V1).read().dropped;
    assert_eq!(dropped[DropReason::Link as usize], 8);
}
