//! `--probe`: what a source sends, and whether it is passed through.

use std::collections::HashMap;
use std::path::Path;

use crate::harness::make_clip_as;
use crate::program::program;
use crate::rtsp_camera::{RtspCamera, encode};

/// The names and values that a probe of this source prints.
fn probed(source: &str, flags: &[&str]) -> HashMap<String, String> {
    let output = program(&["--probe", source]).args(flags).output().unwrap();
    let (text, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{source}: {log}");
    let pair = |line: &str| {
        let (name, value) = line.split_once("  ").unwrap_or_else(|| panic!("{text}"));
        (name.to_owned(), value.trim().to_owned())
    };
    text.lines().map(pair).collect()
}

/// A clip of 10 frames a second with these options of ffmpeg.
fn clip(folder: &Path, name: &str, frames: u32, options: &[&str]) -> String {
    let path = folder.join(name);
    make_clip_as(&path, frames, options);
    path.display().to_string()
}

/// H.264 in display order, with a keyframe after this many frames.
fn h264(keyframes: &'static str) -> [&'static str; 12] {
    let colours = ["-colorspace", "bt709", "-color_range", "tv"];
    let [matrix, bt709, range, tv] = colours;
    let in_order = ["-c:v", "libx264", "-bf", "0", "-g", keyframes];
    let [codec, x264, b_frames, none, gop, every] = in_order;
    [codec, x264, b_frames, none, gop, every, matrix, bt709, range, tv, "-pix_fmt", "yuv420p"]
}

#[test]
fn h264_that_is_passed_through_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "a.mp4", 40, &h264("10"));
    let found = probed(&clip, &[]);
    assert_eq!(found["source"], clip);
    assert!(found["codec"].starts_with("H.264, High, level "), "{found:?}");
    assert_eq!(found["size"], "320x180");
    assert!(found["rate"].starts_with("10.0 fps"), "{found:?}");
    assert!(found["bitrate"].contains("Mbit/s"), "{found:?}");
    assert_eq!(found["colours"], "BT.709, limited range");
    assert_eq!(found["keyframes"], "every 1.0 s");
    assert!(found["passthrough"].starts_with("yes"), "{found:?}");
    assert!(!found.contains_key("damaged") && !found.contains_key("failed"), "{found:?}");
}

#[test]
fn a_network_camera_is_described() {
    let camera = RtspCamera::new(encode(50, &["-g", "25"])).start();
    let found = probed(&format!("rtsp://{}/live", camera.address), &[]);
    assert!(found["opened"].starts_with("live h264 (rtsp over TCP)"), "{found:?}");
    let rate = found["rate"].split(' ').next().and_then(|fps| fps.parse::<f64>().ok());
    assert!(rate.is_some_and(|fps| (24.0..26.0).contains(&fps)), "{found:?}");
    assert_eq!(found["keyframes"], "every 1.0 s");
    assert!(found["passthrough"].starts_with("yes"), "{found:?}");
}

#[test]
fn the_reason_against_passthrough_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = |name, frames, options: &[&str]| clip(folder.path(), name, frames, options);
    let (plain, sparse) = (clip("a.mp4", 10, &h264("10")), clip("b.mp4", 60, &h264("600")));
    let reordered = clip("c.mp4", 10, &["-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"]);
    let jpegs = clip("d.avi", 10, &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]);
    let other = clip("e.avi", 10, &["-c:v", "mpeg4"]);
    for (source, flags, codec, reason) in [
        (plain.as_str(), &["--reencode"][..], "H.264", "reencode is set"),
        (&format!("{plain}#rotate=90"), &[], "H.264", "rotate or flip is set"),
        (&format!("{plain}#rendition=full=100%,fps=5"), &[], "H.264", "frame rate limit"),
        (&format!("{sparse}?loop=0"), &[], "H.264", "keyframes are more than 4.5 s apart"),
        (&reordered, &[], "H.264", "not sent in display order"),
        (&jpegs, &["--overlay", "utc"], "JPEG", "overlay is set"),
        (&format!("{other}?loop=0"), &[], "mpeg4", "only JPEG and H.264"),
        ("test:320x240@30", &[], "test picture", "this program paints it"),
    ] {
        let found = probed(source, flags);
        let (own_codec, passthrough) = (&found["codec"], &found["passthrough"]);
        assert!(own_codec.starts_with(codec), "{source}: {found:?}");
        let names_it = passthrough.starts_with("no: ") && passthrough.contains(reason);
        assert!(names_it, "{source}: {found:?}");
    }
    assert!(probed(&jpegs, &[])["passthrough"].starts_with("yes"));
}

#[test]
fn a_burst_of_stored_frames_at_the_start_does_not_count_into_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let picture = clip(folder.path(), "a.jpg", 1, &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]);
    let command = folder.path().join("camera.sh");
    let text = format!(
        "for burst in $(seq 60); do cat {picture}; done; while cat {picture}; do sleep 0.1; done"
    );
    std::fs::write(&command, text).unwrap();
    let found = probed(&format!("exec:sh {}", command.display()), &[]);
    let rate = found["rate"].split(' ').next().and_then(|fps| fps.parse::<f64>().ok());
    assert!(rate.is_some_and(|fps| (5.0..11.0).contains(&fps)), "{found:?}");
}

#[test]
fn colours_that_a_source_does_not_state_are_marked_as_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["-vf", "scale=1280:720", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0"];
    let found = probed(&clip(folder.path(), "a.mp4", 10, &options), &[]);
    assert_eq!(found["colours"], "BT.709, limited range (matrix not stated, assumed by the size)");
}

#[test]
fn a_source_that_fails_ends_the_probe_with_its_reason_and_without_its_password() {
    for (source, code, reason) in [
        ("/nowhere.mp4", 1, "not found: /nowhere.mp4"),
        ("rtsp://u:hunter2@127.0.0.1:1/x", 1, "rtsp://***:***@127.0.0.1:1/x: refused: "),
        ("exec:true", 1, "exec:true: "),
        ("ftp://u:hunter2@host/", 2, "--probe: unsupported scheme ftp://"),
    ] {
        let output = program(&["--probe", source]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{source}: {text}");
        assert!(text.contains(reason) && !text.contains("hunter2"), "{source}: {text}");
        assert!(output.stdout.is_empty(), "{source}");
    }
}
