//! H.264: made while it is watched, whole for whoever comes, and honest of its age.

use std::fs;
use std::path::Path;

use fanlight_bus::IncomingFrame;
use fanlight_protocol::{StreamEntry, StreamState};
use memchr::memmem;
use tempfile::TempDir;

use crate::harness::{capture, capture_with, decoded, make_clip_as, stamp, stamp_in, viewer};

fn keyframes(frames: &[IncomingFrame]) -> Vec<usize> {
    let numbered = frames.iter().enumerate();
    numbered.filter(|(_, frame)| frame.meta.is_keyframe()).map(|(number, _)| number).collect()
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
            assert_eq!(frame.meta.size(), size);
            let stamp = stamp_in(picture, size).expect("a stamp that can be read");
            let off = frame.meta.captured_at().micros_from(stamp.time);
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
    let mut frames = viewer.frames("cam/full.h264", 130);
    let regular = keyframes(&frames);
    for _ in 0..75 {
        viewer.ask_for_keyframe("cam/full.h264");
        frames.extend(viewer.frames("cam/full.h264", 1));
    }
    let asked: Vec<usize> = keyframes(&frames).into_iter().filter(|key| *key >= 130).collect();
    // As it stands in the pictures: captured_at has come over the bus, from one clock to another, and sixty pictures are
    // two seconds to the microsecond.
    let pictures = decoded(&frames);
    let stamp =
        |picture: &Vec<u8>| stamp_in(picture, (320, 180)).expect("a stamp that can be read");
    let taken: Vec<_> = pictures.iter().map(|picture| stamp(picture).time).collect();
    let since = |key: usize, number: usize| taken[number].micros_from(taken[key]);

    assert!(regular.len() > 2, "{regular:?}");
    for pair in regular.windows(2) {
        // The first picture that is two seconds later, however many the machine lets slip.
        let (key, next) = (pair[0], pair[1]);
        let (before, at) = (since(key, next - 1), since(key, next));
        assert!(at >= 2_000_000 && before < 2_000_000, "{regular:?}: {before} {at}");
    }
    assert!(asked.len() >= 2, "{asked:?}");
    for pair in asked.windows(2) {
        let apart = since(pair[0], pair[1]);
        assert!((1_000_000..2_000_000).contains(&apart), "{apart}: {asked:?}");
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
    let captured: Vec<_> = jpeg.iter().map(|frame| frame.meta.captured_at()).collect();
    assert!(stamp(&jpeg[0]).is_some());
    let h264 = viewer.frames("cam/full.h264", 20);
    assert!(h264.iter().any(|frame| captured.contains(&frame.meta.captured_at())));
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
    assert_eq!(frames[0].meta.size(), (160, 90));
    assert_eq!(decoded(&frames).len(), 5);
}

/// A clip as a camera makes it, ten pictures a second, in this form; and all its bytes as a stream of units.
fn camera_clip(pictures: u32, options: &[&str]) -> (TempDir, String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let options = [&["-c:v", "libx264", "-pix_fmt", "yuv420p"], options].concat();
    make_clip_as(&path("clip.mp4"), pictures, &options);
    make_clip_as(&path("clip.h264"), pictures, &options);
    let stream = format!("clip={}", path("clip.mp4").display());
    let bytes = fs::read(path("clip.h264")).unwrap();
    (folder, stream, bytes)
}

/// Whether a frame's last unit is one of the clip's own.
fn is_of(frame: &IncomingFrame, clip: &[u8]) -> bool {
    let last = memmem::rfind(&frame.payload, &[0, 0, 1]).unwrap();
    memmem::find(clip, &frame.payload[last..]).is_some()
}

#[test]
fn h264_is_passed_on_as_it_is_and_made_into_jpeg_only_for_whoever_wants_that() {
    let (_folder, stream, clip) = camera_clip(30, &["-tune", "zerolatency", "-g", "10"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip/full.h264");
    let frames = viewer.frames("clip/full.h264", 25);
    assert!(frames.iter().all(|frame| is_of(frame, &clip)));
    assert_eq!(keyframes(&frames).len(), 3);
    assert_eq!(frames[0].meta.size(), (320, 180));
    assert_eq!(decoded(&frames).len(), 25);

    // In the middle of a group, and in all sizes and codecs.
    for track in ["clip", "clip/half", "clip/quarter.h264"] {
        viewer.watch(track);
        assert_eq!(viewer.frames(track, 3).len(), 3);
    }
    assert!(viewer.frames("clip/full.h264", 12).iter().all(|frame| is_of(frame, &clip)));
}

#[test]
fn whoever_comes_in_the_middle_of_a_group_is_sent_all_of_it() {
    let (_folder, stream, _) = camera_clip(50, &["-tune", "zerolatency", "-g", "25"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    for _ in 0..3 {
        viewer.frames("clip", 12);
        viewer.watch("clip/full.h264");
        let frames = viewer.frames("clip/full.h264", 30);
        assert!(frames[0].meta.is_keyframe());
        assert_eq!(decoded(&frames).len(), 30);
        viewer.unwatch("clip/full.h264");
    }
}

#[test]
fn a_file_that_paused_goes_on_at_once_for_whoever_comes() {
    // One keyframe: whoever had to wait for the next would wait for ten seconds.
    let (_folder, stream, clip) = camera_clip(100, &["-tune", "zerolatency", "-g", "1000"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    for track in ["clip/full.h264", "clip", "clip/full.h264", "clip/half"] {
        viewer.watch(track);
        let frames = viewer.frames(track, 4);
        if track == "clip/full.h264" {
            assert!(
                frames[0].meta.is_keyframe() && frames.iter().all(|frame| is_of(frame, &clip))
            );
            decoded(&frames);
        }
        viewer.unwatch(track);
        let entry = viewer.until("clip", StreamState::Idle);
        let published: u64 = entry.tracks.iter().map(|track| track.published).sum();
        assert!(published < 80, "it paused, and never came to its end");
    }
}

#[test]
fn a_command_that_writes_h264_is_passed_on() {
    let (folder, _, clip) = camera_clip(30, &["-tune", "zerolatency", "-g", "10"]);
    let path = folder.path().join("clip.h264");
    let command = |path: &Path| {
        format!("cam=exec:ffmpeg -v error -re -i {} -c copy -f h264 -; sleep 60", path.display())
    };
    let capture = capture(&[&command(&path)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    let frames = viewer.frames("cam/full.h264", 20);
    assert!(frames[0].meta.is_keyframe() && frames.iter().all(|frame| is_of(frame, &clip)));
    assert_eq!(decoded(&frames).len(), 20);
}

#[test]
fn pictures_out_of_order_and_what_is_turned_is_encoded_anew() {
    for (options, behind) in
        [(&["-bf", "2", "-g", "20"][..], ""), (&["-tune", "zerolatency"], "#flip=horizontal")]
    {
        let (_folder, stream, clip) = camera_clip(40, options);
        let capture = capture(&[&format!("{stream}{behind}")]);
        let mut viewer = viewer(&capture);
        viewer.watch("clip/full.h264");
        let frames = viewer.frames("clip/full.h264", 25);
        assert!(!frames.iter().any(|frame| is_of(frame, &clip)), "{options:?}");
        assert_eq!(decoded(&frames).len(), 25);
        assert!(frames.windows(2).all(|pair| pair[0].meta.captured_at() < pair[1].meta.captured_at()));
    }
}

#[test]
fn keyframes_too_far_apart_are_made_anew() {
    let (_folder, stream, clip) = camera_clip(120, &["-tune", "zerolatency", "-g", "1000"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip/full.h264");
    let frames = viewer.frames("clip/full.h264", 90);
    let own = frames.iter().take_while(|frame| is_of(frame, &clip)).count();
    assert!((30..60).contains(&own), "{own}: four seconds of its own");
    let keys = keyframes(&frames);
    assert!(keys.contains(&own), "what is made anew begins with a keyframe: {keys:?}");
    assert!(keys.len() >= 3, "{keys:?}");
    assert_eq!(decoded(&frames).len(), 90);
}

#[test]
fn viewers_of_a_cameras_own_h264_do_not_notice_that_another_rendition_begins() {
    // Keyframes four seconds apart. The other one begins where the group could be sent again (it is no longer than three
    // seconds), and where it could not.
    let (_folder, stream, clip) = camera_clip(200, &["-tune", "zerolatency", "-g", "40"]);
    for since_keyframe in [15, 35] {
        let capture = capture(&[&stream]);
        let mut viewer = viewer(&capture);
        viewer.watch("clip/full.h264");
        let mut frames = viewer.frames("clip/full.h264", since_keyframe);
        viewer.watch("clip/half.h264");
        frames.extend(viewer.frames("clip/full.h264", 20));
        assert!(frames.iter().all(|frame| is_of(frame, &clip)));
        // The first ones may have been read before the file paused.
        for pair in frames[2..].windows(2) {
            let micros = pair[1].meta.captured_at().micros_from(pair[0].meta.captured_at());
            assert!((50_000..250_000).contains(&micros), "{micros} µs from frame to frame");
        }
        assert_eq!(viewer.frames("clip/half.h264", 1).len(), 1);
    }
}
