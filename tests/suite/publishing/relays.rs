//! Pushed streams on the bus: relays that share a folder show them too.

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::pusher::open;
use fanlight_tests::site::{RELAY, free_port};
use fanlight_tests::viewer::missing;
use fanlight_tests::{Pusher, Site};

#[test]
fn a_relay_in_the_same_folder_shows_what_is_pushed_into_another() {
    let site = Site::new();
    let (first, second) = (site.relay(&[]), site.relay(&[]));
    let pusher = Pusher::start(&first, "phone");
    let mut viewer = second.viewer("phone");
    let frames = viewer.frames(20);
    let numbers: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    assert!(missing(&numbers) <= 10, "{numbers:?}");
    assert!(frames.iter().all(|frame| frame.captured_at >= frame.timecode().time));
    assert_eq!(second.stream("phone")["source"], "pushed");
    // A name that another relay has is taken.
    let refused = open(&second, "phone", "").unwrap_err();
    assert!(refused.status == 409 && refused.text.contains("another relay"), "{refused:?}");
    // The publisher goes and returns.
    drop(pusher);
    viewer.wait_for_state(ViewerState::Offline);
    let pusher = Pusher::start(&first, "phone");
    viewer.wait_for_state(ViewerState::Live);
    viewer.frame();
    // The relay itself is killed. The publisher then pushes into the other one.
    first.program().kill();
    viewer.wait_for_state(ViewerState::Offline);
    pusher.wait_until_closed();
    let _other = Pusher::start(&second, "phone");
    viewer.wait_for_state(ViewerState::Live);
    viewer.frame();
}

#[test]
fn a_relay_does_not_follow_itself() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let pusher = Pusher::start(&relay, "phone");
    let mut viewer = relay.viewer("phone");
    viewer.frames(30);
    drop(pusher);
    viewer.wait_for_state(ViewerState::Offline);
    assert!(!relay.program().log().contains("second publisher"), "{}", relay.program().log());
}

#[test]
fn over_tcp_a_pushed_stream_is_published_only_if_that_is_asked_for() {
    let site = Site::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let first = site.relay(&["--publish", &endpoint]);
    let second = site.relay(&["--subscribe", &endpoint]);
    let _pusher = Pusher::start(&first, "phone");
    second.viewer("phone").frames(5);
    let exposed = site.run(RELAY, &["--publish", "tcp://0.0.0.0:1"]);
    assert_eq!(exposed.code, Some(2));
    assert!(exposed.stderr.contains("--bus-key"), "{}", exposed.stderr);
    let itself = site.run(RELAY, &["--publish", &endpoint, "--subscribe", &endpoint]);
    assert!(itself.stderr.contains("does not subscribe to itself"), "{}", itself.stderr);
}
