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

/// Creates a named pipe. Its reader reaches the end when the last process that writes to it has ended.
fn pipe(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A process that ignores SIGTERM.
const IGNORES_TERM: &str = "trap '' TERM; sleep 1000 &";

/// Returns a pipeline that writes video, with another process `beside` it. All processes of the pipeline name the
/// folder, and hold its pipe `alive` open.
fn pipeline(folder: &Path, beside: &str) -> String {
    let folder = folder.display();
    let pictures = format!("{PICTURES} -metadata title={folder} {MJPEG}");
    format!("exec 9>{folder}/alive; {beside} {pictures} | tee {folder}/copy")
}

/// Waits until all processes that write to the pipe have ended.
fn until_ended(alive: &mut File) {
    alive.read_to_end(&mut Vec::new()).unwrap();
}

/// Returns the processes whose arguments name this folder.
fn processes(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ")
    };
    std::fs::read_dir("/proc").unwrap().map(of).filter(|line| line.contains(name)).collect()
}

#[test]
fn a_command_runs_only_while_it_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let alive = pipe(folder.path(), "alive");
    let capture = capture(&[&format!("cam=exec:{}", pipeline(folder.path(), IGNORES_TERM))]);
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
    until_ended(&mut alive);
    assert_eq!(processes(folder.path()), [""; 0]);
}

#[test]
fn a_capture_ends_its_commands_even_those_that_ignore_sigterm() {
    for beside in ["", IGNORES_TERM] {
        let folder = tempfile::tempdir().unwrap();
        let alive = pipe(folder.path(), "alive");
        let capture = capture(&[&format!("cam=exec:{}", pipeline(folder.path(), beside))]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let mut alive = File::open(&alive).unwrap();
        viewer.frames("cam", 1);
        let took = capture.stop();
        assert!(took < Duration::from_secs(2), "{beside}: {took:?}");
        until_ended(&mut alive);
        assert_eq!(processes(folder.path()), [""; 0]);
    }
}

/// Returns the children of a process, including those that ended and were not waited for.
fn children(process: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
    };
    tasks.map(of).collect()
}

#[test]
fn a_capture_waits_for_each_process_that_it_started() {
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
        until_ended(&mut alive);
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
    let stream = format!("cam=exec:{} > /dev/null", pipeline(folder.path(), IGNORES_TERM));
    let mut program = Command::new(env!("CARGO_BIN_EXE_fanlight-capture"))
        .args(["--stream", &stream, "--publish", &endpoint])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It writes no output, so that no broken pipe ends it.
    let mut viewer = viewer_at(&endpoint);
    viewer.watch("cam");
    let mut alive = File::open(&alive).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    until_ended(&mut alive);
    let left = processes(folder.path());
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_jpeg_is_delivered_at_its_last_byte_with_its_true_capture_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(folder.path(), "pictures");
    let capture = capture(&[&format!("cam=exec:cat {}", path.display())]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let mut pipe = File::create(&path).unwrap();
    let mut frames = Vec::new();
    for jpeg in painted("640x360@10").take(15) {
        pipe.write_all(&jpeg).unwrap();
        // The next JPEG is written only after this one was received.
        frames.extend(viewer.frames("cam", 1));
    }
    let off = claimed_off(&frames);
    assert!(off.abs() < 33_000, "the frame age is off by {off} µs");
}

#[test]
fn h264_and_multipart_streams_are_read() {
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
fn the_reason_of_a_failed_command_is_reported() {
    let capture = capture(&[
        "missing=exec:/nowhere/camera --fast",
        "prints=exec:echo rtsp://u:hunter2@host: no such camera >&2; exit 3",
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
    let prints = reason("prints");
    assert_eq!(prints, "the command exited with code 3: rtsp://***:***@host: no such camera");
    let text = reason("text");
    assert!(text.contains("neither JPEG nor H.264 (starts with \"hello"), "{text}");
    let killed = reason("killed");
    assert!(killed.starts_with("the command was killed by signal 9"), "{killed}");
}

#[test]
fn a_silent_command_is_stalled_and_restarted() {
    let pictures = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=30 -frames:v 20";
    let capture = capture(&[&format!("cam=exec:{pictures} {MJPEG}; sleep 1000")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let reason = viewer.until_offline("cam").reason;
    assert!(reason.starts_with("no picture for 2."), "{reason}");
    viewer.until("cam", StreamState::Live);
}

#[test]
fn a_command_that_ends_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.jpg");
    std::fs::write(&file, painted("320x180@30").next().unwrap()).unwrap();
    let capture = capture(&[&format!("cam=exec:cat {}", file.display())]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 3);
}
