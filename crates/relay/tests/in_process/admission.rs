//! Requests that a relay accepts or refuses: handshakes, headers, tokens, and requests before the streams are known.

use std::time::Duration;

use fanlight_relay::ingest::startup::STARTUP;
use fanlight_relay::limits::Limits;
use tokio::time::Instant;

use crate::harness::{Site, TestRelay, within_timeout};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const V1: &str = "Sec-WebSocket-Protocol: fanlight.v1\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n";
const HOST: &str = "Host: localhost\r\n";

/// Returns a request for `/ws` with these lines. The connection closes after any answer but 101.
fn handshake(version: &str, lines: &[&str]) -> String {
    format!("GET /ws {version}\r\n{}\r\n", lines.concat())
}

/// Sends a frame over a WebSocket, and returns the code with which the relay closes it.
async fn close_code(relay: &TestRelay, frame: &[u8]) -> u16 {
    let request = handshake("HTTP/1.1", &[HOST, UPGRADE, KEY, V1]);
    let answer = relay.exchange(&[request.as_bytes(), frame].concat()).await;
    // The last message is the close: its code, and for errors the reason.
    let start = (0..answer.len()).rev().find(|&at| {
        answer[at] == 0x88
            && answer
                .get(at + 1)
                .is_some_and(|&length| at + 2 + usize::from(length) == answer.len())
    });
    let start =
        start.unwrap_or_else(|| panic!("no close in {:?}", String::from_utf8_lossy(&answer)));
    u16::from_be_bytes([answer[start + 2], answer[start + 3]])
}

