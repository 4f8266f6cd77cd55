//! A stream whose frames are old when they reach the relay is never reported as live.

use std::time::{Duration, Instant};

use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::site::free_port;
use fanlight_tests::viewer::Received;
use fanlight_tests::{Narrow, Relay, Site, Viewer, eventually, note};

/// The rate of the narrow link in bytes per second: a fraction of the camera's bitrate.
const NARROW: u64 = 100_000;
/// The rate of the wide link: more than the camera's bitrate.
const WIDE: u64 = 50_000_000;
/// The age from which frames are late, less the rounding in the message.
const LATE: Duration = Duration::from_millis(1900);
/// The maximum age of a frame in state `live`: the threshold plus the second for which it must be exceeded. The age
/// grows more slowly than time passes.
const LIVE: Duration = Duration::from_millis(3500);

fn age_in(reason: &str) -> Duration {
    let words = reason.strip_prefix("frames reach this relay ").expect(reason);
    let seconds = words.split(' ').next().and_then(|number| number.parse().ok()).expect(reason);
    Duration::from_secs_f64(seconds)
}

/// Returns the age of the picture by its timecode, which no program on the way can change.
fn true_age(frame: &fanlight_tests::viewer::Frame) -> Duration {
    frame.seen_at.since(frame.timecode().time)
}

/// Reads until the relay reports this state. Returns its reason, and the age of the oldest frame before it.
fn until(viewer: &mut Viewer, wanted: ViewerState) -> (String, Duration) {
    let mut oldest = Duration::ZERO;
    loop {
        match viewer.receive() {
            Received::Frame(frame) => oldest = oldest.max(true_age(&frame)),
            Received::Message(FromRelay::State { state, reason, .. }) if state == wanted => {
                return (reason, oldest);
            }
            Received::Message(_) => {}
        }
    }
}

fn relay_behind(site: &Site, link: &Narrow) -> Relay {
    site.relay(&["--subscribe", &format!("tcp://127.0.0.1:{}", link.port())])
}

#[test]
fn a_bus_link_that_is_too_slow_makes_the_stream_late_and_a_fast_one_makes_it_live_again() {
    let site = Site::new();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    site.capture(&["--publish", &endpoint, "--stream", "cam=test:480x270@25"]);
    let link = Narrow::to(port, WIDE);
    let relay = relay_behind(&site, &link);
    let mut viewer = relay.viewer("cam");
    viewer.frames(10);
    link.set_rate(NARROW);
    let narrowed = Instant::now();
    let (reason, oldest) = until(&mut viewer, ViewerState::Late);
    note(format!(
        "late after {:?}: {reason}; the oldest frame shown as live was {oldest:?} old",
        narrowed.elapsed()
    ));
    assert!(reason.contains("the bus is slow"), "{reason}");
    assert!(age_in(&reason) >= LATE, "{reason}");
    assert!(oldest < LIVE, "{oldest:?}");

    // The stream stays late while the queue grows, and the relay reports the true frame age.
    let mut shown = age_in(&reason);
    let mut misjudged = 0;
    for _ in 0..30 {
        match viewer.receive() {
            Received::Frame(frame) => {
                misjudged += u32::from(true_age(&frame).abs_diff(shown) > Duration::from_secs(3));
            }
            Received::Message(FromRelay::State { state, reason, .. }) => {
                assert_eq!(state, ViewerState::Late, "{reason}");
                shown = age_in(&reason);
            }
            Received::Message(_) => {}
        }
    }
    note(format!("then {shown:?} old, {:?} after the link became narrow", narrowed.elapsed()));
    assert_eq!(misjudged, 0, "the reported age is that of the pictures");
    let listed = relay.stream("cam");
    assert_eq!(listed["state"], "late");
    assert!(listed["frame_age_ms"].as_f64().expect("frames come") > 1900.0, "{listed}");
    assert_eq!(relay.metric("fanlight_stream_late{stream=\"cam\"}"), 1);
    assert_eq!(relay.metric("fanlight_stream_live{stream=\"cam\"}"), 0);

    link.set_rate(WIDE);
    let widened = Instant::now();
    until(&mut viewer, ViewerState::Live);
    note(format!("live again {:?} after the link became wide", widened.elapsed()));
    let frame = viewer.frame();
    assert!(true_age(&frame) < Duration::from_secs(1), "{:?}", true_age(&frame));
    eventually("the stream list reports `live`", || {
        (relay.stream("cam")["state"] == "live").then_some(())
    });
    assert_eq!(relay.metric("fanlight_stream_late{stream=\"cam\"}"), 0);
}

#[test]
fn a_viewer_with_a_buffer_is_not_late() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer_with("cam", r#""buffer":4"#);
    let mut behind = 0;
    while behind < 20 {
        match viewer.receive() {
            Received::Frame(frame) => {
                behind += u32::from(frame.age() > Duration::from_millis(3500));
            }
            Received::Message(FromRelay::State { state, reason, .. }) => {
                assert_ne!(state, ViewerState::Late, "{reason}");
            }
            Received::Message(_) => {}
        }
    }
    assert_eq!(relay.stream("cam")["state"], "live");
}
