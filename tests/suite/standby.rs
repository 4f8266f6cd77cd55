//! Failover from a silent capture to another one with the same stream.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::viewer::Received;
use fanlight_tests::{Program, Relay, Site, Viewer, note};
use rustix::process::Signal;

/// The time within which the video resumes.
const BACK: Duration = Duration::from_secs(2);

fn width(jpeg: &[u8]) -> u32 {
    image::load_from_memory(jpeg).expect("a JPEG").width()
}

/// Reads until a picture of this width arrives. Asserts that the relay never reports the stream as interrupted until
/// then.
fn until_width(viewer: &mut Viewer, wanted: u32) {
    loop {
        match viewer.receive() {
            Received::Frame(frame) if width(&frame.payload) == wanted => return,
            Received::Message(FromRelay::State { state, reason, .. }) => {
                assert!(
                    matches!(state, ViewerState::Live | ViewerState::Slow),
                    "{state:?}: {reason}"
                );
            }
            _ => {}
        }
    }
}

/// Starts two captures of one stream name with pictures of different widths. Returns them by width, the relay, and a
/// viewer that receives the first capture's frames.
fn two_captures(site: &Site) -> (HashMap<u32, Arc<Program>>, Relay, Viewer) {
    let relay = site.relay(&[]);
    let first = site.capture(&["--stream", "cam=test:320x180@30"]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    let second = site.capture(&["--stream", "cam=test:160x90@30"]);
    relay.program().says("second publisher");
    until_width(&mut viewer, 320);
    (HashMap::from([(320, first), (160, second)]), relay, viewer)
}

#[test]
fn a_standby_capture_takes_over_from_a_silent_one_within_two_seconds() {
    let site = Site::alone();
    let (captures, _relay, mut viewer) = two_captures(&site);
    let mut took = Vec::new();
    for (owner, heir) in [(320, 160), (160, 320)].into_iter().cycle().take(rounds()) {
        captures[&owner].signal(Signal::STOP);
        let stopped = Instant::now();
        until_width(&mut viewer, heir);
        took.push(stopped.elapsed());
        captures[&owner].signal(Signal::CONT);
        // The stopped capture runs again, is the standby now, and does not take the name back.
        for frame in viewer.frames(30) {
            assert_eq!(width(&frame.payload), heir);
        }
    }
    took.sort_unstable();
    note(format!("the standby capture took over after {took:?}"));
    assert!(took.iter().all(|time| *time <= BACK), "{took:?}");
}

#[test]
fn a_viewer_that_stopped_reading_before_a_takeover_gets_every_frame_again_after_it() {
    let site = Site::alone();
    let (captures, relay, mut viewer) = two_captures(&site);
    // The viewer does not read for three seconds, so its receive window closes. When it reads again, its kernel opens
    // the window wide, and narrows it by the bytes of dozens of smaller frames although nothing is unread.
    relay.viewer("cam").frames(90);
    until_width(&mut viewer, 320);
    captures[&320].signal(Signal::STOP);
    until_width(&mut viewer, 160);
    let first = viewer.frame().sequence;
    let sequences: Vec<u64> = std::iter::repeat_with(|| viewer.frame().sequence)
        .take_while(|sequence| *sequence < first + 300)
        .collect();
    note(format!("{} of 300 frames", sequences.len()));
    assert!(sequences.len() > 200, "{sequences:?}");
}

/// Returns the number of rounds: `FANLIGHT_TEST_ROUNDS`, or four.
fn rounds() -> usize {
    let rounds = std::env::var("FANLIGHT_TEST_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(4)
}

#[test]
fn on_a_busy_machine_the_owner_of_a_name_keeps_it() {
    let site = Site::alone();
    let (_captures, relay, mut viewer) = two_captures(&site);
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 * cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let begun = Instant::now();
        let mut widths = Vec::new();
        while begun.elapsed() < Duration::from_secs(5) {
            widths.push(width(&viewer.frame().payload));
        }
        over.store(true, Ordering::Relaxed);
        assert!(widths.iter().all(|width| *width == 320), "another capture took over");
    });
    assert!(!relay.program().log().contains("takes over"));
}
