//! Publishing over a WebSocket: one frame a message.

use std::io::Write;
use std::time::{Duration, Instant};

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::clip::{self, Encoding};
use fanlight_tests::pusher::{jpeg, open};
use fanlight_tests::socket::Incoming;
use fanlight_tests::tls::TestAuthority;
use fanlight_tests::tools::{run, tool};
use fanlight_tests::viewer::missing;
use fanlight_tests::{Pusher, Site, TlsTunnel, eventually, h264};

#[test]
fn a_pushed_stream_is_a_stream_like_any_other() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let _pusher = Pusher::start(&relay, "phone");
    relay.wait_for("phone");
    let listed = relay.stream("phone");
    assert_eq!((&listed["state"], &listed["source"]), (&"live".into(), &"pushed".into()));
    let track = &listed["tracks"][0];
    assert_eq!((&track["rendition"], &track["codec"]), (&"full".into(), &"jpeg".into()));
    assert_eq!((&track["width"], &track["height"]), (&320.into(), &180.into()));
    // A viewer sees the pictures, and their true age. A busy machine may cost it some.
    let mut viewer = relay.viewer("phone");
    let frames = viewer.frames(30);
    let numbers: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    assert!(missing(&numbers) <= 10, "{numbers:?}");
    for frame in &frames {
        assert!(frame.captured_at >= frame.timecode().time, "stamped on arrival");
        assert!(frame.age() < Duration::from_secs(1), "{:?}", frame.age());
    }
    relay.plain_viewer("phone").timecode();
    relay.mjpeg("phone").part().timecode();
    assert_eq!(relay.get("/streams/phone/snapshot").status, 200);
    eventually("its rate is measured", || {
        let fps = relay.stream("phone")["tracks"][0]["fps"].as_f64()?;
        (20.0..40.0).contains(&fps).then_some(())
    });
    assert_eq!(relay.metric("fanlight_publishers{transport=\"ws\"}"), 1);
    assert!(relay.metric("fanlight_ingested_frames_total{transport=\"ws\"}") >= 30);
}

#[test]
fn a_pushed_stream_ends_with_its_connection_and_returns_with_the_next() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let pusher = Pusher::start(&relay, "phone");
    let mut viewer = relay.viewer("phone");
    viewer.frame();
    drop(pusher);
    let reason = viewer.wait_for_state(ViewerState::Offline);
    assert_eq!(reason, "publisher has left");
    assert_eq!(relay.stream("phone")["gone"], true);
    let _again = Pusher::start(&relay, "phone");
    viewer.wait_for_state(ViewerState::Live);
    viewer.frame();
    for audited in ["publishing begins", "publishing ends"] {
        let line = relay.program().says(audited);
        assert!(line.contains("phone") && line.contains("127.0.0.1"), "{line}");
    }
}

#[test]
fn a_name_has_one_publisher_and_another_may_take_it_over() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    for query in ["", "?takeover=1"] {
        let refused = open(&relay, "cam", query).unwrap_err();
        assert!(refused.status == 409 && refused.text.contains("capture"), "{refused:?}");
    }
    let first = Pusher::start(&relay, "phone");
    let mut viewer = relay.viewer("phone");
    viewer.frame();
    let refused = open(&relay, "phone", "").unwrap_err();
    assert!(refused.status == 409 && refused.text.contains("takeover=1"), "{refused:?}");
    let second = open(&relay, "phone", "?takeover=1").unwrap();
    // The first one continues until there is a picture of the second.
    viewer.frame();
    let _second = Pusher::sending(second, Duration::from_millis(33));
    first.wait_until_closed();
    viewer.frames(10);
    let refused = open(&relay, "phone", "?takeover=1").unwrap_err();
    assert!(refused.status == 409 && refused.text.contains("less than 5 s ago"), "{refused:?}");
    assert_eq!(relay.stream("phone")["state"], "live");
    let ended = "fanlight_publishers_ended_total{transport=\"ws\",reason=\"replaced\"}";
    assert_eq!(relay.metric(ended), 1);
}

#[test]
fn a_silent_client_is_pinged_and_then_gone_and_one_that_answers_is_not() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let (mut silent, mut answering) =
        (open(&relay, "silent", "").unwrap(), open(&relay, "answering", "").unwrap());
    let begun = Instant::now();
    assert!(silent.send_binary(&jpeg(1)) && answering.send_binary(&jpeg(1)));
    relay.wait_for("answering");
    // Reading answers the relay's pings.
    let reading = std::thread::spawn(move || answering.receive());
    relay.wait_until("silent", &["offline"]);
    let elapsed = begun.elapsed();
    assert!((4..9).contains(&elapsed.as_secs()), "{elapsed:?}");
    assert_eq!(relay.stream("silent")["reason"], "publisher is silent");
    assert_eq!(relay.stream("answering")["state"], "live", "a pause is not an end");
    relay.stop();
    assert!(matches!(reading.join().unwrap(), Incoming::Closed(1001, _)));
}

