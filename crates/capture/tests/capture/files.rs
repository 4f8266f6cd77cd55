//! Video files as sources.

use std::fs;

use fanlight_protocol::StreamState;

use crate::harness::{capture, clip, viewer};

#[test]
fn a_file_plays_at_its_own_pace_and_restarts_at_its_end() {
    let (_folder, clip) = clip(5);
    let capture = capture(&[&format!("clip={}", clip.display())]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    let frames = viewer.frames("clip", 12);
    let first = &frames[0];
    for frame in &frames {
        let micros = frame.meta.captured_at().micros_from(first.meta.captured_at());
        let off = (micros + 50_000).rem_euclid(100_000) - 50_000;
        assert!(off.abs() < 5_000, "{micros} µs is not a multiple of 100 ms");
    }
}

#[test]
fn a_file_that_is_not_looped_ends() {
    let (_folder, clip) = clip(3);
    let capture = capture(&[&format!("clip={}?loop=0", clip.display())]);
    let mut viewer = viewer(&capture);
    viewer.until("clip", StreamState::Idle);
    viewer.watch("clip");
    let ended = viewer.until("clip", StreamState::Ended);
    assert_eq!(ended.source, clip.display().to_string());
}

#[test]
fn a_stream_is_offline_while_its_file_is_missing() {
    let (_folder, clip) = clip(3);
    let capture = capture(&[&format!("clip={}", clip.display())]);
    let mut viewer = viewer(&capture);
    viewer.until("clip", StreamState::Idle);
    let kept = clip.with_file_name("kept.mp4");
    fs::rename(&clip, &kept).unwrap();
    let gone = viewer.until_offline("clip");
    assert_eq!(gone.reason, format!("not found: {}", clip.display()));
    fs::rename(&kept, &clip).unwrap();
    viewer.until("clip", StreamState::Idle);
}
