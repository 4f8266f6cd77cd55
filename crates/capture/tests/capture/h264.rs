//! H.264: made while it is watched, whole for whoever comes, and honest of its age.

use fanlight_bus::IncomingFrame;
use fanlight_protocol::StreamEntry;

use crate::harness::{capture, capture_with, decoded, stamp, stamp_in, viewer};

fn keyframes(frames: &[IncomingFrame]) -> Vec<usize> {
    let numbered = frames.iter().enumerate();
    numbered.filter(|(_, frame)| frame.flags.is_keyframe()).map(|(number, _)| number).collect()
}

#[test]
fn every_rendition_can_be_decoded_from_its_first_frame_on_and_is_as_old_as_it_says() {
    let capture = capture(&["cam=test:640x360@30"]);
    let mut viewer = viewer(&capture);
    for (track, size) in [("cam/full.h264", (640, 360)), ("cam/half.h264", (320, 180))] {
        viewer.watch(track);
        let frames = viewer.frames(track, 40);
        assert_eq!(keyframes(&frames), [0], "{track}");
        let pictures = decoded(&frames);
        assert_eq!(pictures.len(), frames.len());
        for (frame, picture) in frames.iter().zip(&pictures) {
            assert_eq!((frame.width, frame.height), size);
            let stamp = stamp_in(picture, size).expect("a stamp that can be read");
            let off = frame.captured_at.micros_from(stamp.time);
            assert!(off.abs() < 5_000, "{track}: captured_at is {off} µs from the stamp");
        }
        viewer.unwatch(track);
    }
}

#[test]
fn a_keyframe_comes_every_two_seconds_and_when_one_is_asked_for_but_no_more_than_one_a_second() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    let regular = viewer.frames("cam/full.h264", 130);
    let captured_at = |number: &usize| regular[*number].captured_at;
    let apart = |pair: &[usize]| captured_at(&pair[1]).micros_from(captured_at(&pair[0]));
    let keys = keyframes(&regular);
    assert!(keys.len() > 2, "{keys:?}");
    assert!(keys.windows(2).all(|pair| (2_000_000..2_200_000).contains(&apart(pair))), "{keys:?}");

    let mut frames = Vec::new();
    for _ in 0..75 {
        viewer.ask_for_keyframe("cam/full.h264");
        frames.extend(viewer.frames("cam/full.h264", 1));
    }
    let keys = keyframes(&frames);
    assert!(keys.len() >= 2, "{keys:?}");
    for pair in keys.windows(2) {
        let apart = frames[pair[1]].captured_at.micros_from(frames[pair[0]].captured_at);
        assert!((1_000_000..1_300_000).contains(&apart), "{apart}: {keys:?}");
    }
}

#[test]
fn only_the_codec_that_is_watched_is_made_and_both_from_one_picture() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    let published = |entry: &StreamEntry, name: &str| {
        let named = |track: &&fanlight_protocol::TrackEntry| track.name.to_string() == name;
        entry.tracks.iter().find(named).unwrap().published
    };
    viewer.watch("cam/full.h264");
    viewer.frames("cam/full.h264", 10);
    let entry = viewer.until_so("cam", "a count", |entry| published(entry, "full.h264") >= 10);
    assert_eq!(published(&entry, "full.jpeg"), 0);

    viewer.watch("cam");
    let jpeg = viewer.frames("cam", 20);
    let captured: Vec<_> = jpeg.iter().map(|frame| frame.captured_at).collect();
    assert!(stamp(&jpeg[0]).is_some());
    let h264 = viewer.frames("cam/full.h264", 20);
    assert!(h264.iter().any(|frame| captured.contains(&frame.captured_at)));
}

#[test]
fn whoever_comes_back_begins_with_a_keyframe() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    for _ in 0..3 {
        viewer.watch("cam/full.h264");
        assert!(viewer.frames("cam/full.h264", 5)[0].flags.is_keyframe());
        viewer.unwatch("cam/full.h264");
        viewer.watch("cam");
        viewer.frames("cam", 5);
        viewer.unwatch("cam");
    }
}

#[test]
fn without_an_encoder_there_is_jpeg_only() {
    let streams = ["cam=test:320x180@30", "own=test:320x180@30#encoder=libx264"];
    let capture = capture_with(&streams, &["--encoder=none"]);
    let mut viewer = viewer(&capture);
    let tracks = |entry: &StreamEntry| entry.tracks.len();
    assert_eq!(tracks(&viewer.until_so("cam", "its tracks", |_| true)), 3);
    assert_eq!(tracks(&viewer.until_so("own", "its tracks", |_| true)), 6);
}

#[test]
fn a_picture_of_odd_size_loses_a_line_and_no_more() {
    let capture = capture(&["cam=test:322x182@15#rendition=odd=50%"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/odd.h264");
    let frames = viewer.frames("cam/odd.h264", 5);
    assert_eq!((frames[0].width, frames[0].height), (160, 90));
    assert_eq!(decoded(&frames).len(), 5);
}
