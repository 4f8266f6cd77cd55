//! Passthrough of a source's own JPEG.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fanlight_protocol::StreamState;
use opencv::core::{MatTraitConst, Vector};
use opencv::imgcodecs::{IMREAD_COLOR, imdecode};
use tempfile::TempDir;

use crate::harness::{capture, make_clip_as, viewer};

/// Options that make all frames of a clip equal.
const STILL: [&str; 8] =
    ["-vf", "trim=end_frame=1,loop=-1:1", "-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p"];

/// A clip of this many JPEGs, and the JPEGs in it.
fn jpeg_clip(folder: &TempDir, frames: u32) -> (PathBuf, Vec<Vec<u8>>) {
    let clip = folder.path().join("clip.avi");
    make_clip_as(&clip, frames, &["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]);
    let pattern = folder.path().join("%04d.jpg");
    let split = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&clip)
        .args(["-c", "copy", "-f", "image2"])
        .arg(pattern)
        .status();
    assert!(split.unwrap().success());
    let jpeg = |number| fs::read(folder.path().join(format!("{number:04}.jpg"))).unwrap();
    (clip, (1..=frames).map(jpeg).collect())
}

fn stream(clip: &Path, more: &str) -> String {
    format!("clip={}{more}", clip.display())
}

#[test]
fn the_jpegs_of_a_file_are_passed_through_at_its_own_pace() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, jpegs) = jpeg_clip(&folder, 5);
    let capture = capture(&[&stream(&clip, "")]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    let frames = viewer.frames("clip", 12);
    let numbers: Vec<usize> = frames
        .iter()
        .map(|frame| {
            jpegs.iter().position(|jpeg| **jpeg == *frame.payload).expect("one of the file's")
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 5), "{numbers:?}");
    assert!(frames.iter().all(|frame| frame.meta.size() == (320, 180)));
    for pair in frames.windows(2) {
        let micros = pair[1].meta.captured_at().micros_from(pair[0].meta.captured_at());
        assert!((micros - 100_000).abs() < 5_000, "{micros} µs from frame to frame");
    }
}

#[test]
fn reencoding_orientation_and_overlay_prevent_passthrough() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, jpegs) = jpeg_clip(&folder, 3);
    for more in ["#reencode=true", "#rotate=180", "#overlay=utc"] {
        let capture = capture(&[&stream(&clip, more)]);
        let mut viewer = viewer(&capture);
        viewer.watch("clip");
        let frame = &viewer.frames("clip", 1)[0];
        assert!(!jpegs.iter().any(|jpeg| **jpeg == *frame.payload), "{more}");
    }
}

#[test]
fn a_damaged_jpeg_is_counted_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, jpegs) = jpeg_clip(&folder, 6);
    // The third JPEG loses its end, which is overwritten with zeros.
    let mut bytes = fs::read(&clip).unwrap();
    let third = &jpegs[2];
    let at = bytes.windows(third.len()).position(|part| part == third).unwrap();
    bytes[at + third.len() / 2..at + third.len()].fill(0);
    fs::write(&clip, bytes).unwrap();
    let capture = capture(&[&stream(&clip, "")]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    let frames = viewer.frames("clip", 12);
    assert!(frames.windows(2).all(|pair| pair[1].meta.sequence == pair[0].meta.sequence + 1));
    for frame in &frames {
        let picture = imdecode(&Vector::from_slice(&frame.payload), IMREAD_COLOR).unwrap();
        assert_eq!((picture.cols(), picture.rows()), (320, 180));
        assert!(jpegs.iter().any(|jpeg| **jpeg == *frame.payload));
    }
    let entry = viewer.until_so("clip", "a count", |entry| entry.tracks[0].dropped >= 2);
    assert_eq!(entry.state, StreamState::Live);
}

#[test]
fn smaller_renditions_are_encoded_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, jpegs) = jpeg_clip(&folder, 5);
    let capture = capture(&[&stream(&clip, "")]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip/quarter");
    let quarter = &viewer.frames("clip/quarter", 2)[1];
    assert_eq!(quarter.meta.size(), (80, 45));
    viewer.watch("clip");
    let full = &viewer.frames("clip", 1)[0];
    assert!(jpegs.iter().any(|jpeg| **jpeg == *full.payload));
    assert!(viewer.frames("clip/quarter", 3).len() == 3);
}

#[test]
fn equal_frames_are_dropped_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("still.avi");
    make_clip_as(&clip, 10, &STILL);
    let capture = capture(&[&stream(&clip, "#drop-same=3")]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    for pair in viewer.frames("clip", 4).windows(2) {
        let micros = pair[1].meta.captured_at().micros_from(pair[0].meta.captured_at());
        // A slow machine may drop further frames, but publishes none too many.
        assert!(micros > 350_000, "{micros} µs: at most every fourth of ten frames a second");
    }
}

#[test]
fn a_new_viewer_gets_a_frame_of_a_still_scene() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("still.avi");
    make_clip_as(&clip, 10, &STILL);
    let capture = capture(&[&stream(&clip, "#drop-same=1000")]);
    let mut viewer = viewer(&capture);
    for _ in 0..2 {
        viewer.watch("clip");
        viewer.frames("clip", 1);
        viewer.unwatch("clip");
        viewer.until("clip", StreamState::Idle);
    }
}

#[test]
fn another_rendition_of_the_same_size_is_encoded_too() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, jpegs) = jpeg_clip(&folder, 3);
    let capture = capture(&[&stream(&clip, "#rendition=small=100%,quality=5")]);
    let mut viewer = viewer(&capture);
    viewer.watch("clip");
    viewer.watch("clip/small");
    let small = viewer.frames("clip/small", 2);
    assert!(small.iter().all(|frame| frame.payload.len() < jpegs[0].len() / 2));
    let full = &viewer.frames("clip", 1)[0];
    assert!(jpegs.iter().any(|jpeg| **jpeg == *full.payload));
}
