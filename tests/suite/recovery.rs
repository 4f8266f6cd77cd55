//! Any part may die or hang and come back, in any order, and the picture returns by itself.

use std::time::Instant;

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::viewer::now;
use fanlight_tests::{Site, eventually, note};
use rustix::process::Signal;

#[test]
fn a_killed_capture_is_offline_and_its_successor_brings_the_picture_back_on_the_same_socket() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    capture.kill();
    let killed = Instant::now();
    let reason = viewer.is_told(ViewerState::Offline);
    note(format!("offline {:?} after the kill: {reason}", killed.elapsed()));
    assert!(!reason.is_empty());
    let listed = relay.stream("cam");
    assert_eq!((&listed["state"], &listed["reason"]), (&"offline".into(), &reason.into()));
    let restarted = now();
    site.camera("cam");
    // What was still on its way is not the picture we wait for.
    let back = eventually("there is a new picture", || {
        let frame = viewer.frame();
        (frame.stamp().time > restarted).then_some(frame)
    });
    note(format!("a picture again {:?} after the restart", back.seen_at.since(restarted)));
    relay.wait_until("cam", &["live"]);
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
fn a_capture_that_hangs_does_not_pass_as_live() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    capture.signal(Signal::STOP);
    let stopped = Instant::now();
    let reason = viewer.is_told(ViewerState::Offline);
    note(format!("offline {:?} after capture hung: {reason}", stopped.elapsed()));
    assert_eq!(relay.get("/streams/cam/snapshot").status, 503);
    capture.signal(Signal::CONT);
    viewer.is_told(ViewerState::Live);
    viewer.frames(3);
}

#[test]
fn a_relay_that_hung_goes_on_with_new_pictures() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    relay.program().signal(Signal::STOP);
    // Another one is not held up.
    site.relay(&[]).viewer("cam").frames(90);
    let resumed = now();
    relay.program().signal(Signal::CONT);
    let frames = eventually("new pictures come", || {
        let frame = viewer.frame();
        (frame.captured_at > resumed).then(|| viewer.frames(30))
    });
    let late =
        frames.iter().filter(|frame| frame.sent_at.since(frame.captured_at).as_millis() > 500);
    assert_eq!(late.count(), 0, "a queue was worked off");
}

#[test]
fn viewers_leave_nothing_behind() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frame();
    eventually("the first viewer is gone", || (relay.stream("cam")["viewers"] == 0).then_some(()));
    let open = || {
        let folder = format!("/proc/{}/fd", relay.program().pid());
        std::fs::read_dir(folder).expect("the relay lives").count()
    };
    let before = open();
    for _ in 0..40 {
        // They leave in the middle of pictures, without a word.
        let (mut v1, mut plain, mut mjpeg) =
            (relay.viewer("cam"), relay.plain_viewer("cam"), relay.mjpeg("cam"));
        v1.frame();
        plain.picture();
        mjpeg.part();
    }
    eventually("all are gone", || (relay.stream("cam")["viewers"] == 0).then_some(()));
    eventually("their connections are closed", || (open() <= before + 2).then_some(()));
}
