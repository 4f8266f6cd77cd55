//! What nobody watches costs nothing, and is back at once.

use std::time::{Duration, Instant};

use fanlight_protocol::StreamState;

use crate::harness::{capture, clip, stamp, viewer};

#[test]
fn the_first_viewer_of_a_resting_stream_has_a_picture_at_once() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    for _ in 0..3 {
        viewer.until("cam", StreamState::Idle);
        viewer.watch("cam");
        let frame = &viewer.frames("cam", 1)[0];
        let off = frame.meta.captured_at().micros_from(stamp(frame).unwrap().time);
        assert!(off.abs() < 5_000, "not one from before: {off} µs");
        viewer.unwatch("cam");
    }
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!(entry.tracks[0].dropped, 0, "what nobody waited for was not dropped");
}

#[test]
fn a_file_pauses_where_it_is() {
    let (_folder, clip) = clip(30);
    let capture = capture(&[&format!("clip={}?loop=0", clip.display())]);
    let mut viewer = viewer(&capture);
    // Thirty pictures are three seconds. It rests for longer than it has left, and still has them.
    let mut seen = 0;
    for _ in 0..2 {
        viewer.until("clip", StreamState::Idle);
        viewer.watch("clip");
        seen += viewer.frames("clip", 5).len();
        viewer.unwatch("clip");
    }
    let entry = viewer.until("clip", StreamState::Idle);
    let published = entry.tracks[0].published;
    assert!(published as usize >= seen && published < 30, "{published}");
    viewer.watch("clip");
    let entry = viewer.until("clip", StreamState::Ended);
    let all = entry.tracks[0].published + entry.tracks[0].dropped;
    assert!((27..=30).contains(&all), "{all} of 30; the first is looked at for its size only");
}

#[test]
fn ending_does_not_wait_for_what_rests() {
    let capture = capture(&["a=test", "b=test", "c=test"]);
    let mut viewer = viewer(&capture);
    ["a", "b", "c"].iter().for_each(|stream| drop(viewer.until(stream, StreamState::Idle)));
    let asked = Instant::now();
    capture.stop();
    assert!(asked.elapsed() < Duration::from_secs(2));
}
