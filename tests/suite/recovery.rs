//! Any part may die and come back, in any order, and the picture returns by itself.

use std::time::Instant;

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::clip::{self, Coding};
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::site::free_port;
use fanlight_tests::{Site, note};

#[test]
fn a_killed_capture_is_offline_and_its_successor_brings_the_picture_back_on_the_same_socket() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    let before = viewer.frame().stamp();
    capture.kill();
    let killed = Instant::now();
    let reason = viewer.is_told(ViewerState::Offline);
    note(format!("offline {:?} after the kill: {reason}", killed.elapsed()));
    assert!(!reason.is_empty());
    let listed = relay.stream("cam");
    assert_eq!(
        (listed["state"].as_str(), listed["reason"].as_str()),
        (Some("offline"), Some(reason.as_str()))
    );
    let restarted = Instant::now();
    site.camera("cam");
    let after = viewer.frame().stamp();
    note(format!("a picture again {:?} after the restart", restarted.elapsed()));
    assert!(after.time > before.time, "a new picture, not the last one again");
    viewer.is_told(ViewerState::Live);
}

#[test]
fn a_killed_relay_comes_back_on_its_port_and_the_capture_serves_it() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frames(3);
    let address = relay.address().to_string();
    relay.program().kill();
    let restarted = Instant::now();
    let relay = site.relay_at(&address, &[]);
    relay.viewer("cam").frame();
    note(format!("a picture {:?} after the relay's restart", restarted.elapsed()));
    assert_eq!(relay.address().to_string(), address);
}

#[test]
fn relays_come_and_go_beside_each_other() {
    let site = Site::new();
    // Before there is any capture.
    let first = site.relay(&[]);
    let capture = site.camera("cam");
    let mut at_first = first.viewer("cam");
    at_first.frames(3);
    let second = site.relay(&[]);
    second.viewer("cam").frames(3);
    assert_eq!(first.stop().0, Some(0));
    second.viewer("cam").frames(3);
    let third = site.relay(&[]);
    third.viewer("cam").frames(3);
    capture.terminate();
    assert_eq!(capture.end().0, Some(0));
    third.wait_until("cam", &["offline"]);
    site.camera("cam");
    second.viewer("cam").frames(3);
    third.viewer("cam").frames(3);
}

#[test]
fn relays_share_a_port() {
    let site = Site::new();
    site.camera("cam");
    let first = site.relay(&["--reuse-port"]);
    let second = site.relay_at(&first.address().to_string(), &["--reuse-port"]);
    second.wait_for("cam");
    // Whichever of them answers.
    for _ in 0..8 {
        first.viewer("cam").frame();
    }
    first.program().kill();
    second.viewer("cam").frame();
}

#[test]
fn captures_simply_appear() {
    let site = Site::new();
    let relay = site.relay(&[]);
    assert_eq!(relay.get("/readyz").status, 503);
    site.camera("one");
    relay.viewer("one").frame();
    assert_eq!(relay.get("/readyz").status, 200);
    site.camera("two");
    relay.viewer("two").frame();
    assert_eq!(relay.stream("one")["name"], "one");
}

#[test]
fn the_first_capture_keeps_a_name_and_the_second_takes_over() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let first = site.capture(&["--stream", "cam=test:320x180@30"]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    site.capture(&["--stream", "cam=test:160x90@30"]);
    relay.program().says("second publisher");
    let width = |jpeg: &[u8]| image::load_from_memory(jpeg).expect("a JPEG").width();
    assert!(viewer.frames(30).iter().all(|frame| width(&frame.payload) == 320));
    first.kill();
    let taken_over = (0..300).any(|_| width(&viewer.frame().payload) == 160);
    assert!(taken_over, "the second one's pictures come");
}

#[test]
fn one_stream_fails_in_words_and_the_others_go_on() {
    let site = Site::new();
    let refused = free_port();
    site.capture(&[
        "--stream",
        "cam=test:320x180@30",
        "--stream",
        "file=missing.mp4",
        "--stream",
        &format!("url=rtsp://127.0.0.1:{refused}/video"),
        "--stream",
        "webcam=/dev/video99",
    ]);
    let relay = site.relay(&[]);
    for (stream, words) in [("file", "not found"), ("url", "refused"), ("webcam", "not found")] {
        let mut reason = String::new();
        while !reason.contains(words) {
            // At first it may still be opening.
            reason = relay.wait_until(stream, &["offline"]);
        }
        note(format!("{stream}: {reason}"));
    }
    relay.viewer("cam").frames(30);
    // Known and connectable all the same, and told the reason.
    let mut viewer = relay.wall();
    viewer.watch(7, "file");
    assert!(viewer.is_told(ViewerState::Offline).contains("not found"));
    let snapshot = relay.get("/streams/file/snapshot");
    assert_eq!((snapshot.status, snapshot.header("content-type")), (503, "image/jpeg"));
    assert!(!snapshot.header("retry-after").is_empty());
    assert!(image::load_from_memory(&snapshot.body).is_ok());
}

