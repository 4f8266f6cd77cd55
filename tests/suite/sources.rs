//! Sources that fail, end and reconnect.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use fanlight_protocol::viewer::{FromRelay, ListedState, ViewerState};
use fanlight_tests::clip::{self, Encoding};
use fanlight_tests::http_camera::HttpCamera;
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::site::free_port;
use fanlight_tests::viewer::{Received, now};
use fanlight_tests::{Site, eventually, note, picture};
use fanlight_timecode::Timecode;

#[test]
fn a_stream_that_fails_reports_the_reason_and_the_others_continue() {
    let site = Site::new();
    let nobody = free_port();
    // The server accepts connections and then sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().expect("it is bound");
    let (locked, empty) =
        (HttpCamera::refusing("401 Unauthorized"), HttpCamera::refusing("404 Not Found"));
    fs::write(site.path("text.mp4"), "no video").expect("the site's folder is ours");
    let streams = [
        ("cam", "test:320x180@30".to_owned(), ""),
        ("missing", "missing.mp4".to_owned(), "not found: missing.mp4"),
        ("text", "text.mp4".to_owned(), "not a video"),
        ("folder", "/tmp".to_owned(), "is a folder"),
        ("webcam", "/dev/video99".to_owned(), "not found: /dev/video99"),
        ("nobody", format!("rtsp://127.0.0.1:{nobody}/video"), "refused"),
        ("silent", format!("rtsp://{silent}/video"), "timed out"),
        ("mute", format!("http://{silent}/video"), "timed out"),
        ("locked", locked.url(), "login required"),
        ("empty", empty.url(), "not found"),
        ("nowhere", "http://camera.invalid/video".to_owned(), "host not found"),
    ];
    let arguments: Vec<String> = streams
        .iter()
        .flat_map(|(name, source, _)| ["--stream".into(), format!("{name}={source}")])
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let capture = site.capture(&arguments);
    let relay = site.relay(&[]);
    let mut cam = relay.viewer("cam");
    for (stream, _, words) in &streams[1..] {
        let reason = eventually(&format!("{stream} is offline: {words}"), || {
            // The stream that works delivers frames all the time.
            cam.frame();
            let reason = relay.wait_until(stream, &["offline"]);
            reason.contains(words).then_some(reason)
        });
        note(format!("{stream}: {reason}"));
    }
    // The capture logs each change once, not each retry.
    let lines = capture.log().lines().filter(|line| line.contains("stream=nobody")).count();
    assert_eq!(lines, 1, "{}", capture.log());
    // A viewer can still watch the failed stream, and gets the reason.
    let mut viewer = relay.wall();
    viewer.watch(7, "missing");
    assert!(viewer.wait_for_state(ViewerState::Offline).contains("not found"));
    let snapshot = relay.get("/streams/missing/snapshot");
    assert_eq!((snapshot.status, snapshot.header("content-type")), (503, "image/jpeg"));
    assert!(!snapshot.header("retry-after").is_empty());
    assert!(image::load_from_memory(&snapshot.body).is_ok());
}

#[test]
fn a_file_that_is_not_looped_ends() {
    let site = Site::new();
    let clip = site.path("clip.mp4");
    clip::make(&clip, Encoding::H264, 60);
    let relay = site.relay(&[]);
    site.capture(&["--stream", &format!("cam={}?loop=0", clip.display())]);
    let mut viewer = relay.viewer("cam");
    // The last frame and the state `ended` arrive in any order.
    let (mut last, mut ended) = (0, false);
    while !(ended && last == 59) {
        match viewer.receive() {
            Received::Frame(frame) => last = frame.timecode().number,
            Received::Message(FromRelay::State { state, .. }) => {
                ended = state == ViewerState::Ended;
            }
            Received::Message(_) => {}
        }
    }
    relay.wait_until("cam", &["ended"]);
}

