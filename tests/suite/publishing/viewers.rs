//! Everything that viewers may ask of a stream works on a pushed one.

use std::time::Duration;

use fanlight_tests::viewer::sequences;
use fanlight_tests::{Pusher, Site, eventually};

#[test]
fn a_viewer_may_ask_for_a_lower_rate_and_for_a_delay() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let pusher = Pusher::start(&relay, "phone");
    let mut slow = relay.viewer_with("phone", "\"fps\":5");
    let numbers = sequences(&slow.frames(10));
    let between: u64 = numbers.last().unwrap() - numbers[0];
    assert!((40..=75).contains(&between), "a frame in six: {numbers:?}");
    let mut delayed = relay.plain_viewer_with("phone", "?buffer=2");
    pusher.wait_for(150);
    let age = || fanlight_tests::viewer::now().since(delayed.timecode().time);
    let mut age = age;
    eventually("it is two seconds behind", || {
        let age = age();
        (age > Duration::from_millis(1900) && age < Duration::from_millis(2600)).then_some(())
    });
}
