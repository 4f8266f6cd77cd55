//! A relay under attack or short of resources: few descriptors, a log that nothing reads, wrong tokens, a process that
//! was stopped.

use std::io::Write;
use std::time::{Duration, Instant};

use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::relay::V1;
use fanlight_tests::viewer::{Frame, Received, now};
use fanlight_tests::{Bystander, Relay, Site, eventually, note};
use rustix::process::Signal;

const TOKEN: &str = "open-sesame-42";

/// Connects MJPEG viewers until the relay refuses one; returns the accepted viewers and the refusal.
fn fill(relay: &Relay, stream: &str, most: usize) -> (Vec<impl Sized>, String) {
    let mut viewers = Vec::new();
    while viewers.len() < most {
        let path = format!("/streams/{stream}/mjpeg");
        let mut answer = relay.open(&path, &[]);
        match answer.status().as_u16() {
            200 => viewers.push(answer),
            status => {
                assert_eq!(status, 503);
                return (viewers, answer.body_mut().read_to_string().expect("a text"));
            }
        }
    }
    panic!("{most} viewers were accepted and none was refused");
}

#[test]
fn under_a_small_limit_of_open_files_a_restarted_capture_is_still_followed() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay_with_files(128, &[]);
    let warning = relay.program().says("too few open files");
    assert!(warning.contains("ulimit -n") && warning.contains("LimitNOFILE="), "{warning}");
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    let (_viewers, refusal) = fill(&relay, "cam", 128);
    note(format!("{} viewers within 128 open files: {refusal}", _viewers.len() + 1));
    assert!(_viewers.len() > 30 && refusal.contains("ulimit -n"), "{refusal}");
    // Further connections are refused, too, and take no descriptors from the bus.
    let surplus: Vec<_> = (0..100).map(|_| relay.connect()).collect();
    capture.kill();
    viewer.wait_for_state(ViewerState::Offline);
    let restarted = now();
    site.camera("cam");
    eventually("there is a new picture", || {
        (viewer.frame().timecode().time > restarted).then_some(())
    });
    drop(surplus);
    eventually("the relay notices that the connections are closed", || {
        (relay.get("/healthz").status == 200).then_some(())
    });
}

#[test]
fn a_relay_with_too_few_descriptors_does_not_start() {
    let site = Site::new();
    let mut command =
        site.command("/bin/sh", &["-c", "ulimit -n 24 && exec \"$0\" --listen 127.0.0.1:0"]);
    command.arg(fanlight_tests::site::binary("fanlight-relay"));
    let ended = fanlight_tests::program::run(command);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("24 open files") && ended.stderr.contains("ulimit -n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_log_that_nothing_reads_delays_no_frame_and_its_dropped_lines_are_counted() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--log-level", "debug"]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    relay.program().pause_reading();
    // Each connection logs its own line, because each has its own port. 1500 lines are more than pipe and queue hold.
    for _ in 0..1500 {
        let mut stream = relay.connect();
        let _ = stream.write_all(b"rubbish\r\n\r\n");
    }
    assert_eq!(relay.get("/healthz").status, 200);
    let begun = Instant::now();
    viewer.frames(60);
    note(format!("60 frames in {:.2?} while nothing reads the log", begun.elapsed()));
    let ages = viewer.frames(30).iter().map(Frame::age).max();
    assert!(ages < Some(Duration::from_secs(5)), "{ages:?}");
    relay.program().resume_reading();
    let line = relay.program().says("dropped: stderr was not read fast enough");
    note(&line);
    let line: serde_json::Value = serde_json::from_str(&line).expect("one JSON object a line");
    assert!(line["dropped"].as_u64().is_some_and(|count| count > 0), "{line}");
}

#[test]
fn a_relay_that_was_stopped_itself_reports_no_viewer_as_slow() {
    let site = Site::new();
    site.camera("cam");
    let (relay, other) = (site.relay(&[]), site.relay(&[]));
    let mut viewer = relay.viewer("cam");
    viewer.frames(30);
    let clock = Bystander::from(other.viewer("cam"));
    relay.program().signal(Signal::STOP);
    clock.wait_for_more(75);
    relay.program().signal(Signal::CONT);
    let resumed = clock.newest().sequence;
    let mut last = 0;
    while last < resumed + 90 {
        match viewer.receive() {
            Received::Frame(frame) => last = frame.sequence,
            Received::Message(FromRelay::State { state, reason, .. }) => {
                assert_ne!(state, ViewerState::Slow, "{reason}");
            }
            Received::Message(_) => {}
        }
    }
}

#[test]
fn wrong_tokens_are_answered_late_and_counted_and_the_right_one_is_not_delayed() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--token", TOKEN]);
    for _ in 0..10 {
        assert_eq!(relay.get("/api/streams?token=sesame-open").status, 401);
    }
    let (begun, mut right) = (Instant::now(), Duration::ZERO);
    let wrong = std::thread::scope(|scope| {
        let guesses = ["/api/streams", "/readyz", "/streams/cam/mjpeg", "/metrics"].map(|path| {
            let relay = &relay;
            scope.spawn(move || {
                relay.get_with(path, &[("authorization", "bearer sesame-open")]).status
            })
        });
        let websocket = scope.spawn(|| {
            relay
                .open_websocket("/ws?token=sesame-open", &[V1])
                .map_or_else(|refused| refused.status, |_| 101)
        });
        let asked = Instant::now();
        assert_eq!(
            relay.get_with("/api/streams", &[("authorization", &format!("bearer {TOKEN}"))]).status,
            200
        );
        right = asked.elapsed();
        guesses
            .into_iter()
            .chain([websocket])
            .map(|guess| guess.join().expect("an answer"))
            .collect::<Vec<_>>()
    });
    assert_eq!(wrong, [401; 5]);
    let wrong = begun.elapsed();
    note(format!("the right token: {right:.2?}, the slowest of five wrong ones: {wrong:.2?}"));
    assert!(wrong >= Duration::from_millis(1900) && right < wrong, "{right:?}, {wrong:?}");
    let metrics =
        relay.get_with("/metrics", &[("authorization", &format!("Bearer {TOKEN}"))]).text();
    assert!(
        metrics.contains("fanlight_access_denied_total{reason=\"wrong_token\"} 15"),
        "{metrics}"
    );
}

#[test]
fn a_viewer_that_connects_as_soon_as_the_relay_listens_gets_a_frame() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut wall = relay.wall();
    wall.watch(1, "cam");
    let mut plain =
        relay.open_websocket("/streams/cam/ws", &[]).expect("the relay opens a WebSocket");
    assert_eq!(relay.get("/streams/cam/snapshot").status, 200);
    assert_eq!(relay.open("/streams/cam/mjpeg", &[]).status().as_u16(), 200);
    wall.frame();
    assert!(matches!(plain.receive(), fanlight_tests::socket::Incoming::Binary(_)));
}

#[test]
fn the_output_of_an_exec_command_cannot_hide_a_part_of_the_log() {
    let site = Site::new();
    let says = r"exec:printf '\033[2J\302\233\342\200\256last\n' >&2; exit 1";
    let capture = site.capture(&["--keep-open", "--stream", &format!("cam={says}")]);
    let line = capture.says("stderr of the command");
    assert!(line.contains(r"\u{202e}last"), "{line}");
    capture.says("offline");
    assert!(!capture.log().contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", capture.log());
}
