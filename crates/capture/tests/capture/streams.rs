//! The test picture, demand, and streams side by side.

use fanlight_protocol::StreamState;

use crate::harness::{capture, timecode, viewer};

#[test]
fn the_timecode_in_a_test_picture_equals_the_time_of_its_frame() {
    let capture = capture(&["cam=test:640x360@30"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let frames = viewer.frames("cam", 15);
    for pair in frames.windows(2) {
        let [a, b] = [timecode(&pair[0]).unwrap(), timecode(&pair[1]).unwrap()];
        let numbers = u64::from(b.number - a.number);
        let micros = b.time.micros_from(a.time);
        assert_eq!(pair[1].meta.sequence, pair[0].meta.sequence + 1);
        assert!((micros - (numbers * 100_000 / 3) as i64).abs() <= 2, "on schedule: {micros}");
    }
    for frame in &frames {
        let off = frame.meta.captured_at().micros_from(timecode(frame).unwrap().time);
        // The tolerance covers the bus's estimate of the clock offset.
        assert!(off.abs() < 5_000, "captured_at is {off} µs from the timecode");
    }
}

#[test]
fn a_stream_is_idle_until_watched_and_again_after() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    let idle = viewer.until("cam", StreamState::Idle);
    assert_eq!(idle.tracks[0].published, 0, "nothing is encoded without a viewer");
    viewer.watch("cam");
    viewer.until("cam", StreamState::Live);
    viewer.frames("cam", 1);
    viewer.unwatch("cam");
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!((entry.tracks[0].width, entry.tracks[0].height), (320, 180));
}

#[test]
fn a_failing_source_does_not_affect_others() {
    let capture = capture(&["good=test:320x180@30", "bad=/nowhere/clip.mp4", "cam=/dev/video99"]);
    let mut viewer = viewer(&capture);
    let bad = viewer.until_offline("bad");
    assert_eq!(bad.source, "/nowhere/clip.mp4");
    viewer.watch("good");
    viewer.frames("good", 10);
    let bad = viewer.until_offline("bad");
    assert_eq!(bad.reason, "not found: /nowhere/clip.mp4");
    let cam = viewer.until_offline("cam");
    assert!(cam.reason.starts_with("not found: /dev/video99 ("), "{}", cam.reason);
}
