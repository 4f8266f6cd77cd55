//! The renditions of a stream: sizes, rates and demand.

use fanlight_protocol::StreamState;

use crate::harness::{capture, timecode, viewer};

#[test]
fn every_rendition_has_the_same_frames_in_its_own_size() {
    let capture = capture(&["cam=test:1280x720@30"]);
    let mut viewer = viewer(&capture);
    let renditions = [("cam", 1280, 720), ("cam/half", 640, 360), ("cam/quarter", 320, 180)];
    renditions.iter().for_each(|(track, ..)| viewer.watch(track));
    for (track, width, height) in renditions {
        for frame in viewer.frames(track, 5) {
            assert_eq!(frame.meta.size(), (width, height));
            let off = frame.meta.captured_at().micros_from(timecode(&frame).unwrap().time);
            assert!(off.abs() < 5_000, "{track}: captured_at is {off} µs from the timecode");
        }
    }
}

#[test]
fn the_catalog_has_their_sizes_before_a_viewer_watches() {
    let streams =
        ["cam=test:1280x720@30#rotate=90#rendition=phone=480px,fps=5", "one=test#rendition=none"];
    let capture = capture(&streams);
    let mut viewer = viewer(&capture);
    let measured = |entry: &fanlight_protocol::StreamEntry| entry.tracks[0].width > 0;
    let entry = viewer.until_so("cam", "a size", measured);
    let sizes =
        entry.tracks.iter().map(|track| (track.name.to_string(), track.width, track.height));
    let expected = [
        ("full.jpeg", 720, 1280),
        ("phone.jpeg", 480, 853),
        ("full.h264", 720, 1280),
        // Chroma is half as fine, so an odd side loses a pixel.
        ("phone.h264", 480, 852),
    ];
    assert!(
        sizes.eq(expected.map(|(name, width, height)| (name.to_owned(), width, height))),
        "{:?}",
        entry.tracks
    );
    assert_eq!(viewer.until("one", StreamState::Idle).tracks.len(), 2);
}

#[test]
fn only_watched_renditions_are_encoded() {
    let capture = capture(&["cam=test:640x360@30"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/half");
    viewer.frames("cam/half", 10);
    let entry = viewer.until_so("cam", "a count", |entry| entry.tracks[1].published >= 10);
    assert_eq!((entry.tracks[0].published, entry.tracks[2].published), (0, 0));
    assert_eq!(entry.tracks[0].name.to_string(), "full.jpeg");
}

#[test]
fn a_rendition_with_a_lower_rate_has_fewer_frames() {
    let capture = capture(&["cam=test:320x180@30#rendition=slow=50%,fps=10"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/slow");
    let frames = viewer.frames("cam/slow", 10);
    let numbers: Vec<u32> = frames.iter().map(|frame| timecode(frame).unwrap().number).collect();
    let steps: Vec<u32> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "{numbers:?}");
    // A frame may be early by a quarter of an interval; only the one after a gap, or after the first, by half an interval more.
    assert!(steps.windows(2).all(|pair| pair[0] > 3 || pair[1] >= 2), "{steps:?}");
    assert!(
        numbers[9] - numbers[0] >= 24,
        "{numbers:?}: nine intervals of three frames of the source"
    );
}

#[test]
fn a_source_that_changes_its_size_continues_in_all_renditions() {
    let clip = |size, rate| {
        format!(
            "ffmpeg -v error -re -f lavfi -i testsrc2=size={size}:rate={rate} -frames:v 20 -c:v mjpeg -f mjpeg -"
        )
    };
    let command = format!("cam=exec:{}; {}", clip("320x180", 20), clip("240x320", 20));
    let capture = capture(&[&command]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.watch("cam/half");
    let mut sizes = Vec::new();
    while sizes.last() != Some(&(240, 320)) {
        let frame = &viewer.frames("cam", 1)[0];
        sizes.push(frame.meta.size());
    }
    assert_eq!(sizes[0], (320, 180));
    let half = viewer.frames("cam/half", 3);
    assert!(half.iter().any(|frame| frame.meta.size() == (120, 160)));
    let measured = |entry: &fanlight_protocol::StreamEntry| entry.tracks[1].width == 120;
    viewer.until_so("cam", "the new size", measured);
}
