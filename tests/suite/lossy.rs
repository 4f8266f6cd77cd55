//! Links with packet loss and a long round trip, emulated in user space.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fanlight_lossy_link as lossy;
use fanlight_tests::viewer::{missing, sequences};
use fanlight_tests::{Link, Site, note};
use rustix::process::geteuid;

/// A bad link of 20 Mbit/s, of which the stream needs 7.
const BAD: lossy::Link = lossy::Link {
    bits_per_second: 20e6,
    round_trip: Duration::from_millis(40),
    loss: 0.02,
    queue: Duration::from_millis(100),
    seed: 1,
};
const ACK: &str = r#""ack":true"#;
/// The number of frames at the start that do not count (two seconds), and of those that do (five seconds).
const FIRST: u64 = 60;
const LOOKED_AT: u64 = 150;
/// Of ten frames, a viewer that acknowledges gets at least this many: the link sustains nearly all of them for one that
/// does not acknowledge.
const LEAST_OF_TEN: u64 = 8;
/// The number of attempts, for a machine under load. A window that is too small fails every time.
const TRIES: usize = 3;

#[test]
fn a_viewer_that_acknowledges_gets_most_frames_over_a_lossy_link() {
    let site = Site::alone();
    site.synthetic_camera("cam", &["--bytes", "29000"]);
    thread::scope(|scope| {
        let watching: Vec<_> =
            ["", ACK].iter().map(|fields| scope.spawn(|| best_of_ten(&site, fields))).collect();
        let best = watching.into_iter().map(|watching| watching.join().expect("shown already"));
        for (fields, best) in ["", ACK].into_iter().zip(best) {
            let Some(best) = best else { continue };
            assert!(best >= LEAST_OF_TEN as f64, "{fields:?}: {best:.1} of ten frames");
        }
    });
}

/// Returns the number of ten frames that a viewer gets over its own bad link, at the best of [`TRIES`] attempts; `None`
/// if this machine does not allow such a link.
fn best_of_ten(site: &Site, fields: &str) -> Option<f64> {
    let link = Link::lossy(BAD)?;
    let relay = link.relay(site, "bbr")?;
    link.beside(|| relay.wait_for("cam"));
    let mut viewer = link.across(|| {
        let mut wall = relay.wall();
        wall.watch_with(1, "cam", fields);
        wall
    });
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        let mut frames = Vec::new();
        let first = viewer.frame().sequence + FIRST;
        loop {
            let frame = viewer.frame();
            if fields == ACK {
                viewer.acknowledge(&frame);
            }
            let sequence = frame.sequence;
            if sequence >= first {
                frames.push(frame);
            }
            if sequence >= first + LOOKED_AT {
                break;
            }
        }
        let (came, missed) = (frames.len() as f64, missing(&sequences(&frames)) as f64);
        best = best.max(10.0 * came / (came + missed));
        note(format!("{fields:?}: {came} frames over a lossy link, {missed} missed"));
        if best >= LEAST_OF_TEN as f64 {
            break;
        }
    }
    Some(best)
}

#[test]
fn a_lossy_link_has_the_chosen_round_trip() {
    let far = lossy::Link { round_trip: Duration::from_millis(300), loss: 0.0, ..BAD };
    let Some(link) = Link::lossy(far) else { return };
    let listener = link.beside(|| TcpListener::bind("0.0.0.0:0")).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let took = link.across(|| {
        let begun = Instant::now();
        TcpStream::connect((Link::NEAR, port)).expect("it listens");
        begun.elapsed()
    });
    assert!(
        took >= far.round_trip,
        "a TCP handshake takes a round trip, and this one took {took:?}"
    );
}

#[test]
fn the_program_removes_its_namespaces_when_it_is_terminated() {
    if !geteuid().is_root() {
        note("skipped: only root may make network namespaces");
        return;
    }
    let site = Site::new();
    let program = site.start(site.command("lossy-link", &["--loss", "0"]));
    let line = program.says("up: ");
    let names: Vec<&str> =
        line.split([' ', ',']).filter(|word| word.starts_with("flossy")).collect();
    assert_eq!(names.len(), 2, "{line}");
    let there = |name: &&str| namespaces().lines().any(|line| line.starts_with(*name));
    assert!(names.iter().all(there), "{line}: {}", namespaces());
    program.terminate();
    assert_eq!(program.end().0, Some(0), "{}", program.log());
    assert!(!names.iter().any(there), "{line}: {}", namespaces());
}

fn namespaces() -> String {
    let list = Command::new("ip").args(["netns", "list"]).output().expect("the package iproute2");
    String::from_utf8_lossy(&list.stdout).into_owned()
}
