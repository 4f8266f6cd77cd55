//! H.264: encoded while it is watched, complete for a new viewer, and with correct times.

use std::fs;
use std::path::Path;
use std::process::Command;

use fanlight_bus::IncomingFrame;
use fanlight_protocol::{StreamEntry, StreamState};
use memchr::memmem;
use tempfile::TempDir;

use crate::harness::{capture, capture_with, decoded, make_clip_as, timecode, timecode_in, viewer};

fn keyframes(frames: &[IncomingFrame]) -> Vec<usize> {
    let numbered = frames.iter().enumerate();
    numbered.filter(|(_, frame)| frame.meta.is_keyframe()).map(|(number, _)| number).collect()
}

#[test]
fn every_rendition_can_be_decoded_from_its_first_frame_on_and_has_correct_times() {
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
            let timecode = timecode_in(picture, size).expect("a readable timecode");
            let off = frame.meta.captured_at().micros_from(timecode.time);
            assert!(off.abs() < 5_000, "{track}: captured_at is {off} µs from the timecode");
        }
        viewer.unwatch(track);
    }
}

#[test]
fn keyframes_come_every_two_seconds_and_on_request_but_no_more_than_one_a_second() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    let mut frames = viewer.frames("cam/full.h264", 130);
    let regular = keyframes(&frames);
    for _ in 0..75 {
        viewer.ask_for_keyframe("cam/full.h264");
        frames.extend(viewer.frames("cam/full.h264", 1));
    }
    let requested: Vec<usize> = keyframes(&frames).into_iter().filter(|key| *key >= 130).collect();
    // The times painted into the frames: captured_at was converted from one clock to another by the bus, and sixty
    // frames are two seconds to the microsecond.
    let pictures = decoded(&frames);
    let timecode =
        |picture: &Vec<u8>| timecode_in(picture, (320, 180)).expect("a readable timecode");
    let times: Vec<_> = pictures.iter().map(|picture| timecode(picture).time).collect();
    let since = |key: usize, number: usize| times[number].micros_from(times[key]);

    assert!(regular.len() > 2, "{regular:?}");
    for pair in regular.windows(2) {
        // The first frame that is two seconds later, whatever number of frames the machine drops.
        let (key, next) = (pair[0], pair[1]);
        let (before, at) = (since(key, next - 1), since(key, next));
        assert!(at >= 2_000_000 && before < 2_000_000, "{regular:?}: {before} {at}");
    }
    assert!(requested.len() >= 2, "{requested:?}");
    for pair in requested.windows(2) {
        let apart = since(pair[0], pair[1]);
        assert!((1_000_000..2_000_000).contains(&apart), "{apart}: {requested:?}");
    }
}

#[test]
fn only_the_watched_codec_is_encoded_and_both_from_the_same_frame() {
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
    assert!(timecode(&jpeg[0]).is_some());
    let h264 = viewer.frames("cam/full.h264", 20);
    assert!(h264.iter().any(|frame| captured.contains(&frame.meta.captured_at())));
}

