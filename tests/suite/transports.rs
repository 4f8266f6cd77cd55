//! The relay's HTTP and WebSocket endpoints.

use std::io::{BufRead, BufReader, Read, Write};

use fanlight_protocol::viewer::FromRelay;
use fanlight_tests::relay::V1;
use fanlight_tests::viewer::now;
use fanlight_tests::{Site, eventually, picture};

#[test]
fn a_snapshot_is_the_newest_picture() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let snapshot = || relay.get("/streams/cam/snapshot");
    let first = snapshot();
    assert_eq!((first.status, first.header("content-type")), (200, "image/jpeg"));
    assert!(first.header("x-timestamp").parse::<f64>().is_ok(), "{first:?}");
    let number = picture::timecode_of(&first.body).number;
    eventually("a newer picture arrives", || {
        (picture::timecode_of(&snapshot().body).number > number).then_some(())
    });
}

#[test]
fn every_part_of_mjpeg_has_its_capture_time() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.mjpeg("cam");
    assert_eq!(viewer.head["x-accel-buffering"], "no");
    for _ in 0..10 {
        let part = viewer.part();
        let stamped = part.timecode().time.micros() as f64 / 1e6;
        assert!((part.timestamp - stamped).abs() < 0.05, "{} for {stamped}", part.timestamp);
    }
}

#[test]
fn a_socket_starts_with_hello_and_sends_a_track_before_its_first_frame() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut viewer = relay.wall();
    viewer.watch(9, "cam");
    viewer.until("hello", |word| matches!(word, FromRelay::Hello { .. }).then_some(()));
    let track = viewer.until("the track", |word| match word {
        FromRelay::Track { id, stream, width, height, renditions, .. } => {
            let renditions: Vec<String> = renditions.iter().map(ToString::to_string).collect();
            Some((*id, stream.to_string(), *width, *height, renditions.join(" ")))
        }
        _ => None,
    });
    assert_eq!(track, (9, "cam".into(), 320, 180, "full half quarter".into()));
    let frame = viewer.frame();
    assert_eq!(frame.id, 9);
    assert!(frame.captured_at <= frame.sent_at && frame.sent_at <= now());
}

#[test]
fn a_viewer_can_request_the_relays_clock() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let mut viewer = relay.wall();
    let before = now();
    viewer.send_text(r#"{"type":"clock","t0":12.5}"#);
    let (t0, t1, t2) = viewer.until("the clock", |word| match word {
        FromRelay::Clock { t0, t1, t2 } => Some((*t0, *t1, *t2)),
        _ => None,
    });
    assert!(t0 == 12.5 && before.since(t1).as_millis() < 50 && t1 <= t2, "{before} {t1} {t2}");
}

#[test]
fn a_socket_that_requests_the_list_receives_its_changes() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let mut viewer = relay.wall();
    viewer.send_text(r#"{"type":"list"}"#);
    let names = |word: &FromRelay| match word {
        FromRelay::Streams { streams, .. } => {
            Some(streams.iter().map(|stream| stream.name.to_string()).collect::<Vec<_>>())
        }
        _ => None,
    };
    assert!(viewer.until("the list", names).is_empty());
    site.camera("cam");
    viewer.until("a list with the stream", |word| names(word).filter(|names| names == &["cam"]));
}

#[test]
fn a_viewer_can_limit_its_frame_rate() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut viewer = relay.wall();
    viewer.send_text(r#"{"type":"watch","id":1,"stream":"cam","fps":10}"#);
    let times: Vec<_> = viewer.frames(25).iter().map(|frame| frame.captured_at).skip(5).collect();
    let mean = times[times.len() - 1].since(times[0]) / (times.len() as u32 - 1);
    assert!((80..130).contains(&mean.as_millis()), "{mean:?} from frame to frame");
    // Frames above the requested rate do not count as dropped for other reasons.
    let dropped = |reasons: &[&str]| relay.dropped("cam", "v1", reasons);
    let (limited, others) = (dropped(&["fps"]), dropped(&["relay", "link", "viewer"]));
    assert!(limited > 40, "frames above the rate are counted separately: {limited}");
    // If the machine pauses, some frames are dropped anyway.
    assert!(others < limited / 4, "{others} beside {limited}");
}

