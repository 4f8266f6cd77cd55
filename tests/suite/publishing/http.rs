//! Publishing over HTTP: one picture a request, or a body without an end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fanlight_tests::picture::timecode_of;
use fanlight_tests::pusher::jpeg;
use fanlight_tests::{Relay, Site, eventually};

/// Returns the head of a request that publishes a stream, without the empty line after it.
fn head(method: &str, stream: &str, lines: &str) -> String {
    format!("{method} /streams/{stream}/publish HTTP/1.1\r\nHost: localhost\r\n{lines}")
}

/// Sends a picture of this number in a request of its own; returns the status of the answer.
fn post(connection: &mut TcpStream, stream: &str, number: u32) -> u16 {
    let picture = jpeg(number);
    let length = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
    connection.write_all(head("POST", stream, &length).as_bytes()).unwrap();
    connection.write_all(&picture).unwrap();
    status(&answer(connection))
}

/// Reads the head of an answer, and no more.
fn answer(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).expect("a whole head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("ASCII")
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

fn snapshot(relay: &Relay, stream: &str) -> u32 {
    let snapshot = relay.get(&format!("/streams/{stream}/snapshot?max_age=60s"));
    assert_eq!(snapshot.status, 200, "{}", snapshot.text());
    timecode_of(&snapshot.body).number
}

#[test]
fn a_picture_a_request_is_a_stream_on_one_connection_or_on_many() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let mut connection = relay.connect();
    for number in 0..50 {
        assert_eq!(post(&mut connection, "door", number), 204);
        assert_eq!(snapshot(&relay, "door"), number);
    }
    for number in 50..60 {
        assert_eq!(post(&mut relay.connect(), "door", number), 204);
    }
    assert_eq!(snapshot(&relay, "door"), 59);
    assert_eq!(relay.stream("door")["state"], "live");
    assert_eq!(relay.metric("fanlight_publishers{transport=\"post\"}"), 1, "one stream");
    let begun = Instant::now();
    let reason = relay.wait_until("door", &["offline"]);
    assert_eq!(reason, "publisher is silent");
    assert!((3..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[test]
fn a_single_picture_stays_for_a_minute_because_the_next_may_be_slow() {
    let site = Site::new();
    let relay = site.relay(&[]);
    assert_eq!(post(&mut relay.connect(), "slow", 1), 204);
    let begun = Instant::now();
    eventually("seven seconds pass", || (begun.elapsed().as_secs() >= 7).then_some(()));
    assert_eq!(relay.stream("slow")["state"], "live");
    assert_eq!(post(&mut relay.connect(), "slow", 2), 204);
    assert_eq!(snapshot(&relay, "slow"), 2);
}

#[test]
fn a_chunked_multipart_body_is_a_stream_until_it_ends() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let mut connection = relay.connect();
    let kind =
        "Content-Type: multipart/x-mixed-replace; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head("POST", "cam", kind).as_bytes()).unwrap();
    let mut viewer = None;
    for number in 0..20 {
        let picture = jpeg(number);
        let part = [b"--x\r\nContent-Type: image/jpeg\r\n\r\n", &picture[..], b"\r\n"].concat();
        for piece in part.chunks(1000) {
            connection.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
            connection.write_all(piece).unwrap();
            connection.write_all(b"\r\n").unwrap();
        }
        let viewer = viewer.get_or_insert_with(|| relay.viewer("cam"));
        assert_eq!(viewer.frame().timecode().number, number);
    }
    assert_eq!(relay.metric("fanlight_publishers{transport=\"body\"}"), 1);
    connection.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(status(&answer(&mut connection)), 204);
    assert_eq!(relay.wait_until("cam", &["offline"]), "publisher has left");
}

#[test]
fn the_answer_to_expect_comes_before_the_body() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let picture = jpeg(3);
    let lines = format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", picture.len());
    let mut connection = relay.connect();
    connection.write_all(head("PUT", "cam", &lines).as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut connection)), 100);
    connection.write_all(&picture).unwrap();
    assert_eq!(status(&answer(&mut connection)), 204);
    // A request that is refused is not asked for its body.
    let mut refused = relay.connect();
    let lines = format!("Content-Type: video/mp4\r\n{lines}");
    refused.write_all(head("PUT", "cam", &lines).as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut refused)), 415);
}

