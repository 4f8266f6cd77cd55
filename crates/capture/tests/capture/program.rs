//! The program, run as users run it.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fanlight_protocol::StreamState;

use crate::harness::viewer_at;

/// The program with these arguments, and no options from the environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanlight-capture"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FANLIGHT_")) {
        command.env_remove(name);
    }
    command
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn signals_end_it_with_code_0_within_two_seconds() {
    for name in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
        let streams = ["--stream", "cam=test", "--stream", "gone=/nowhere.mp4"];
        let child = program(&streams).args(["--publish", &endpoint]).spawn().unwrap();
        viewer_at(&endpoint).until("cam", StreamState::Idle);
        let requested = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert!(requested.elapsed() < Duration::from_secs(2), "{:?}", requested.elapsed());
        assert_eq!(ended(&output).0, Some(0), "{}", ended(&output).1);
    }
}

#[test]
fn an_invalid_option_ends_it_with_code_2_and_a_reason() {
    let output = program(&["--stream", "cam=rtsp://u:hunter2@host:99999/"]).output().unwrap();
    let (code, text) = ended(&output);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--stream cam") && text.contains("port"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn two_captures_cannot_publish_at_one_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
    let arguments = ["--stream", "cam=test", "--publish", &endpoint];
    let mut first = program(&arguments).spawn().unwrap();
    viewer_at(&endpoint).until("cam", StreamState::Idle);
    let second = program(&arguments).output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let (code, text) = ended(&second);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("in use"), "{text}");
}

#[test]
fn a_configuration_file_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capture.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        ended(&program(&["--config", path, "--check-config"]).output().unwrap())
    };
    let (code, text) = check("[streams]\na = 'test'\nb = { source = 'clip.mp4', quality = 70 }");
    assert_eq!(code, Some(0), "{text}");
    let camera = |more| format!("[streams]\nc = {{ source = '0', size = '640x480', {more} }}");
    let well =
        camera("fps = 15, format = 'YUYV', controls = { focus_absolute = 4, led1_mode = true }");
    assert_eq!(check(&well).0, Some(0), "{}", check(&well).1);
    let (code, text) = check(&camera("controls = { focus_absolute = 'far' }"));
    assert_eq!(code, Some(2));
    assert!(text.contains("focus_absolute") && text.contains("whole number"), "{text}");
    let (code, text) = check("[streams]\nb = { source = 'clip.mp4', qualty = 70 }");
    assert_eq!(code, Some(2));
    assert!(text.contains("streams.b") && text.contains("qualty"), "{text}");
}

#[test]
fn help_states_the_limits() {
    let output = program(&["--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for limit in [
        "streams: 128",
        "16 to 8192 pixels",
        "16 MiB",
        "5 s to connect",
        "32 MiB from a host",
        "URL: 4000",
    ] {
        assert!(help.contains(limit), "{limit}: {help}");
    }
}

#[test]
fn listing_webcams_needs_no_stream() {
    let output = program(&["--list-devices"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--stream "));
}
