//! Recovery: any program may crash or stop responding and restart, in any order, and the video resumes without intervention.

use std::time::Instant;

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::viewer::now;
use fanlight_tests::{Site, eventually, note};
use rustix::process::Signal;

#[test]
fn a_stream_resumes_on_the_same_socket_after_its_killed_capture_restarts() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    capture.kill();
    let killed = Instant::now();
    let reason = viewer.wait_for_state(ViewerState::Offline);
    note(format!("offline {:?} after the kill: {reason}", killed.elapsed()));
    assert!(!reason.is_empty());
    let listed = relay.stream("cam");
    assert_eq!((&listed["state"], &listed["reason"]), (&"offline".into(), &reason.into()));
    let restarted = now();
    site.camera("cam");
    // Frames that were already in flight do not count.
    let back = eventually("a new frame arrives", || {
        let frame = viewer.frame();
        (frame.timecode().time > restarted).then_some(frame)
    });
    note(format!("a frame {:?} after the restart", back.seen_at.since(restarted)));
    relay.wait_until("cam", &["live"]);
}

#[test]
fn a_killed_relay_restarts_on_its_port_and_the_capture_serves_it() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frames(3);
    let address = relay.address().to_string();
    relay.program().kill();
    let restarted = Instant::now();
    let relay = site.relay_at(&address, &[]);
    relay.viewer("cam").frame();
    note(format!("a frame {:?} after the relay's restart", restarted.elapsed()));
    assert_eq!(relay.address().to_string(), address);
}

#[test]
fn relays_start_and_stop_independently_of_each_other() {
    let site = Site::new();
    // The first relay starts before any capture.
    let first = site.relay(&[]);
    let capture = site.camera("cam");
    let mut viewer = first.viewer("cam");
    viewer.frames(3);
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
fn two_relays_share_a_port() {
    let site = Site::new();
    site.camera("cam");
    let first = site.relay(&["--reuse-port"]);
    let second = site.relay_at(&first.address().to_string(), &["--reuse-port"]);
    second.wait_for("cam");
    // Either relay may answer.
    for _ in 0..8 {
        first.viewer("cam").frame();
    }
    first.program().kill();
    second.viewer("cam").frame();
}

#[test]
fn the_stream_of_a_stopped_capture_is_not_reported_as_live() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    capture.signal(Signal::STOP);
    let stopped = Instant::now();
    let reason = viewer.wait_for_state(ViewerState::Offline);
    note(format!("offline {:?} after the capture was stopped: {reason}", stopped.elapsed()));
    assert_eq!(relay.get("/streams/cam/snapshot").status, 503);
    capture.signal(Signal::CONT);
    viewer.wait_for_state(ViewerState::Live);
    viewer.frames(3);
}

#[test]
fn a_relay_that_hung_continues_with_new_frames() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    relay.program().signal(Signal::STOP);
    // Another relay is not delayed.
    site.relay(&[]).viewer("cam").frames(90);
    let resumed = now();
    relay.program().signal(Signal::CONT);
    let frames = eventually("new frames arrive", || {
        let frame = viewer.frame();
        (frame.captured_at > resumed).then(|| viewer.frames(30))
    });
    let late =
        frames.iter().filter(|frame| frame.sent_at.since(frame.captured_at).as_millis() > 500);
    assert_eq!(late.count(), 0, "the relay sent frames from a queue");
}

#[test]
fn viewers_that_disconnect_leave_no_resources_behind() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frame();
    eventually("the first viewer has disconnected", || {
        (relay.stream("cam")["viewers"] == 0).then_some(())
    });
    let open = || {
        let folder = format!("/proc/{}/fd", relay.program().pid());
        std::fs::read_dir(folder).expect("the relay runs").count()
    };
    let before = open();
    for _ in 0..40 {
        // The viewers disconnect in the middle of frames, without a close message.
        let (mut v1, mut plain, mut mjpeg) =
            (relay.viewer("cam"), relay.plain_viewer("cam"), relay.mjpeg("cam"));
        v1.frame();
        plain.picture();
        mjpeg.part();
    }
    eventually("all viewers have disconnected", || {
        (relay.stream("cam")["viewers"] == 0).then_some(())
    });
    eventually("their connections are closed", || (open() <= before + 2).then_some(()));
}
