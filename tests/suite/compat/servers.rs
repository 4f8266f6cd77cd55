//! The addresses of other servers and what they answer.

use fanlight_tests::Site;
use fanlight_tests::eventually;
use fanlight_tests::socket::{Incoming, Socket};
use fanlight_tests::tools::{python, run, tool};
use serde_json::{Value, json};

use super::{DOOR, YARD, assert_mjpeg, assert_snapshot, exchange, size, started};

#[test]
fn clients_of_mjpg_streamer_and_ustreamer_see_the_first_stream_or_the_one_they_name() {
    let (_site, relay) = started();
    for (path, expected) in [
        ("/?action=snapshot", DOOR),
        ("/?action=snapshot_0", DOOR),
        ("/?action=snapshot_1", YARD),
        ("/?action=snapshot&stream=yard", YARD),
        ("/?action=snapshot&cacheBust=1764550000000", DOOR),
        ("/?action=snapshot?1764550000000", DOOR),
        ("/snapshot", DOOR),
        ("/snapshot?stream=yard&1764550000000", YARD),
    ] {
        assert_snapshot(&relay, path, expected);
    }
    for (path, expected) in [
        ("/?action=stream", DOOR),
        ("/?action=stream_1", YARD),
        ("/?action=stream&stream=yard", YARD),
        ("/stream", DOOR),
        ("/stream?key=x&extra_headers=1&advance_headers=1&dual_final_frames=1", DOOR),
        ("/stream?stream=yard", YARD),
    ] {
        assert_mjpeg(&relay, path, expected);
    }
    let missing = relay.get("/?action=snapshot_7");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("number 7 (from 0); known streams: door, yard"));
    let unknown = relay.get("/stream?stream=gate");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("\"gate\"; known streams: door, yard"), "{}", unknown.text());
    assert_eq!(relay.get("/?action=command&id=1").status, 404);
}

#[test]
fn without_an_action_the_root_is_the_page() {
    let site = Site::new();
    let relay = site.relay(&[]);
    for path in ["/", "/?stream=door", "/?token=unused&x"] {
        let page = relay.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html"));
        assert!(page.header("content-security-policy").contains("frame-ancestors"));
    }
}

#[test]
fn the_state_of_ustreamer_has_the_fields_that_the_relay_knows() {
    let (_site, relay) = started();
    let mut viewer = relay.mjpeg("yard");
    viewer.part();
    let state = eventually("the frame rate is known", || {
        let state = relay.get("/state?stream=yard").json();
        (state["result"]["source"]["captured_fps"] != json!(0)).then_some(state)
    });
    assert_eq!(state["ok"], true);
    let result = &state["result"];
    assert_eq!(result["source"]["resolution"], json!({ "width": 640, "height": 360 }));
    assert_eq!(result["source"]["online"], true);
    assert_eq!(result["stream"]["clients"], 1);
    assert_eq!(relay.get("/state").json()["result"]["source"]["resolution"]["width"], 320);
    assert_eq!(relay.get("/state?stream=gate").status, 404);
}

#[test]
fn a_snapshot_of_a_stream_without_pictures_is_refused_with_the_reason() {
    let site = Site::new();
    site.capture(&["--stream", "cam=/nonexistent/clip.mp4"]);
    let relay = site.relay(&[]);
    relay.wait_until("cam", &["offline"]);
    for path in ["/?action=snapshot&stream=cam", "/snapshot?stream=cam", "/api/frame.jpeg?src=cam"]
    {
        let refused = relay.get(path);
        assert_eq!(refused.status, 503, "{path}");
        assert_eq!(refused.header("content-type"), "image/jpeg", "the reason, for an <img>");
        assert!(!refused.header("retry-after").is_empty());
    }
}

#[test]
fn a_snapshot_of_a_source_that_stays_silent_is_answered_before_timelapse_programs_give_up() {
    let site = Site::new();
    // The first byte of a command may take 20 s.
    site.capture(&["--stream", "cam=exec:sleep 60"]);
    let relay = site.relay(&[]);
    eventually("the stream is known", || (!relay.stream("cam").is_null()).then_some(()));
    for path in ["/?action=snapshot&stream=cam", "/snapshot?stream=cam", "/api/frame.jpeg?src=cam"]
    {
        // The relay's own address waits for 3 s, moonraker-timelapse for 2.
        let url = relay.url(path);
        let arguments = ["-sS", "--max-time", "2.8", "-o", "/dev/null", "-w", "%{http_code}", &url];
        assert_eq!(run("curl", tool("curl", &arguments)), "503", "{path}");
    }
}

/// Asks for a format as go2rtc's `video-rtc.js` does.
fn ask(socket: &mut Socket, kind: &str, value: Option<&str>) {
    let message = match value {
        Some(value) => json!({ "type": kind, "value": value }),
        None => json!({ "type": kind }),
    };
    socket.send_text(&message.to_string());
}

fn text(socket: &mut Socket) -> Value {
    match socket.receive() {
        Incoming::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("expected a text, received {other:?}"),
    }
}

fn jpeg(socket: &mut Socket) -> Vec<u8> {
    match socket.receive() {
        Incoming::Binary(jpeg) => jpeg.to_vec(),
        other => panic!("expected a picture, received {other:?}"),
    }
}

