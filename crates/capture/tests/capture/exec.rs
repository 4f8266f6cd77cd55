//! Commands as sources.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fanlight_protocol::StreamState;

use crate::harness::{capture, claimed_off, painted, viewer, viewer_at};

const PICTURES: &str = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10";
const MJPEG: &str = "-c:v mjpeg -f mjpeg -";
const H264: &str = "-c:v libx264 -tune zerolatency -f h264 -";

/// A pipe with a name: its reader learns when the last process ended that writes to it.
fn pipe(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Somebody who does not end when asked to.
const DEAF: &str = "trap '' TERM; sleep 1000 &";

/// A pipeline that gives pictures, with somebody else beside it. All of its own processes name the folder, and all hold
/// its pipe `alive` open.
fn pipeline(folder: &Path, beside: &str) -> String {
    let folder = folder.display();
    let pictures = format!("{PICTURES} -metadata title={folder} {MJPEG}");
    format!("exec 9>{folder}/alive; {beside} {pictures} | tee {folder}/copy")
}

/// Waits until all of them have ended.
fn until_over(alive: &mut File) {
    alive.read_to_end(&mut Vec::new()).unwrap();
}

/// The processes whose arguments name this folder.
fn processes(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ")
    };
    std::fs::read_dir("/proc").unwrap().map(of).filter(|line| line.contains(name)).collect()
}

#[test]
fn a_command_runs_while_it_is_watched_and_not_before_or_after() {
    let folder = tempfile::tempdir().unwrap();
    let alive = pipe(folder.path(), "alive");
    let capture = capture(&[&format!("cam=exec:{}", pipeline(folder.path(), DEAF))]);
    let mut viewer = viewer(&capture);
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!((entry.tracks[0].width, entry.tracks[0].published), (0, 0));
    assert!(entry.source.starts_with("exec:exec 9>"), "{}", entry.source);
    assert!(!folder.path().join("copy").exists() && processes(folder.path()).is_empty());
    viewer.watch("cam");
    let mut alive = File::open(&alive).unwrap();
    viewer.frames("cam", 5);
    assert_eq!(processes(folder.path()).len(), 3, "a shell, ffmpeg and tee");
    viewer.unwatch("cam");
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!((entry.tracks[0].width, entry.tracks[0].height), (320, 180));
    until_over(&mut alive);
    assert_eq!(processes(folder.path()), [""; 0]);
}

#[test]
fn the_end_of_a_capture_is_that_of_its_commands_even_of_those_who_do_not_listen() {
    for beside in ["", DEAF] {
        let folder = tempfile::tempdir().unwrap();
        let alive = pipe(folder.path(), "alive");
        let capture = capture(&[&format!("cam=exec:{}", pipeline(folder.path(), beside))]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let mut alive = File::open(&alive).unwrap();
        viewer.frames("cam", 1);
        let took = capture.stop();
        assert!(took < Duration::from_secs(2), "{beside}: {took:?}");
        until_over(&mut alive);
        assert_eq!(processes(folder.path()), [""; 0]);
    }
}

/// The children of a process, those among them that ended and were not taken leave of.
fn children(process: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
    };
    tasks.map(of).collect()
}

#[test]
fn a_capture_takes_leave_of_every_process_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(folder.path(), "alive");
    let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
    let stream = format!("cam=exec:{}", pipeline(folder.path(), ""));
    let mut program = Command::new(env!("CARGO_BIN_EXE_fanlight-capture"))
        .args(["--stream", &stream, "--publish", &endpoint])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut viewer = viewer_at(&endpoint);
    for _ in 0..2 {
        viewer.watch("cam");
        let mut alive = File::open(&path).unwrap();
        viewer.frames("cam", 1);
        let children = children(program.id());
        assert_eq!(children.split_whitespace().count(), 2, "a guard and a shell: {children}");
        viewer.unwatch("cam");
        until_over(&mut alive);
    }
    program.kill().unwrap();
    program.wait().unwrap();
}

