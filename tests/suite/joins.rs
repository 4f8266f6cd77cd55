//! A viewer that joins keeps receiving bytes, and so does one that stopped reading for a while.
//!
//! These are short forms of `scripts/trial joins` on real sockets: several viewers in parallel, each of which joins
//! repeatedly.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use fanlight_tests::joins::outcome::{Join, TOLERATED};
use fanlight_tests::joins::{Cell, Effort, Outcome, Reading, Stage, Transport, stage};
use fanlight_tests::site::RELAY;
use fanlight_tests::{Site, note};

/// All viewers join at the same time, so that some wait for a core while their first frame is sent.
const EFFORT: Effort =
    Effort { joins: 20, at_once: 20, watch: Duration::from_millis(1500), seed: 1 };
/// The effort for working clients: few enough for the machine to keep up with all of them.
const WORKERS: Effort = Effort { at_once: 4, ..EFFORT };
/// The read patterns of clients that process what they read and are fast enough for each stream.
const WORKING: [Reading; 2] = [
    Reading::Portions(16 * 1024, Duration::from_micros(200)),
    Reading::Portions(64 * 1024, Duration::from_millis(1)),
];
/// A receive buffer smaller than one frame, in bytes.
const SMALL_BUFFER: usize = 64 * 1024;

#[test]
fn viewers_of_small_frames_that_read_immediately_never_freeze() {
    join_all(90_000, |_| vec![Reading::Immediate], None);
}

#[test]
fn viewers_of_middle_frames_that_read_immediately_never_freeze() {
    join_all(250_000, |_| vec![Reading::Immediate], None);
}

#[test]
fn viewers_of_large_frames_that_read_immediately_never_freeze() {
    join_all(600_000, |_| vec![Reading::Immediate], None);
}

#[test]
fn viewers_of_middle_frames_that_work_on_what_they_read_never_freeze() {
    join_all_with(&WORKERS, 250_000, |_| WORKING.into(), None);
}

#[test]
fn viewers_of_large_frames_that_work_on_what_they_read_never_freeze() {
    join_all_with(&WORKERS, 600_000, |_| WORKING.into(), None);
}

#[test]
fn viewers_that_start_reading_late_never_freeze() {
    join_all(600_000, |_| vec![Reading::Late(Duration::from_millis(100))], None);
}

#[test]
fn viewers_that_trickle_never_freeze() {
    join_all(60_000, |stage| vec![Reading::Trickle(stage.third())], None);
}

#[test]
fn viewers_of_large_frames_that_trickle_never_freeze() {
    join_all(600_000, |stage| vec![Reading::Trickle(stage.third())], None);
}

#[test]
fn viewers_with_a_small_receive_buffer_never_freeze() {
    let readings = |stage: &Stage| vec![Reading::Immediate, Reading::Trickle(stage.third())];
    join_all(250_000, readings, Some(SMALL_BUFFER));
}

#[test]
fn viewers_that_stopped_reading_receive_bytes_as_soon_as_they_continue() {
    let stops = |seconds: &[u64]| -> Vec<Reading> {
        seconds.iter().map(|seconds| Reading::Stop(Duration::from_secs(*seconds))).collect()
    };
    let effort = Effort { joins: 4, ..EFFORT };
    join_all_with(&effort, 250_000, |_| stops(&[1, 5, 9]), None);
}

fn join_all(
    bytes: usize,
    readings: impl FnOnce(&Stage) -> Vec<Reading>,
    receive_buffer: Option<usize>,
) {
    join_all_with(&EFFORT, bytes, readings, receive_buffer);
}

/// Runs all transports in parallel, each with these read patterns, and asserts that no join broke the rule.
fn join_all_with(
    effort: &Effort,
    bytes: usize,
    readings: impl FnOnce(&Stage) -> Vec<Reading>,
    receive_buffer: Option<usize>,
) {
    let site = Site::alone();
    let stage = Stage::set_up(&site, RELAY, bytes);
    let readings = readings(&stage);
    let cells = Transport::ALL.iter().flat_map(|transport| {
        readings.iter().map(|reading| Cell {
            transport: *transport,
            reading: *reading,
            receive_buffer,
        })
    });
    let outcomes: Vec<(Cell, Outcome)> = thread::scope(|scope| {
        let stage = &stage;
        let running: Vec<_> =
            cells.map(|cell| scope.spawn(move || (cell, stage.run(&cell, effort)))).collect();
        running.into_iter().map(|cell| cell.join().expect("its panic is shown")).collect()
    });
    for (cell, outcome) in &outcomes {
        note(format!("{bytes} bytes a frame, {cell}: {outcome}"));
    }
    for (cell, outcome) in outcomes {
        assert!(outcome.is_well(), "{bytes} bytes a frame, {cell}: {outcome}");
    }
}

#[test]
fn a_relay_that_stops_sending_counts_as_frozen() {
    let cell =
        Cell { transport: Transport::Mjpeg, reading: Reading::Immediate, receive_buffer: None };
    let (address, serving) =
        serve_one("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\nx");
    let mut random = fastrand::Rng::with_seed(1);
    let (gap, ended) = stage::join(address, "cam", &cell, Duration::from_millis(700), &mut random);
    serving.join().expect("it serves");
    let longest = gap.to.duration_since(gap.from);
    let outcome = Outcome::new(Duration::ZERO, vec![Join { longest, ended }], 0, 0);
    assert!(longest > TOLERATED && outcome.froze() == 1 && !outcome.is_well(), "{outcome}");
}

#[test]
fn a_relay_that_ends_the_connection_counts_as_frozen() {
    let join = Join { longest: Duration::ZERO, ended: Some("stalled".into()) };
    let outcome = Outcome::new(Duration::ZERO, vec![join], 0, 0);
    assert!(!outcome.is_well() && outcome.to_string().contains("stalled"), "{outcome}");
}

/// Starts a server that sends one client this response, and then nothing until the client disconnects.
fn serve_one(answer: &'static str) -> (std::net::SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client.read_exact(&mut [0; 16]).expect("a request");
        client.write_all(answer.as_bytes()).expect("it listens");
        // Reads the rest of the request until the client disconnects; an error is a disconnect, too.
        let _ = io::copy(&mut client, &mut io::sink());
    });
    (address, serving)
}
