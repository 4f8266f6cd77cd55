//! Shutdown: both programs exit within two seconds of a signal, with any clients connected.

use std::fs;
use std::io::Write;
use std::time::Duration;

use fanlight_tests::{Site, note};
use rustix::process::Signal;

/// The time limit of the tests: two seconds are documented, and a machine under load may need more to notice.
const PROMISED: Duration = Duration::from_secs(4);

fn assert_relay_exits_cleanly_on(signal: Signal) {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:1280x720@30"]);
    let relay = site.relay(&[]);
    let mut v1 = relay.viewer("cam");
    let mut plain = relay.plain_viewer("cam");
    let mut mjpeg = relay.mjpeg("cam");
    let mut idle = relay.wall();
    // One viewer stops reading, and one client never finishes its request.
    let mut stalled = relay.narrow_viewer("cam");
    let mut unfinished = relay.connect();
    unfinished.write_all(b"GET / HTTP/1.1\r\n").expect("it is connected");
    stalled.frame();
    plain.picture();
    mjpeg.part();
    // The stalled viewer's buffers fill during this time.
    v1.frames(60);
    relay.program().signal(signal);
    // All viewers read in parallel, because each close message arrives only at a viewer that reads.
    let ((v1, plain, idle), mjpeg, (code, took)) = std::thread::scope(|scope| {
        let sockets = scope.spawn(move || {
            (v1.socket().closing(), plain.socket().closing(), idle.socket().closing())
        });
        let mjpeg = scope.spawn(move || while let Ok(Some(_)) = mjpeg.try_part() {});
        let ended = relay.program().end();
        (sockets.join().expect("a close message"), mjpeg.join(), ended)
    });
    note(format!("{signal:?}: exited after {took:?}"));
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
fn a_relay_closes_its_sockets_on_sigterm() {
    assert_relay_exits_cleanly_on(Signal::TERM);
}

#[test]
fn a_relay_closes_its_sockets_on_sigint() {
    assert_relay_exits_cleanly_on(Signal::INT);
}

#[test]
fn a_relay_serves_and_exits_with_any_number_of_threads() {
    let site = Site::new();
    site.camera("cam");
    for threads in [1, 3] {
        let relay = site.relay(&["--threads", &threads.to_string()]);
        let tasks = format!("/proc/{}/task", relay.program().pid());
        let tasks = fs::read_dir(tasks).expect("it runs").flatten();
        let names = tasks.flat_map(|task| fs::read_to_string(task.path().join("comm")));
        assert_eq!(names.filter(|name| name.starts_with("viewers-")).count(), threads);
        // The viewers are of all kinds and outnumber the threads.
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
fn a_capture_exits_even_if_its_sources_are_blocked() {
    let site = Site::new();
    // The server accepts connections and then sends nothing.
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
        note(format!("{signal:?}: exited after {took:?}"));
        assert_eq!(code, Some(0));
        assert!(took < PROMISED, "{took:?}");
        relay.stop();
    }
}