#[test]
fn libraries_for_microcontrollers_are_understood() {
    let site = Site::new();
    let relay = site.relay_at("127.0.0.1:0", &["--publish-token", TOKEN]);
    let path = format!("/streams/esp/publish?token={TOKEN}");
    let headers = [("origin", "file://"), ("sec-websocket-protocol", "arduino")];
    let mut socket = relay.open_websocket(&path, &headers).unwrap();
    assert_eq!(socket.head["sec-websocket-protocol"], "arduino");
    let picture = jpeg(7);
    // A text between the pictures, each of which comes in fragments of 1 KiB, with a ping between two of them.
    socket.send_text("hello");
    let pieces: Vec<&[u8]> = picture.chunks(1024).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = if at == 0 { 2 } else { 0 };
        let fragment = masked(at + 1 == pieces.len(), opcode, piece);
        socket.raw().write_all(&fragment).unwrap();
        socket.raw().write_all(&masked(true, 9, b"?")).unwrap();
    }
    relay.wait_for("esp");
    let snapshot = relay.get("/streams/esp/snapshot");
    assert_eq!(fanlight_tests::picture::timecode_of(&snapshot.body).number, 7);
    assert_eq!(snapshot.body, picture, "forwarded as it is");
    assert_eq!(relay.stream("esp")["source"], "pushed by publish-token");
    assert_eq!(relay.metric("fanlight_ingest_refused_total{reason=\"text\"}"), 1);
    assert!(!relay.program().log().contains(TOKEN));
}

const TOKEN: &str = "open-sesame-42";

/// Encodes a frame of a client.
fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 77, 177, 233];
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(payload.len()).expect("a fragment").to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The start code and header of an access unit delimiter.
const DELIMITER: &[u8] = &[0, 0, 0, 1, 9];

/// Returns the access units of an encoded clip, each of which begins with a delimiter.
fn access_units(site: &Site, frames: u32) -> Vec<Vec<u8>> {
    let (clip, raw) = (site.path("clip.mp4"), site.path("clip.h264"));
    clip::make(&clip, Encoding::H264, frames);
    let mut command = tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-i"]);
    command.arg(&clip).args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30"]);
    command.args(["-pix_fmt", "yuv420p", "-x264-params", "aud=1", "-f", "h264"]).arg(&raw);
    run("ffmpeg", command);
    let bytes = std::fs::read(&raw).expect("ffmpeg wrote it");
    let mut starts: Vec<usize> =
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(DELIMITER)).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

#[test]
fn an_access_unit_a_message_is_shown_with_that_message() {
    let site = Site::new();
    let relay = site.relay(&["--max-ingest-fps", "1000"]);
    let units = access_units(&site, 60);
    assert_eq!(units.len(), 60);
    let mut socket = open(&relay, "film", "?codec=h264").unwrap();
    // A client that begins in the middle of a GOP has no frame yet.
    assert!(socket.send_binary(&units[5]) && socket.send_binary(&units[0]));
    let mut viewer = relay.viewer_with("film", "\"codec\":\"h264\"");
    let mut frames = vec![viewer.frame()];
    for unit in &units[1..] {
        assert!(socket.send_binary(unit));
        frames.push(viewer.frame());
    }
    let numbers: Vec<u32> =
        h264::timecodes(&frames, (320, 180)).iter().map(|read| read.number).collect();
    assert_eq!(numbers, (0..60).collect::<Vec<u32>>());
    assert_eq!(relay.metric("fanlight_ingest_refused_total{reason=\"no_keyframe\"}"), 1);
    // All frames of a stream have one codec. After one that is refused, deltas refer to a frame that is missing.
    assert!(socket.send_binary(&jpeg(1)));
    assert!(socket.send_binary(&units[1]) && socket.send_binary(&units[30]));
    let next = viewer.frame();
    assert!(next.is_keyframe && next.payload.len() > units[30].len() / 2, "{next:?}");
    assert_eq!(relay.metric("fanlight_ingest_refused_total{reason=\"invalid\"}"), 1);
    assert_eq!(relay.metric("fanlight_ingest_refused_total{reason=\"no_keyframe\"}"), 2);
}

#[test]
fn publishers_use_tls() {
    let site = Site::new();
    let authority = TestAuthority::new(&site.path(""));
    let files = authority.issue(&site.path(""), "relay");
    let relay = site.relay(&files.options());
    let tunnel = TlsTunnel::to(relay.address(), &authority.certificate);
    let tunnelled = relay.through(tunnel.address());
    let _pusher = Pusher::start(&tunnelled, "phone");
    let frames = tunnelled.viewer("phone").frames(20);
    assert!(frames.iter().all(|frame| frame.age() < Duration::from_secs(1)));
    let picture = site.path("picture.jpg");
    std::fs::write(&picture, jpeg(5)).unwrap();
    let mut curl = tool("curl", &["-sS", "--fail-with-body", "--cacert"]);
    curl.arg(&authority.certificate).arg("-T").arg(&picture);
    curl.arg(format!("https://localhost:{}/streams/door/publish", relay.address().port()));
    run("curl", curl);
    tunnelled.wait_for("door");
}
