//! Streams without viewers: they cost nothing, and resume immediately.

use std::time::{Duration, Instant};

use fanlight_protocol::StreamState;

use crate::harness::{capture, clip, timecode, viewer};

#[test]
fn the_first_viewer_of_an_idle_stream_gets_a_frame_immediately() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    for _ in 0..3 {
        viewer.until("cam", StreamState::Idle);
        viewer.watch("cam");
        let frame = &viewer.frames("cam", 1)[0];
        let off = frame.meta.captured_at().micros_from(timecode(frame).unwrap().time);
        assert!(off.abs() < 5_000, "a new frame, not a stored one: {off} µs");
        viewer.unwatch("cam");
    }
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!(entry.tracks[0].dropped, 0, "frames without a viewer do not count as dropped");
}

#[test]
fn a_file_pauses_at_its_position() {
    let (_folder, clip) = clip(30);
    let capture = capture(&[&format!("clip={}?loop=0", clip.display())]);
    let mut viewer = viewer(&capture);
    // Thirty frames are three seconds. The file pauses for longer than it has left, and loses none of them.
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
    assert!((27..=30).contains(&all), "{all} of 30; the first frame is read for its size only");
}

#[test]
fn the_exit_does_not_wait_for_idle_streams() {
    let capture = capture(&["a=test", "b=test", "c=test"]);
    let mut viewer = viewer(&capture);
    ["a", "b", "c"].iter().for_each(|stream| drop(viewer.until(stream, StreamState::Idle)));
    let requested = Instant::now();
    capture.stop();
    assert!(requested.elapsed() < Duration::from_secs(2));
}
