//! Clients of other servers, unchanged: their own code where it is installed, otherwise their requests byte for byte.
//!
//! docs/migrating.md names the versions from which the requests were taken.

mod access;
mod clients;
mod servers;

use std::fs;
use std::io::{Read, Write};

use fanlight_tests::relay::Answer;
use fanlight_tests::{Relay, Site, eventually};

/// A site with the streams `door` and `yard`, and a relay that knows all of its streams.
fn site(options: &[&str]) -> (Site, Relay) {
    let site = Site::new();
    site.capture(&["--stream", "door=test:320x180@30", "--stream", "yard=test:640x360@30"]);
    let relay = site.relay(options);
    (site, relay)
}

/// A site whose relay has sent a picture of its first stream, so that its start is over.
fn started() -> (Site, Relay) {
    let (site, relay) = site(&[]);
    relay.wait_for("yard");
    first_picture(&relay, "/snapshot");
    (site, relay)
}

/// Waits for a snapshot. Just after the start of a relay, the first stream is not certain yet.
fn first_picture(relay: &Relay, path: &str) -> Answer {
    eventually(&format!("{path} is a picture"), || {
        let answer = relay.get(path);
        (answer.status == 200).then_some(answer)
    })
}

/// Returns the size of a JPEG, by which the tests know its stream.
fn size(jpeg: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(jpeg).expect("a whole JPEG");
    (picture.width(), picture.height())
}

const DOOR: (u32, u32) = (320, 180);
const YARD: (u32, u32) = (640, 360);

fn assert_snapshot(relay: &Relay, path: &str, expected: (u32, u32)) {
    let answer = first_picture(relay, path);
    assert_eq!(answer.header("content-type"), "image/jpeg", "{path}");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{path}");
    assert_eq!(size(&answer.body), expected, "{path}");
}

fn assert_mjpeg(relay: &Relay, path: &str, expected: (u32, u32)) {
    let mut viewer = relay.mjpeg_at(path);
    let (one, next) = (viewer.part(), viewer.part());
    assert!(one.timestamp < next.timestamp, "{path}");
    assert_eq!(size(&next.payload), expected, "{path}");
}

const WALL: &str = "wall-token-42";
const YARD_ONLY: &str = "yard-token-42";

/// A relay with an entry for all streams and one for the yard.
fn with_table() -> (Site, Relay) {
    let site = Site::new();
    site.capture(&["--stream", "door=test:320x180@30", "--stream", "yard=test:640x360@30"]);
    let entry = |name: &str, token: &str, streams: &str| {
        format!(
            "[[access]]\nname = '{name}'\ntoken = '{token}'\nmay = ['view']\nstreams = ['{streams}']\n"
        )
    };
    let table = entry("wall", WALL, "*") + &entry("yard", YARD_ONLY, "yard*");
    fs::write(site.path("relay.toml"), table).expect("the site's folder is ours");
    let relay = site.relay(&["--config", "relay.toml"]);
    first_picture(&relay, &format!("/snapshot?token={WALL}"));
    (site, relay)
}

/// Sends a request as it is written and reads the answer until `enough` says so.
fn exchange(relay: &Relay, request: &str, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut connection = relay.connect();
    connection.write_all(request.as_bytes()).expect("the relay listens");
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    while !enough(&answer) {
        let count = connection.read(&mut bytes).expect("an answer");
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&bytes[..count]);
    }
    answer
}

fn has_head(answer: &[u8]) -> bool {
    answer.windows(4).any(|end| end == b"\r\n\r\n")
}

fn status(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).split(' ').nth(1).unwrap_or_default().to_owned()
}
