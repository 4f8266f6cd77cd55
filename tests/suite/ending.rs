//! Asked to end, both programs are gone within two seconds, whoever is connected.

use std::fs;
use std::io::Write;
use std::time::Duration;

use fanlight_tests::{Site, note};
use rustix::process::Signal;

/// Two seconds are promised; a machine under load may need a little more to notice.
const PROMISED: Duration = Duration::from_secs(4);

fn a_relay_ends_well_on(signal: Signal) {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:1280x720@30"]);
    let relay = site.relay(&[]);
    let mut v1 = relay.viewer("cam");
    let mut plain = relay.plain_viewer("cam");
    let mut mjpeg = relay.mjpeg("cam");
    let mut idle = relay.wall();
    // One that takes nothing any more, and one with a request that is never finished.
    let mut stalled = relay.narrow_viewer("cam");
    let mut unfinished = relay.connect();
    unfinished.write_all(b"GET / HTTP/1.1\r\n").expect("it is connected");
    stalled.frame();
    plain.picture();
    mjpeg.part();
    // Time for the stalled one's buffers to fill.
    v1.frames(60);
    relay.program().signal(signal);
    // All at once: each must be read for the goodbye to arrive.
    let ((v1, plain, idle), mjpeg, (code, took)) = std::thread::scope(|scope| {
        let sockets = scope.spawn(move || {
            (v1.socket().closing(), plain.socket().closing(), idle.socket().closing())
        });
        let mjpeg = scope.spawn(move || while let Ok(Some(_)) = mjpeg.try_part() {});
        let ended = relay.program().end();
        (sockets.join().expect("told"), mjpeg.join(), ended)
    });
    note(format!("{signal:?}: gone after {took:?}"));
    for (code, reason) in [v1, plain, idle] {
        assert_eq!(code, 1001, "{reason}");
        assert!(!reason.is_empty());
    }
    assert!(mjpeg.is_ok());
    assert_eq!(code, Some(0));
    assert!(took < PROMISED, "{took:?}");
    drop((stalled, unfinished));
}

#[test]
fn a_relay_says_goodbye_when_it_is_terminated() {
    a_relay_ends_well_on(Signal::TERM);
}

#[test]
fn a_relay_says_goodbye_when_it_is_interrupted() {
    a_relay_ends_well_on(Signal::INT);
}

#[test]
fn any_number_of_threads_serves_and_ends() {
    let site = Site::new();
    site.camera("cam");
    for threads in [1, 3] {
        let relay = site.relay(&["--threads", &threads.to_string()]);
        let tasks = format!("/proc/{}/task", relay.program().pid());
        let tasks = fs::read_dir(tasks).expect("it runs").flatten();
        let names = tasks.flat_map(|task| fs::read_to_string(task.path().join("comm")));
        assert_eq!(names.filter(|name| name.starts_with("viewers-")).count(), threads);
        // More than threads, and of all kinds.
        let mut viewers: Vec<_> = (0..4).map(|_| relay.viewer("cam")).collect();
        let (mut plain, mut mjpeg) = (relay.plain_viewer("cam"), relay.mjpeg("cam"));
        for _ in 0..10 {
            viewers.iter_mut().for_each(|viewer| drop(viewer.frame()));
            plain.picture();
            mjpeg.part();
        }
        let (code, took) = relay.stop();
        assert_eq!(code, Some(0));
        assert!(took < PROMISED, "{took:?}");
    }
}

#[test]
fn a_capture_ends_whatever_its_sources_do() {
    let site = Site::new();
    // It accepts, and then says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().expect("it is bound");
    for signal in [Signal::TERM, Signal::INT] {
        let capture = site.capture(&[
            "--stream",
            "cam=test:320x180@30",
            "--stream",
            &format!("rtsp=rtsp://{silent}/video"),
            "--stream",
            &format!("http=http://{silent}/video"),
        ]);
        let relay = site.relay(&[]);
        relay.viewer("cam").frames(10);
        capture.signal(signal);
        let (code, took) = capture.end();
        note(format!("{signal:?}: gone after {took:?}"));
        assert_eq!(code, Some(0));
        assert!(took < PROMISED, "{took:?}");
        relay.stop();
    }
}