#[test]
fn a_returning_viewer_begins_with_a_keyframe() {
    let capture = capture(&["cam=test:320x180@30"]);
    let mut viewer = viewer(&capture);
    for _ in 0..3 {
        viewer.watch("cam/full.h264");
        assert!(viewer.frames("cam/full.h264", 5)[0].meta.is_keyframe());
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
fn an_odd_side_loses_one_pixel() {
    let capture = capture(&["cam=test:322x182@15#rendition=odd=50%"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/odd.h264");
    let frames = viewer.frames("cam/odd.h264", 5);
    assert_eq!(frames[0].meta.size(), (160, 90));
    assert_eq!(decoded(&frames).len(), 5);
}

/// A clip like a camera's, ten frames a second, with these options; and all its bytes in Annex B format.
fn camera_clip(frames: u32, options: &[&str]) -> (TempDir, String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let options = [&["-c:v", "libx264", "-pix_fmt", "yuv420p"], options].concat();
    make_clip_as(&path("clip.mp4"), frames, &options);
    make_clip_as(&path("clip.h264"), frames, &options);
    let stream = format!("clip={}", path("clip.mp4").display());
    let bytes = fs::read(path("clip.h264")).unwrap();
    (folder, stream, bytes)
}

/// Returns whether a frame's last NAL unit is one of the clip's own.
fn is_of(frame: &IncomingFrame, clip: &[u8]) -> bool {
    let last = memmem::rfind(&frame.payload, &[0, 0, 1]).unwrap();
    memmem::find(clip, &frame.payload[last..]).is_some()
}

#[test]
fn h264_is_passed_through_and_transcoded_for_the_other_tracks() {
    let (_folder, stream, clip) = camera_clip(30, &["-tune", "zerolatency", "-g", "10"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip/full.h264");
    let frames = viewer.frames("clip/full.h264", 25);
    assert!(frames.iter().all(|frame| is_of(frame, &clip)));
    assert_eq!(keyframes(&frames).len(), 3);
    assert_eq!(frames[0].meta.size(), (320, 180));
    assert_eq!(decoded(&frames).len(), 25);

    // In the middle of a GOP, and in all sizes and codecs.
    for track in ["clip", "clip/half", "clip/quarter.h264"] {
        viewer.watch(track);
        assert_eq!(viewer.frames(track, 3).len(), 3);
    }
    assert!(viewer.frames("clip/full.h264", 12).iter().all(|frame| is_of(frame, &clip)));
}

#[test]
fn a_viewer_that_joins_within_a_gop_is_sent_all_of_it() {
    let (_folder, stream, _) = camera_clip(50, &["-tune", "zerolatency", "-g", "25"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    for _ in 0..3 {
        viewer.frames("clip", 12);
        viewer.watch("clip/full.h264");
        let frames = viewer.frames("clip/full.h264", 30);
        // Before the frames are decoded, which may take long: no queued frame must be left when the next round begins.
        viewer.unwatch("clip/full.h264");
        assert!(frames[0].meta.is_keyframe());
        assert_eq!(decoded(&frames).len(), 30);
    }
}

#[test]
fn a_paused_file_continues_immediately_for_a_new_viewer() {
    // One keyframe: a viewer that waited for the next one would wait for ten seconds.
    let (_folder, stream, clip) = camera_clip(100, &["-tune", "zerolatency", "-g", "1000"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    for track in ["clip/full.h264", "clip", "clip/full.h264", "clip/half"] {
        viewer.watch(track);
        let frames = viewer.frames(track, 4);
        if track == "clip/full.h264" {
            assert!(frames[0].meta.is_keyframe() && frames.iter().all(|frame| is_of(frame, &clip)));
            decoded(&frames);
        }
        viewer.unwatch(track);
        let entry = viewer.until("clip", StreamState::Idle);
        let published: u64 = entry.tracks.iter().map(|track| track.published).sum();
        assert!(published < 80, "it paused before its end");
    }
}

#[test]
fn a_file_with_one_keyframe_continues_for_a_viewer_who_returns_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    // At this frame rate, the keyframe is soon too old to be kept.
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=250", "-t", "20"])
        .args(["-c:v", "libx264", "-tune", "zerolatency", "-g", "9999", "-pix_fmt", "yuv420p"])
        .args(["-preset", "ultrafast", "-x264-params", "scenecut=0"])
        .arg(&path)
        .status();
    assert!(ffmpeg.expect("the ffmpeg command is installed").success());
    let capture = capture(&[&format!("clip={}", path.display())]);
    let mut viewer = viewer(&capture);
    let published = |entry: &StreamEntry| entry.tracks.iter().map(|track| track.published).sum();
    for _ in 0..2 {
        viewer.watch("clip");
        viewer.frames("clip", 700);
        viewer.unwatch("clip");
        let before: u64 = published(&viewer.until("clip", StreamState::Idle));
        viewer.watch("clip/half");
        viewer.until_so("clip", "the next frame", |entry| {
            assert!(!entry.reason.contains("keyframe"), "{}", entry.reason);
            published(entry) > before
        });
        viewer.unwatch("clip/half");
        viewer.until("clip", StreamState::Idle);
    }
}

#[test]
fn the_h264_of_a_command_is_passed_through() {
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
fn reordered_or_mirrored_frames_are_transcoded() {
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
        assert!(
            frames.windows(2).all(|pair| pair[0].meta.captured_at() < pair[1].meta.captured_at())
        );
    }
}

#[test]
fn h264_with_keyframes_too_far_apart_is_transcoded() {
    let (_folder, stream, clip) = camera_clip(120, &["-tune", "zerolatency", "-g", "1000"]);
    let capture = capture(&[&stream]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip/full.h264");
    let frames = viewer.frames("clip/full.h264", 90);
    let own = frames.iter().take_while(|frame| is_of(frame, &clip)).count();
    assert!((30..60).contains(&own), "{own}: four seconds of its own");
    let keys = keyframes(&frames);
    assert!(keys.contains(&own), "the transcoded frames begin with a keyframe: {keys:?}");
    assert!(keys.len() >= 3, "{keys:?}");
    assert_eq!(decoded(&frames).len(), 90);
}

#[test]
fn viewers_of_passed_through_h264_are_not_affected_by_the_start_of_another_rendition() {
    // Keyframes are four seconds apart. The other rendition starts while the GOP could be sent to a new viewer (up to
    // three seconds), and when it could not.
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