/// Returns a client's WebSocket frame, masked with zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn a_close_is_answered_with_the_matching_code() {
    let site = Site::new();
    let relay = site.relay().await;
    for (payload, code) in [
        (&b""[..], 1000),
        (b"\x03\xe8", 1000),
        (b"\x03\xe9bye", 1000),
        (b"\x0f\xa0", 1000),
        (b"\x03", 1002),
        (b"\x00\x00", 1002),
        (b"\x03\xe7", 1002),
        (b"\x03\xec", 1002),
        (b"\x03\xed", 1002),
        (b"\x03\xee", 1002),
        (b"\x03\xf7", 1002),
        (b"\x03\xf8", 1002),
        (b"\x0b\xb7", 1002),
        (b"\x13\x88", 1002),
        (b"\xff\xff", 1002),
        (b"\x03\xe8\xff", 1007),
    ] {
        assert_eq!(close_code(&relay, &masked(8, payload)).await, code, "{payload:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_violates_the_standard_is_a_bad_request() {
    let site = Site::new();
    let relay = site.relay().await;
    let close = "Connection: close\r\n";
    for (what, version, lines) in [
        ("HTTP/1.0", "HTTP/1.0", &[HOST, UPGRADE, KEY, V1][..]),
        ("two keys", "HTTP/1.1", &[HOST, UPGRADE, KEY, KEY, V1, close]),
        (
            "two versions",
            "HTTP/1.1",
            &[HOST, UPGRADE, "Sec-WebSocket-Version: 8\r\n", KEY, V1, close],
        ),
        (
            "a body",
            "HTTP/1.1",
            &[HOST, UPGRADE, KEY, V1, "Content-Length: 2\r\n", close, "\r\n\u{1}\u{1}"],
        ),
        ("no host", "HTTP/1.1", &[UPGRADE, KEY, V1, close]),
        (
            "a key of 15 bytes",
            "HTTP/1.1",
            &[HOST, UPGRADE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n", V1, close],
        ),
    ] {
        assert_eq!(relay.status_of(&handshake(version, lines)).await, 400, "{what}");
    }
}

#[tokio::test]
async fn a_host_that_is_missing_repeated_or_malformed_is_a_bad_request() {
    let site = Site::new();
    let relay = site.relay().await;
    let status = async |lines: &str| {
        relay.status_of(&format!("GET /healthz HTTP/1.1\r\n{lines}Connection: close\r\n\r\n")).await
    };
    assert_eq!(status(HOST).await, 200);
    assert_eq!(status("").await, 400, "missing");
    assert_eq!(status("Host: localhost\r\nHost: localhost\r\n").await, 400, "doubled");
    for host in ["localhost#", "localhost/", "x@localhost", "local host", "localhost:http", ""] {
        assert_eq!(status(&format!("Host: {host}\r\n")).await, 400, "{host:?}");
    }
    // HTTP/1.0 has no host header.
    assert_eq!(relay.status_of("GET /healthz HTTP/1.0\r\n\r\n").await, 200);
    assert_eq!(
        relay.status_of("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await,
        400,
        "the address names another host"
    );
}

#[tokio::test]
async fn a_request_with_a_body_is_refused_and_its_connection_closed() {
    let site = Site::new();
    let relay = site.relay().await;
    for lines in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // The relay does not wait for the body.
        "Content-Length: 300000\r\n\r\n",
    ] {
        // The exchange ends only because the relay closes the connection: the request does not ask for that.
        let request = format!("GET /healthz HTTP/1.1\r\n{HOST}{lines}");
        assert_eq!(relay.status_of(&request).await, 400, "{lines:?}");
    }
    let empty =
        format!("GET /healthz HTTP/1.1\r\n{HOST}Content-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(relay.status_of(&empty).await, 200);
}

#[tokio::test]
async fn an_unreadable_header_on_which_access_depends_is_not_treated_as_absent() {
    let site = Site::new();
    let relay = site.relay_with_token(Limits::new(10, 10), Some("open-sesame"));
    let request = |path: &str, lines: &[u8]| {
        let head = format!("GET {path}?token=open-sesame HTTP/1.1\r\n{HOST}Connection: close\r\n");
        [head.as_bytes(), lines, b"\r\n"].concat()
    };
    let status = async |path: &str, lines: &[u8]| {
        let answer = relay.exchange(&request(path, lines)).await;
        String::from_utf8_lossy(&answer)[9..12].to_owned()
    };
    assert_eq!(status("/api/streams", b"").await, "200");
    for lines in [
        &b"Origin: https://\xe9vil.example\r\n"[..],
        b"Origin: http://localhost\r\nOrigin: https://evil.example\r\n",
        b"Authorization: Bearer \xe9\r\n",
        b"Authorization: Bearer open-sesame\r\nAuthorization: Bearer open-sesame\r\n",
        b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
        b"Sec-Fetch-Site: cross-site\xff\r\n",
    ] {
        for path in ["/api/streams", "/ws", "/streams/cam/snapshot", "/metrics"] {
            assert_eq!(
                status(path, lines).await,
                "400",
                "{path} {}",
                String::from_utf8_lossy(lines)
            );
        }
    }
}

#[tokio::test]
async fn a_plain_websocket_accepts_the_first_offered_subprotocol() {
    let site = Site::new();
    let _camera = site.camera("cam");
    let relay = site.relay().await;
    relay.until_listed("cam", |_| true).await;
    let goodbye = masked(8, b"");
    for (offer, chosen) in [("Sec-WebSocket-Protocol: null\r\n", true), ("", false)] {
        let head = format!("GET /streams/cam/ws HTTP/1.1\r\n{HOST}{UPGRADE}{KEY}{offer}\r\n");
        let answer = relay.exchange(&[head.as_bytes(), &goodbye].concat()).await;
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert_eq!(answer.contains("sec-websocket-protocol: null\r\n"), chosen, "{answer}");
    }
}

#[tokio::test]
async fn readiness_names_no_endpoint_to_clients_without_the_required_token() {
    let site = Site::new();
    let relay = site.relay_with_token(Limits::new(10, 10), Some("open-sesame"));
    let text = async |path: &str| {
        let answer = relay.get(path, &[]).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(text("/readyz").await, (503, "not ready\n".into()));
    let (status, with_token) = text("/readyz?token=open-sesame").await;
    assert!(status == 503 && with_token.contains("nothing received yet"), "{with_token}");
    assert_eq!(text("/readyz?token=open-says-me").await.0, 401);
}

#[tokio::test]
async fn the_tenth_wrong_token_is_the_last_one_answered_without_delay() {
    let site = Site::new();
    let relay = site.relay_with_token(Limits::new(100, 100), Some("open-sesame"));
    let guess = async || {
        let asked = Instant::now();
        let answer = relay.get("/api/streams", &["Authorization: bearer sesame-open"]).await;
        assert_eq!(answer.status, 401);
        asked.elapsed()
    };
    let begun = Instant::now();
    for _ in 0..10 {
        guess().await;
    }
    let free = begun.elapsed();
    let (delayed, right) = tokio::join!(guess(), async {
        let asked = Instant::now();
        let answer = relay.get("/api/streams", &["Authorization: bearer open-sesame"]).await;
        assert_eq!(answer.status, 200);
        asked.elapsed()
    });
    // Each token costs a second and ten are free: the answer to the eleventh is due a second after the first token.
    let due = Duration::from_secs(1).saturating_sub(free);
    assert!(delayed >= due, "{delayed:?} after {free:?}");
    // A machine that takes a second for ten requests delays no answer.
    assert!(right < delayed || due.is_zero(), "a right token waits: {right:?}, {delayed:?}");
    let metrics = relay.get("/metrics?token=open-sesame", &[]).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let counted = "fanlight_access_denied_total{reason=\"wrong_token\"} 11\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_client_that_connects_at_the_start_gets_a_frame_over_each_transport() {
    let site = Site::new();
    let mut camera = site.camera("cam");
    let relay = site.relay().await;
    let mut wall = relay.socket().await;
    wall.watch(1, "cam").await;
    let (mut parts, snapshot, mut plain, ()) = tokio::join!(
        relay.open("/streams/cam/mjpeg"),
        relay.get("/streams/cam/snapshot", &[]),
        relay.plain_viewer_unlisted("cam"),
        async {
            camera.until_demand(true).await;
            // Frames keep coming, so that each client gets a recent one whenever it connects.
            let end = Instant::now() + STARTUP;
            while Instant::now() < end {
                camera.publish(b"picture");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    );
    assert_eq!(snapshot.status, 200, "{}", String::from_utf8_lossy(&snapshot.body));
    assert_eq!(wall.frame().await.1, b"picture");
    assert_eq!(plain.raw_message().await.into_data(), &b"picture"[..]);
    parts.read_until(b"picture\r\n--fanlight-").await;
}

#[tokio::test]
async fn after_the_start_an_unknown_name_is_refused_without_delay() {
    let site = Site::new();
    let relay = site.relay().await;
    let mut wall = relay.socket().await;
    wall.watch(1, "nowhere").await;
    assert_eq!(relay.get("/streams/nowhere/snapshot", &[]).await.status, 404);
    assert_eq!(wall.error().await.1, "unknown-stream");
    // The start phase is over now.
    let asked = Instant::now();
    for path in ["/streams/nowhere/snapshot", "/streams/nowhere/mjpeg", "/streams/No_Name!/mjpeg"] {
        assert_eq!(relay.get(path, &[]).await.status, 404, "{path}");
    }
    wall.watch(2, "nowhere").await;
    assert_eq!(wall.error().await.1, "unknown-stream");
    assert!(asked.elapsed() < STARTUP, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_invalid_name_is_refused_immediately_even_at_the_start() {
    let site = Site::new();
    let relay = site.relay().await;
    let asked = Instant::now();
    assert_eq!(relay.get("/streams/No_Name!/mjpeg", &[]).await.status, 404);
    assert!(asked.elapsed() < STARTUP / 2, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn held_requests_count_against_the_limit_of_viewers() {
    let site = Site::new();
    let relay = site.relay_with(Limits::new(2, 1000)).await;
    let mut wall = relay.socket().await;
    for id in 0..3 {
        wall.watch(id, "not-yet").await;
    }
    let (id, code, _) = wall.error().await;
    assert_eq!((id, code.as_str()), (Some(2), "too-many"));
    assert_eq!(relay.get("/streams/not-yet/mjpeg", &[]).await.status, 503);
    // A cancelled request releases its permit, and the others are answered in the end.
    wall.send_text(r#"{"type":"unwatch","id":0}"#).await;
    wall.watch(3, "not-yet").await;
    let answered =
        within_timeout("both answers", async { [wall.error().await, wall.error().await] }).await;
    let mut ids = answered.map(|(id, code, _)| (id, code));
    ids.sort();
    assert_eq!(ids, [(Some(1), "unknown-stream".into()), (Some(3), "unknown-stream".into())]);
}