#[test]
fn a_refused_body_is_not_taken_for_a_request() {
    let site = Site::new();
    let relay = site.relay_at("127.0.0.1:0", &["--publish-token", "open-sesame-42"]);
    let hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = format!("Content-Length: {}\r\n\r\n", hidden.len());
    let both = format!("Transfer-Encoding: chunked\r\n{length}");
    for (request, expected) in [
        (head("POST", "cam", &length), 403),
        (head("POST", "cam", &both), 403),
        (head("POST", "Not%20A%20Name", &length), 400),
        (head("GET", "cam", &length), 400),
    ] {
        let mut connection = relay.connect();
        connection.write_all([request.as_str(), hidden].concat().as_bytes()).unwrap();
        let mut all = String::new();
        connection.read_to_string(&mut all).expect("the connection ends without a reset");
        assert_eq!(status(&all), expected, "{request}: {all}");
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{request}: {all}");
    }
}

#[test]
fn a_large_body_that_is_refused_gets_its_answer() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut connection = relay.connect();
    connection.write_all(head("PUT", "cam", "Content-Length: 8000000\r\n\r\n").as_bytes()).unwrap();
    let mut sending = connection.try_clone().unwrap();
    let sender = std::thread::spawn(move || sending.write_all(&vec![7; 8_000_000]));
    let head = answer(&mut connection);
    assert!(status(&head) == 409 && head.contains("connection: close"), "{head}");
    drop(connection);
    let _ = sender.join().unwrap();
}

#[test]
fn a_body_that_contains_no_picture_is_refused_with_the_reason() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let send = |body: &[u8], lines: &str| {
        let mut connection = relay.connect();
        let lines = format!("{lines}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write_all(head("POST", "cam", &lines).as_bytes()).unwrap();
        connection.write_all(body).unwrap();
        let mut all = String::new();
        connection.read_to_string(&mut all).unwrap();
        (status(&all), all)
    };
    let (code, text) = send(b"\x89PNG\r\n\x1a\n and so on", "");
    assert!(code == 400 && text.contains("neither a JPEG nor H.264"), "{text}");
    let (code, text) = send(b"{}", "Content-Type: application/json\r\n");
    assert!(code == 415 && text.contains("image/jpeg"), "{text}");
    assert_eq!(send(&jpeg(1)[..300], "").0, 400);
    assert!(relay.stream("cam").is_null(), "nothing was published");
    assert_eq!(send(&jpeg(1), "").0, 204);
    assert_eq!(relay.stream("cam")["state"], "live");
    // One bad picture does not end a stream.
    assert_eq!(send(&jpeg(1)[..300], "").0, 400);
    assert_eq!(relay.stream("cam")["state"], "live");
}

#[test]
fn a_second_client_does_not_get_the_name_of_the_first() {
    let site = Site::new();
    let tokens = "[[access]]\nname = 'one'\ntoken = 'sesame-of-one'\nmay = ['publish', 'view']\nstreams = ['*']\n\
                  [[access]]\nname = 'two'\ntoken = 'sesame-of-two'\nmay = ['publish', 'view']\nstreams = ['*']\n\
                  max-publishers = 1\n";
    let file = site.path("relay.toml");
    std::fs::write(&file, tokens).unwrap();
    let relay = site.relay(&["--config", file.to_str().unwrap()]);
    let put = |stream: &str, token: &str, query: &str| {
        let picture = jpeg(1);
        let mut connection = relay.connect();
        let request = format!(
            "PUT /streams/{stream}/publish{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n",
            picture.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        connection.write_all(&picture).unwrap();
        status(&answer(&mut connection))
    };
    assert_eq!(put("cam", "sesame-of-one", ""), 204);
    assert_eq!(put("cam", "sesame-of-two", ""), 409);
    assert_eq!(put("cam", "sesame-of-one", ""), 204, "the first continues");
    assert_eq!(put("cam", "sesame-of-two", "?takeover=1"), 204);
    assert_eq!(put("cam", "sesame-of-one", ""), 409);
    assert_eq!(put("cam", "sesame-of-two", ""), 204);
    assert_eq!(put("other", "sesame-of-two", ""), 503, "one stream at a time");
    let list = relay.get("/api/streams?token=sesame-of-one").json();
    assert_eq!(list["streams"][0]["source"], "pushed by two");
}

#[test]
fn a_body_that_stops_is_given_up() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let mut connection = relay.connect();
    let lines = "Transfer-Encoding: chunked\r\n\r\n1\r\n\u{7f}\r\n";
    connection.write_all(head("POST", "cam", lines).as_bytes()).unwrap();
    let begun = Instant::now();
    assert_eq!(status(&answer(&mut connection)), 408);
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(post(&mut relay.connect(), "cam", 1), 204, "its name is free");
}