#[test]
fn a_looped_file_restarts_at_its_end() {
    let site = Site::new();
    let clip = site.path("clip.avi");
    clip::make(&clip, Encoding::Mjpeg, 30);
    site.capture(&["--stream", &format!("cam={}", clip.display())]);
    let relay = site.relay(&[]);
    let frames = relay.viewer("cam").frames(75);
    let numbers: Vec<u32> = frames.iter().map(|frame| frame.timecode().number).collect();
    let steps = numbers.windows(2).map(|pair| (pair[1] + 30 - pair[0]) % 30);
    // A delayed capture skips some frames instead of publishing all of them late.
    assert!(steps.clone().all(|step| (1..10).contains(&step)), "{numbers:?}");
    assert!(steps.sum::<u32>() >= 60, "the clip restarted twice: {numbers:?}");
}

#[test]
fn the_stream_of_an_unplugged_camera_resumes_when_it_is_plugged_in_again() {
    let site = Site::new();
    let camera = RtspCamera::switch_on(&site, 0, None);
    site.capture(&["--stream", &format!("cam={}", camera.url())]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frames(3);
    camera.switch_off();
    let reason = viewer.wait_for_state(ViewerState::Offline);
    note(format!("without its camera: {reason}"));
    let port = camera.port();
    RtspCamera::switch_on(&site, 0, Some(port));
    viewer.wait_for_state(ViewerState::Live);
    viewer.frames(3);
}

#[test]
fn a_camera_whose_clock_jumps_is_reported_and_stays_live() {
    let site = Site::new();
    let camera = RtspCamera::with_unsteady_clock(&site);
    let capture = site.capture(&["--stream", &format!("cam={}", camera.url())]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frames(3);
    assert_eq!(relay.metric("fanlight_stream_clock_fault{stream=\"cam\"}"), 0);
    // The camera sends its time every few seconds. The first one must come before the jump.
    let first = viewer.frame().captured_at;
    while viewer.frame().captured_at.since(first) < Duration::from_secs(8) {}
    camera.let_clock_jump();
    viewer.send_text(r#"{"type":"list"}"#);
    let is_reported = |message: &FromRelay| match message {
        FromRelay::Streams { streams, .. } => {
            let cam = streams.iter().find(|stream| stream.name.as_str() == "cam")?;
            (cam.reason == "camera's clock jumps").then_some(cam.state)
        }
        _ => None,
    };
    let state = viewer.until("the reason", is_reported);
    assert_eq!(state, ListedState::Live);
    assert_eq!(relay.metric("fanlight_stream_clock_fault{stream=\"cam\"}"), 1);
    assert!(capture.log().contains("camera's clock jumps: by 30.0 s"), "{}", capture.log());
    viewer.frames(3);
}

#[test]
fn the_stream_of_a_silent_camera_is_offline_until_the_camera_sends_again() {
    let site = Site::new();
    let camera = HttpCamera::switch_on();
    site.capture(&["--stream", &format!("cam={}", camera.url())]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frames(3);
    camera.freeze(true);
    let reason = viewer.wait_for_state(ViewerState::Offline);
    note(format!("a silent camera: {reason}"));
    assert_eq!(
        relay.get("/streams/cam/snapshot").status,
        503,
        "the relay does not serve an old picture as a new one"
    );
    camera.freeze(false);
    viewer.wait_for_state(ViewerState::Live);
    viewer.frames(3);
}

#[test]
fn a_camera_with_a_picture_every_few_seconds_is_shown_without_no_signal_pictures_between_them() {
    let site = Site::new();
    let picture = picture::jpeg(Timecode { number: 1, time: now() });
    fs::write(site.path("picture.jpg"), &picture).expect("the site's folder is ours");
    let source = "exec:while cat picture.jpg; do sleep 5.5; done";
    site.capture(&["--stream", &format!("cam={source}#frozen=off")]);
    let relay = site.relay(&[]);
    let mut viewer = relay.mjpeg("cam");
    let mut is_the_cameras = || viewer.part().payload == picture;
    // Its interval is known after three pictures.
    let mut seen = 0;
    while seen < 3 {
        seen += usize::from(is_the_cameras());
    }
    assert!((0..2).all(|_| is_the_cameras()));
}