#[test]
fn a_file_that_is_not_looped_ends() {
    let site = Site::new();
    let clip = site.path("clip.mp4");
    clip::make(&clip, Coding::H264, 60);
    let relay = site.relay(&[]);
    site.capture(&["--stream", &format!("cam={}?loop=0", clip.display())]);
    let mut viewer = relay.viewer("cam");
    let mut last = 0;
    let reason =
        loop {
            match viewer.hear() {
                fanlight_tests::viewer::News::Frame(frame) => last = frame.stamp().number,
                fanlight_tests::viewer::News::Word(
                    fanlight_protocol::viewer::FromRelay::State { state, reason, .. },
                ) if state == ViewerState::Ended => {
                    break reason;
                }
                fanlight_tests::viewer::News::Word(_) => {}
            }
        };
    note(format!("ended after number {last}: {reason:?}"));
    assert_eq!(last, 59, "the last picture of the file is shown");
    relay.wait_until("cam", &["ended"]);
}

#[test]
fn a_file_that_is_looped_begins_again() {
    let site = Site::new();
    let clip = site.path("clip.avi");
    clip::make(&clip, Coding::Mjpeg, 30);
    site.capture(&["--stream", &format!("cam={}", clip.display())]);
    let relay = site.relay(&[]);
    let frames = relay.viewer("cam").frames(75);
    let numbers: Vec<u32> = frames.iter().map(|frame| frame.stamp().number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 30), "{numbers:?}");
}

#[test]
fn a_camera_that_is_unplugged_comes_back() {
    let site = Site::new();
    let camera = RtspCamera::switch_on(&site, 0, None);
    site.capture(&["--stream", &format!("cam={}", camera.url())]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frames(3);
    camera.switch_off();
    let reason = viewer.is_told(ViewerState::Offline);
    note(format!("without its camera: {reason}"));
    let port = camera.port();
    RtspCamera::switch_on(&site, 0, Some(port));
    viewer.is_told(ViewerState::Live);
    viewer.frames(3);
}

#[test]
fn a_capture_elsewhere_is_followed_over_tcp() {
    let site = Site::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    // Before the capture is there.
    let relay = site.relay(&["--subscribe", &endpoint]);
    assert_eq!(relay.get("/readyz").status, 503);
    site.capture(&["--publish", &endpoint, "--stream", "cam=test:320x180@30"]);
    relay.viewer("cam").frames(30);
    assert_eq!(relay.get("/readyz").status, 200);
}

#[test]
fn rubbish_on_the_bus_harms_nobody() {
    use std::io::Write;
    let site = Site::new();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let capture = site.capture(&["--publish", &endpoint, "--stream", "cam=test:320x180@30"]);
    let relay = site.relay(&["--subscribe", &endpoint]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    // The greeting of ZMTP 3.0 (RFC 23), so that what follows is looked at.
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x04XSUB";
    let user_message = |body: &[u8]| [&[0, body.len() as u8], body].concat();
    for rubbish in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 65536],
        greeting.clone(),
        [&greeting[..], &[0xff; 4096]].concat(),
        [
            &greeting[..],
            ready,
            &user_message(b"\x02"),
            &user_message(&[2; 200]),
            &user_message(&[9; 99]),
        ]
        .concat(),
        // A subscription to everything, and a message of 2^63 bytes.
        [
            &greeting[..],
            ready,
            &user_message(b"\x01"),
            &[2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ]
        .concat(),
    ] {
        let mut stranger =
            std::net::TcpStream::connect(("127.0.0.1", port)).expect("the capture listens");
        // It may be thrown out at any byte.
        let _ = stranger.write_all(&rubbish);
        viewer.frames(5);
    }
    assert!(capture.ended().is_none() && relay.program().ended().is_none());
    viewer.frames(30);
    assert_eq!(relay.metric("fanlight_frames_lost_total{stream=\"cam\"}"), 0);
}