#[test]
fn front_ends_of_go2rtc_fall_back_to_pictures() {
    let (_site, relay) = started();
    assert_snapshot(&relay, "/api/frame.jpeg?src=yard&cache=1s", YARD);
    assert_mjpeg(&relay, "/api/stream.mjpeg?src=yard", YARD);
    assert_eq!(relay.get("/api/stream.mjpeg?src=gate").status, 404);

    let mut socket = relay.open_websocket("/api/ws?src=yard", &[]).expect("it opens");
    assert_eq!(relay.stream("yard")["viewers"], 0, "nothing was asked for");
    // The default mode asks for both, and sends an offer of several KiB.
    ask(&mut socket, "mse", Some("avc1.640029,avc1.64002A,avc1.640033,hvc1.1.6.L153.B0,mp4a.40.2"));
    ask(&mut socket, "webrtc/offer", Some(&"a=rtpmap:96 H264/90000\r\n".repeat(400)));
    ask(&mut socket, "webrtc/candidate", Some("candidate:1 1 udp 2113937151 10.0.0.1 50000"));
    let refused = [text(&mut socket), text(&mut socket)];
    for (answer, kind) in refused.iter().zip(["mse", "webrtc/offer"]) {
        assert_eq!(answer["type"], "error");
        assert!(answer["value"].as_str().is_some_and(|text| text.starts_with(kind)), "{answer}");
    }
    ask(&mut socket, "mjpeg", None);
    assert_eq!(text(&mut socket), json!({ "type": "mjpeg" }));
    for _ in 0..3 {
        assert_eq!(size(&jpeg(&mut socket)), YARD);
    }
    // Asking again changes nothing.
    ask(&mut socket, "mjpeg", None);
    assert_eq!(size(&jpeg(&mut socket)), YARD);
    assert_eq!(relay.stream("yard")["viewers"], 1);
    let sent = "fanlight_frames_sent_total{stream=\"yard\",transport=\"ws\"}";
    assert!(relay.metric(sent) >= 4);
    drop(socket);
    eventually("the viewer is gone", || (relay.stream("yard")["viewers"] == 0).then_some(()));

    let unknown = relay.open_websocket("/api/ws?src=gate", &[]).expect_err("there is no gate");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text.contains("known streams: door, yard"), "{}", unknown.text);
}

#[test]
fn clients_of_web_video_server_name_a_topic() {
    let (_site, relay) = started();
    for topic in
        ["yard", "/yard", "/yard/image_raw", "/yard/camera/image_raw/compressed", "%2FYard"]
    {
        assert_snapshot(&relay, &format!("/snapshot?topic={topic}&quality=50"), YARD);
    }
    let stream =
        "/stream?topic=/yard/image_raw&type=ros_compressed&width=320&height=240&quality=50";
    assert_mjpeg(&relay, stream, YARD);
    assert_eq!(relay.get("/stream?topic=/yard/image_raw&type=vp8").status, 400);
    let unknown = relay.get("/stream?topic=/gate/image_raw");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("known streams: door, yard"), "{}", unknown.text());
}

#[test]
fn clients_of_the_aiohttp_ancestor_receive_binary_messages_only() {
    let (_site, relay) = started();
    assert_eq!(relay.get("/cameras_list").json(), json!({ "cameras": ["door", "yard"] }));
    assert_snapshot(&relay, "/get_one_image", DOOR);
    assert_mjpeg(&relay, "/stream_video", DOOR);
    for (path, expected) in [
        ("/websocket_handler_site", DOOR),
        ("/websocket_handler_site/yard", YARD),
        ("/websocket_handler_site/1", YARD),
        ("/websocket_handler_site/yard?codec=auto", YARD),
    ] {
        let mut socket = relay.open_websocket(path, &[]).expect("it opens");
        socket.send_text("hello");
        for _ in 0..3 {
            assert_eq!(size(&jpeg(&mut socket)), expected, "{path}");
        }
    }
    let unknown = relay.open_websocket("/websocket_handler_site/cam_100500", &[]);
    assert_eq!(unknown.expect_err("there is no such camera").status, 404);
    let program = "
import sys, websocket
socket = websocket.create_connection(sys.argv[1])
for _ in range(5):
    code, data = socket.recv_data()
    print(code, data[:2].hex(), data[-2:].hex())
socket.close()
";
    let url = relay.url("/websocket_handler_site/yard").replace("http://", "ws://");
    let said = python("python3-websocket", program, &[&url]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["2 ffd8 ffd9"; 5]);
}

#[test]
fn a_head_request_has_the_head_of_the_answer_and_no_body() {
    let (_site, relay) = started();
    for (path, kind) in [
        ("/?action=stream", "multipart/x-mixed-replace; boundary="),
        ("/stream", "multipart/x-mixed-replace; boundary="),
        ("/streams/door/mjpeg", "multipart/x-mixed-replace; boundary="),
        ("/?action=snapshot", "image/jpeg\r\n"),
        ("/streams/door/snapshot", "image/jpeg\r\n"),
        ("/state", "application/json\r\n"),
    ] {
        let request =
            format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // The relay closes the connection, so this is everything.
        let answer = exchange(&relay, &request, |_| false);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(text.starts_with("http/1.1 200 ok\r\n"), "{path}: {text}");
        assert!(text.contains(&format!("content-type: {kind}")), "{path}: {text}");
        assert!(text.ends_with("\r\n\r\n"), "{path}: {text}");
    }
    assert_eq!(relay.stream("door")["viewers"], 0);
}
