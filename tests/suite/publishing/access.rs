//! Access of clients that publish: action, stream, and way of presenting a token.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use fanlight_tests::pusher::{jpeg, open};
use fanlight_tests::{Relay, Site, eventually};

const VIEW: &str = "sesame-to-view";
const PUBLISH: &str = "sesame-to-publish";
const PHONE: &str = "sesame-of-the-phone";

fn table() -> String {
    let entry = |name: &str, token: &str, may: &str, streams: &str| {
        format!(
            "[[access]]\nname = '{name}'\ntoken = '{token}'\nmay = [{may}]\nstreams = ['{streams}']\n"
        )
    };
    entry("viewer", VIEW, "'view'", "*")
        + &entry("publisher", PUBLISH, "'publish'", "*")
        + &entry("phone", PHONE, "'publish', 'view'", "phone*")
}

fn relay() -> (Site, Relay) {
    let site = Site::new();
    let file = site.path("relay.toml");
    std::fs::write(&file, table()).unwrap();
    let relay = site.relay(&["--config", file.to_str().unwrap()]);
    (site, relay)
}

/// Puts a picture, with further header lines; returns the status.
fn put(relay: &Relay, path: &str, lines: &str) -> u16 {
    let picture = jpeg(1);
    let mut connection = relay.connect();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n",
        picture.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    connection.write_all(&picture).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("the answer arrives");
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_token_publishes_its_streams_however_it_is_presented_and_nothing_else() {
    let (_site, relay) = relay();
    for (token, stream, expected) in [
        (VIEW, "cam", 403),
        (PUBLISH, "cam", 204),
        (PHONE, "cam", 403),
        (PHONE, "phone-2", 204),
        ("sesame-unknown", "cam", 401),
    ] {
        let path = format!("/streams/{stream}/publish");
        let basic = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(format!("any:{token}"))
        };
        for (query, lines) in [
            (format!("?token={token}"), String::new()),
            (String::new(), format!("Authorization: Bearer {token}\r\n")),
            (String::new(), format!("Authorization: Basic {basic}\r\n")),
        ] {
            assert_eq!(put(&relay, &format!("{path}{query}"), &lines), expected, "{token} {lines}");
        }
        let socket = open(&relay, &format!("{stream}-ws"), &format!("?token={token}"));
        let status = socket.map_or_else(|refused| refused.status, |_| 204);
        assert_eq!(status, expected, "{token}");
    }
    assert_eq!(put(&relay, "/streams/cam/publish", ""), 401);
    // The right to publish is not one to view.
    assert_eq!(relay.get(&format!("/streams/cam/snapshot?token={PUBLISH}")).status, 403);
    assert_eq!(relay.get(&format!("/streams/cam/snapshot?token={VIEW}")).status, 200);
    let log = relay.program().log();
    assert!(log.contains("\"access\":\"publisher\"") && !log.contains("sesame"), "{log}");
}

#[test]
fn a_page_of_another_origin_publishes_only_with_a_token_of_its_own() {
    let (_site, relay) = relay();
    let origin = "Origin: https://elsewhere.example\r\n";
    let path = "/streams/cam/publish";
    assert_eq!(put(&relay, path, origin), 403);
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("any:{PUBLISH}"))
    };
    assert_eq!(put(&relay, path, &format!("{origin}Authorization: Basic {basic}\r\n")), 403);
    assert_eq!(put(&relay, path, &format!("{origin}Authorization: Bearer {PUBLISH}\r\n")), 204);
    assert_eq!(put(&relay, &format!("{path}?token={PUBLISH}"), "Origin: file://\r\n"), 204);
    let open_relay = Site::new();
    let open_relay = open_relay.relay(&[]);
    assert_eq!(put(&open_relay, path, origin), 403);
    assert_eq!(put(&open_relay, path, ""), 204, "this machine's own programs may");
    assert_eq!(put(&open_relay, path, "X-Forwarded-For: 192.0.2.1\r\n"), 403, "others may not");
}

#[test]
fn a_link_publishes_one_stream() {
    let (_site, relay) = relay();
    let path = "/api/links?stream=phone&role=publish&for=60";
    let bearer = format!("Bearer {PHONE}");
    let made = relay.send("POST", path, &[("authorization", &bearer)]).json();
    let link = made["link"].as_str().expect("a link").to_owned();
    assert_eq!(put(&relay, &format!("/streams/phone/publish?link={link}"), ""), 204);
    assert_eq!(put(&relay, &format!("/streams/phone-2/publish?link={link}"), ""), 403);
}

#[test]
fn a_publisher_whose_right_is_withdrawn_is_closed() {
    let (site, relay) = relay();
    let mut socket = open(&relay, "phone", &format!("?token={PHONE}")).unwrap();
    let mut body = relay.connect();
    let request = format!(
        "POST /streams/phone-2/publish?token={PHONE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    body.write_all(request.as_bytes()).unwrap();
    assert!(socket.send_binary(&jpeg(1)));
    let changed = table().replace(PHONE, "another-token-42");
    std::fs::write(site.path("relay.toml"), changed).unwrap();
    let begun = Instant::now();
    assert_eq!(socket.closing().0, 3000);
    let mut answer = String::new();
    body.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_stream_of_single_pictures_ends_with_the_right_to_publish_it() {
    let (site, relay) = relay();
    // After one picture, the next one may take 60 s.
    assert_eq!(put(&relay, &format!("/streams/phone/publish?token={PHONE}"), ""), 204);
    let gone = || {
        let list = relay.get(&format!("/api/streams?token={VIEW}")).json();
        list["streams"][0]["gone"].as_bool().expect("the stream is listed")
    };
    assert!(!gone());
    let changed = table().replace(PHONE, "another-token-42");
    std::fs::write(site.path("relay.toml"), changed).unwrap();
    eventually("the stream has ended", || gone().then_some(()));
    assert!(relay.program().log().contains("withdrawn"), "{}", relay.program().log());
}

#[test]
fn a_publish_token_alone_guards_publishing_and_not_viewing() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--publish-token", PUBLISH]);
    relay.wait_for("cam");
    assert_eq!(relay.get("/streams/cam/snapshot").status, 200);
    let stale = relay.get_with("/streams/cam/snapshot", &[("cookie", "fanlight_session=stale")]);
    assert_eq!(stale.status, 200, "a session from before does not lock its browser out");
    assert_eq!(put(&relay, "/streams/phone/publish", ""), 403);
    assert_eq!(put(&relay, &format!("/streams/phone/publish?token={PUBLISH}"), ""), 204);
    let exposed = site
        .run(fanlight_tests::site::RELAY, &["--listen", "0.0.0.0:0", "--publish-token", PUBLISH]);
    assert!(exposed.stderr.contains("--insecure"), "{}", exposed.stderr);
}
