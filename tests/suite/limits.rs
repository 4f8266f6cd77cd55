//! The relay enforces the limits that `--help` states.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use fanlight_tests::relay::V1;
use fanlight_tests::{Site, eventually, note};

/// Reads a connection until the relay closes it; returns the bytes as text, and the time that it took.
fn until_closed(mut stream: impl Read) -> (String, Duration) {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it was not closed"),
        // A reset closes the connection, too.
        Ok(_) | Err(_) => (String::from_utf8_lossy(&bytes).into_owned(), begun.elapsed()),
    }
}

#[test]
fn a_full_relay_refuses_viewers_until_one_leaves() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--max-viewers", "2"]);
    let mut one = relay.viewer("cam");
    let two = relay.mjpeg("cam");
    one.frame();
    let full = relay.get("/streams/cam/mjpeg");
    assert_eq!(full.status, 503);
    assert!(
        full.text().contains("--max-viewers") && !full.header("retry-after").is_empty(),
        "{full:?}"
    );
    assert_eq!(relay.open_websocket("/streams/cam/ws", &[]).unwrap_err().status, 503);
    // A request for the list is not a viewer, and each subscription is one.
    assert_eq!(relay.get("/api/streams").status, 200);
    one.watch(2, "cam");
    let (code, message) = one.wait_for_error();
    assert!(code == "too-many" && message.contains('2'), "{code}: {message}");
    one.frame();
    drop(two);
    eventually("another viewer is accepted", || relay.open_websocket("/streams/cam/ws", &[]).ok());
}

#[test]
fn requests_that_are_too_large_are_refused() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let long_line =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    let many_lines =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(1_000_000));
    for request in [long_line, many_lines, endless, "rubbish\r\n\r\n".to_owned()] {
        let mut stream = relay.connect();
        // The relay may close the connection while the client still writes.
        let _ = stream.write_all(request.as_bytes());
        let (answer, took) = until_closed(stream);
        let status = answer.lines().next().unwrap_or_default().to_owned();
        assert!(answer.is_empty() || status.contains(" 4"), "{status}");
        assert!(took < Duration::from_secs(8), "closed immediately, not by a timeout: {took:?}");
    }
    assert_eq!(relay.get("/healthz").status, 200);
}

#[test]
fn clients_that_stall_are_closed() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:1280x720@30"]);
    let relay = site.relay(&[]);
    let mut stalled = relay.narrow_viewer("cam");
    stalled.frame();
    // One client sends nothing, one never finishes its request, and the third stops reading frames.
    let silent = relay.connect();
    let mut unfinished = relay.connect();
    unfinished.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").expect("it is connected");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (kind, stream) in [("silent", silent), ("unfinished", unfinished)] {
            scope.spawn(move || {
                let (_, took) = until_closed(stream);
                note(format!("the {kind} client was closed after {took:?}"));
                assert!(took > Duration::from_secs(5), "{took:?}: too early for a slow client");
            });
        }
    });
    eventually("the stalled viewer is closed", || {
        (relay.stream("cam")["viewers"] == 0).then_some(())
    });
    note(format!("a stalled viewer was closed after {:?}", begun.elapsed()));
}

#[test]
fn invalid_messages_of_a_viewer_are_answered_or_close_its_socket() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    for (text, code) in [
        ("not JSON", "bad-message"),
        ("{}", "bad-message"),
        (r#"{"type":"dance"}"#, "bad-message"),
        (r#"{"type":"watch","id":-1,"stream":"cam"}"#, "bad-message"),
        (r#"{"type":"watch","id":2,"stream":"cam","fps":0}"#, "bad-message"),
        (r#"{"type":"watch","id":2,"stream":"cam","buffer":5.1}"#, "bad-message"),
        (r#"{"type":"watch","id":2,"stream":"cam","buffer":-1}"#, "bad-message"),
        (r#"{"type":"ack","id":1}"#, "bad-message"),
        (r#"{"type":"watch","id":2,"stream":"cam","rendition":"huge"}"#, "unknown-stream"),
        ("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "bad-message"),
    ] {
        viewer.send_text(text);
        let (reported, message) = viewer.wait_for_error();
        assert_eq!(reported, code, "{text}: {message}");
    }
    viewer.frame();
    // The limit is 4096 bytes.
    viewer.send_text(&format!(r#"{{"type":"clock","t0":1{}}}"#, " ".repeat(4000)));
    viewer.until("the clock", |word| {
        matches!(word, fanlight_protocol::viewer::FromRelay::Clock { .. }).then_some(())
    });
    viewer.send_text(&"x".repeat(4097));
    assert_eq!(viewer.socket().closing().0, 1009);
    let mut plain = relay.plain_viewer("cam");
    plain.socket().send_text(&"x".repeat(100_000));
    assert_eq!(plain.socket().closing().0, 1009);
    // An unmasked message, which RFC 6455 forbids (section 5.1).
    let mut unmasked = relay.open_websocket("/ws", &[V1]).expect("the relay opens a WebSocket");
    unmasked.raw().write_all(b"\x81\x02{}").expect("it is connected");
    assert_eq!(unmasked.closing().0, 1002);
    let mut not_text = relay.open_websocket("/ws", &[V1]).expect("the relay opens a WebSocket");
    not_text.raw().write_all(b"\x81\x82\0\0\0\0\xff\xff").expect("it is connected");
    assert_eq!(not_text.closing().0, 1007);
    eventually("all four are counted", || {
        (relay.closed("v1", "protocol") == 3 && relay.closed("ws", "protocol") == 1).then_some(())
    });
}

#[test]
fn one_socket_has_at_most_256_subscriptions() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:160x90@1"]);
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut wall = relay.wall();
    for id in 0..257 {
        wall.watch(id, "cam");
    }
    let (code, _) = wall.wait_for_error();
    assert_eq!(code, "too-many");
    assert_eq!(relay.stream("cam")["viewers"], 256);
    // An existing subscription may change, and a cancelled one makes room.
    wall.watch(255, "cam");
    wall.send_text(r#"{"type":"unwatch","id":0}"#);
    wall.watch(256, "cam");
    while wall.frame().id != 256 {}
}

#[test]
fn compression_is_never_accepted() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let offered = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
    for path in ["/ws", "/streams/cam/ws"] {
        let headers: &[_] = if path == "/ws" { &[V1, offered] } else { &[offered] };
        let mut socket = relay.open_websocket(path, headers).expect("the relay opens a WebSocket");
        assert!(!socket.head.contains_key("sec-websocket-extensions"), "{:?}", socket.head);
        socket.receive();
    }
    let list = relay.get_with("/api/streams", &[("accept-encoding", "gzip, br")]);
    assert_eq!(list.header("content-encoding"), "");
}