#[test]
fn sent_frames_are_counted_by_stream_and_transport() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let (mut v1, mut plain, mut mjpeg) =
        (relay.viewer("cam"), relay.plain_viewer("cam"), relay.mjpeg("cam"));
    for _ in 0..10 {
        v1.frame();
        plain.picture();
        mjpeg.part();
    }
    assert_eq!(relay.get("/streams/cam/snapshot").status, 200);
    for transport in ["v1", "ws", "mjpeg"] {
        let of = format!("{{stream=\"cam\",transport=\"{transport}\"}}");
        let metric = |name: &str| relay.metric(&format!("fanlight_{name}{of}"));
        assert_eq!(metric("viewers"), 1);
        for name in ["frames_sent_total", "frame_age_sent_seconds_count", "frames_behind_count"] {
            assert!(metric(name) >= 10, "{name}{of}: {}", metric(name));
        }
        assert!(metric("payload_bytes_sent_total") > 10_000);
        assert!(metric("freezes_total") < 10, "the frames arrive evenly");
    }
    assert_eq!(relay.metric("fanlight_stream_viewers{stream=\"cam\"}"), 3);
    drop((v1, plain, mjpeg));
    eventually("the relay has noticed that the viewers left", || {
        ["v1", "ws", "mjpeg"].iter().all(|by| relay.closed(by, "left") == 1).then_some(())
    });
}

#[test]
fn a_stream_without_viewers_is_idle() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_until("cam", &["idle"]);
    let viewer = relay.viewer("cam");
    relay.wait_until("cam", &["live"]);
    assert_eq!(relay.stream("cam")["viewers"], 1);
    drop(viewer);
    relay.wait_until("cam", &["idle"]);
    assert_eq!(relay.stream("cam")["viewers"], 0);
}

#[test]
fn the_page_is_embedded_in_the_program() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let page = relay.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("<script"), "{}", page.text());
    for (path, status) in
        [("/healthz", 200), ("/no-such-thing", 404), ("/ws", 426), ("/streams/cam/ws", 426)]
    {
        assert_eq!(relay.get(path).status, status, "{path}");
    }
    assert_eq!(
        relay.open_websocket("/ws", &[]).unwrap_err().status,
        400,
        "without its subprotocol"
    );
    assert!(relay.open_websocket("/ws", &[V1]).is_ok());
}

#[test]
fn http_1_0_clients_receive_mjpeg() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut stream = relay.connect();
    // An HTTP/1.0 request has no Host header, and its response must not be chunked.
    stream.write_all(b"GET /streams/cam/mjpeg HTTP/1.0\r\n\r\n").expect("it is connected");
    let mut lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    let mut received = Vec::new();
    while received.iter().filter(|line: &&String| line.starts_with("--fanlight")).count() < 3 {
        received.push(
            String::from_utf8_lossy(&lines.next().expect("the stream continues")).to_lowercase(),
        );
    }
    assert!(received[0].starts_with("http/1.") && received[0].contains(" 200"), "{}", received[0]);
    assert!(!received.iter().any(|line| line.starts_with("transfer-encoding")));
}

#[test]
fn methods_other_than_get_and_head_and_invalid_paths_are_refused() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    for (request, status) in [
        ("POST /api/streams", "405"),
        ("DELETE /streams/cam/mjpeg", "405"),
        ("HEAD /streams/cam/mjpeg", "200"),
        ("HEAD /streams/cam/snapshot", "200"),
        ("GET /streams/cam/mjpeg?fps=0", "400"),
        ("GET /streams/cam/mjpeg?fps=many", "400"),
        ("GET /streams/cam/mjpeg?buffer=5.1", "400"),
        ("GET /streams/cam/mjpeg?buffer=-1", "400"),
        ("GET /streams/cam/mjpeg?buffer=NaN", "400"),
        ("GET /streams/cam/mjpeg?buffer=some", "400"),
        ("HEAD /streams/cam/mjpeg?buffer=5", "200"),
        ("GET /streams/cam/mjpeg?rendition=HUGE", "400"),
        ("GET /streams/cam/mjpeg?rendition=huge", "404"),
        ("GET /streams/cam/mjpeg?codec=vp8", "400"),
        ("GET /streams/%2e%2e/mjpeg", "404"),
        ("GET /../../etc/passwd", "404"),
        ("GET /%2e%2e%2fCargo.toml", "404"),
    ] {
        let mut stream = relay.connect();
        let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is connected");
        let mut answer = String::new();
        BufReader::new(stream).read_to_string(&mut answer).expect("an answer, and its end");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}: {answer}");
    }
    // A HEAD request does not count as a viewer.
    eventually("the stream has no viewers", || (relay.stream("cam")["viewers"] == 0).then_some(()));
}