#[test]
fn a_command_that_is_kept_open_runs_without_viewers() {
    let capture = capture(&[&format!("cam=exec:{PICTURES} {MJPEG}#keep-open=true")]);
    let mut viewer = viewer(&capture);
    let entry = viewer.until("cam", StreamState::Idle);
    assert_eq!((entry.tracks[0].width, entry.tracks[0].height), (320, 180));
}

#[test]
fn a_capture_that_is_killed_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let alive = pipe(folder.path(), "alive");
    let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
    let stream = format!("cam=exec:{} > /dev/null", pipeline(folder.path(), DEAF));
    let mut program = Command::new(env!("CARGO_BIN_EXE_fanlight-capture"))
        .args(["--stream", &stream, "--publish", &endpoint])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It writes nothing to us, so that no broken pipe ends it.
    let mut viewer = viewer_at(&endpoint);
    viewer.watch("cam");
    let mut alive = File::open(&alive).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    until_over(&mut alive);
    let left = processes(folder.path());
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_jpeg_is_given_at_its_last_byte_and_is_as_old_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(folder.path(), "pictures");
    let capture = capture(&[&format!("cam=exec:cat {}", path.display())]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let mut pipe = File::create(&path).unwrap();
    let mut frames = Vec::new();
    for jpeg in painted("640x360@10").take(15) {
        pipe.write_all(&jpeg).unwrap();
        // The next one is not written before this one is seen.
        frames.extend(viewer.frames("cam", 1));
    }
    let off = claimed_off(&frames);
    assert!(off.abs() < 33_000, "claimed age is off by {off} µs");
}

#[test]
fn h264_and_multipart_text_are_read_too() {
    let streams = [
        format!("h264=exec:{PICTURES} {H264}"),
        format!("parts=exec:{PICTURES} -c:v mjpeg -f mpjpeg - | cat"),
    ];
    let capture = capture(&[&streams[0], &streams[1]]);
    let mut viewer = viewer(&capture);
    for stream in ["h264", "parts"] {
        viewer.watch(stream);
        let frames = viewer.frames(stream, 20);
        let took = frames[19].meta.captured_at().micros_from(frames[10].meta.captured_at());
        assert!((500_000..1_500_000).contains(&took), "{stream}: 9 intervals in {took} µs");
        assert_eq!(frames[0].meta.size(), (320, 180));
        viewer.unwatch(stream);
    }
}

#[test]
fn a_command_that_fails_says_why() {
    let capture = capture(&[
        "missing=exec:/nowhere/camera --fast",
        "says=exec:echo rtsp://u:hunter2@host: no such camera >&2; exit 3",
        "text=exec:echo hello",
        "killed=exec:kill -9 $$",
    ]);
    let mut viewer = viewer(&capture);
    let mut reason = |stream| {
        viewer.until(stream, StreamState::Idle);
        viewer.watch(stream);
        viewer.until_offline(stream).reason
    };
    let missing = reason("missing");
    assert!(missing.starts_with("not found: the command (code 127): "), "{missing}");
    let says = reason("says");
    assert_eq!(says, "the command ended with code 3: rtsp://***:***@host: no such camera");
    let text = reason("text");
    assert!(text.contains("neither JPEG nor H.264 (begins with \"hello"), "{text}");
    let killed = reason("killed");
    assert!(killed.starts_with("the command was killed by signal 9"), "{killed}");
}

#[test]
fn a_command_that_falls_silent_is_stalled_and_started_again() {
    let pictures = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=30 -frames:v 20";
    let capture = capture(&[&format!("cam=exec:{pictures} {MJPEG}; sleep 1000")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let reason = viewer.until_offline("cam").reason;
    assert!(reason.starts_with("no picture for 2."), "{reason}");
    viewer.until("cam", StreamState::Live);
}

#[test]
fn a_command_that_ends_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.jpg");
    std::fs::write(&file, painted("320x180@30").next().unwrap()).unwrap();
    let capture = capture(&[&format!("cam=exec:cat {}", file.display())]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 3);
}
