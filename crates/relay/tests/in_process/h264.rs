//! H.264: keyframes and deltas, and who is sent which codec.

use std::time::Duration;

use fanlight_protocol::Codec;
use fanlight_protocol::viewer::{FromRelay, FromViewer};

use crate::harness::{Came, Camera, Site, Socket, TestRelay, watch};

const FULL: &str = "full.h264";

/// Watches as number 1, with these wishes.
async fn wish(socket: &mut Socket, wishes: serde_json::Value) {
    let mut watch = serde_json::to_value(watch(1, "cam")).unwrap();
    watch.as_object_mut().unwrap().extend(wishes.as_object().unwrap().clone());
    socket.send(&FromViewer::Watch(serde_json::from_value(watch).unwrap())).await;
}

async fn viewer(relay: &TestRelay, wishes: serde_json::Value) -> Socket {
    relay.until_listed("cam", |info| !info.tracks.is_empty()).await;
    let mut socket = relay.socket().await;
    wish(&mut socket, wishes).await;
    socket
}

async fn viewer_of_h264(relay: &TestRelay) -> Socket {
    viewer(relay, serde_json::json!({ "codec": "h264" })).await
}

/// The next `track` message: its codec.
async fn codec(socket: &mut Socket) -> Codec {
    loop {
        if let FromRelay::Track { codec, .. } = socket.said().await {
            return codec;
        }
    }
}

/// Publishes a GOP so long, each frame of which this viewer sees.
async fn shoot_gop(camera: &mut Camera, deltas: u64, viewer: &mut Socket) {
    for number in 0..=deltas {
        camera.shoot_of_gop(FULL, number == 0);
        let (header, _) = viewer.frame().await;
        assert_eq!(header.flags.is_keyframe(), number == 0);
    }
}

#[tokio::test]
async fn a_late_joiner_is_sent_the_whole_gop_at_once_also_where_it_acknowledges_nothing() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut first = viewer_of_h264(&relay).await;
    camera.demanded_of(FULL).await;
    shoot_gop(&mut camera, 40, &mut first).await;
    let mut late = viewer(&relay, serde_json::json!({ "codec": "h264", "ack": true })).await;
    assert_eq!(codec(&mut late).await, Codec::H264);
    for sequence in 0..=40 {
        let (header, payload) = late.frame().await;
        assert_eq!((header.sequence, header.codec), (sequence, Codec::H264));
        assert_eq!(header.flags.is_keyframe(), sequence == 0);
        assert_eq!(payload, FULL.as_bytes());
    }
    camera.shoot_of_gop(FULL, false);
    assert_eq!(late.frame().await.0.sequence, 41);
    assert!(camera.keyframes.try_recv().is_err(), "nobody needed one");
}

#[tokio::test]
async fn what_cannot_be_decoded_is_sent_to_nobody_and_a_keyframe_is_asked_for() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut viewer = viewer_of_h264(&relay).await;
    camera.demanded_of(FULL).await;
    // Another relay has watched it for long.
    (0..3).for_each(|_| camera.shoot_of_gop(FULL, false));
    assert_eq!(camera.asked_for_keyframe().await, FULL);
    camera.shoot_of_gop(FULL, true);
    let (header, _) = viewer.frame().await;
    assert!(header.flags.is_keyframe());
    assert_eq!(header.sequence, 3);
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    let line = r#"fanlight_frames_orphaned_total{stream="cam"} 3"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains(r#"rendition_viewers{stream="cam",rendition="full",codec="h264"} 1"#));
}

#[tokio::test]
async fn a_viewer_that_cannot_decode_is_sent_a_keyframe_next_and_others_miss_nothing() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut well = viewer_of_h264(&relay).await;
    camera.demanded_of(FULL).await;
    shoot_gop(&mut camera, 5, &mut well).await;
    let mut fails = viewer_of_h264(&relay).await;
    for sequence in 0..=5 {
        assert_eq!(fails.frame().await.0.sequence, sequence);
    }
    fails.send(&FromViewer::Keyframe { id: 1 }).await;
    assert_eq!(camera.asked_for_keyframe().await, FULL);
    for sequence in 6..20 {
        camera.shoot_of_gop(FULL, sequence == 15);
        assert_eq!(well.frame().await.0.sequence, sequence);
    }
    for sequence in 15..20 {
        assert_eq!(fails.frame().await.0.sequence, sequence);
    }
}

#[tokio::test]
async fn the_relay_chooses_h264_where_it_can_be_had_and_nothing_speaks_against_it() {
    for (wishes, demanded) in [
        (serde_json::json!({ "codec": "auto", "rendition": "auto" }), "full.h264"),
        (serde_json::json!({ "codec": "auto", "rendition": "half" }), "half.h264"),
        (serde_json::json!({ "codec": "auto", "rendition": "half", "fps": 10 }), "half.jpeg"),
        (serde_json::json!({}), "full.jpeg"),
    ] {
        let site = Site::new();
        let (camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
        let _viewer = viewer(&relay, wishes).await;
        camera.demanded_of(demanded).await;
    }
    let site = Site::new();
    let (camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
    let _viewer = viewer(&relay, serde_json::json!({ "codec": "auto", "rendition": "auto" })).await;
    camera.demanded_of("full.jpeg").await;
}

#[tokio::test]
async fn where_the_relay_chooses_jpeg_is_shown_until_a_long_gop_ends() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut first = viewer_of_h264(&relay).await;
    camera.demanded_of(FULL).await;
    // Too heavy to be held, which is as good as too long.
    camera.shoot_heavy(FULL, true, 3 << 20);
    camera.shoot_heavy(FULL, false, 3 << 20);
    assert!(first.frame().await.0.flags.is_keyframe());
    first.frame().await;
    let mut late = viewer(&relay, serde_json::json!({ "codec": "auto" })).await;
    assert_eq!(camera.asked_for_keyframe().await, FULL);
    camera.demanded_of("full.jpeg").await;
    camera.shoot(b"picture");
    assert_eq!(late.frame().await.1, b"picture");
    goes_on_in_h264(&mut camera, &mut late).await;
}

/// A keyframe comes, and this viewer goes on with it.
async fn goes_on_in_h264(camera: &mut Camera, viewer: &mut Socket) {
    camera.shoot_of_gop(FULL, true);
    // That may be the same picture still: one is shown that was taken later.
    let told = loop {
        if let Ok(came) = tokio::time::timeout(Duration::from_millis(10), viewer.next()).await {
            break came;
        }
        camera.shoot_of_gop(FULL, false);
    };
    assert!(matches!(told, Came::Said(FromRelay::Track { codec: Codec::H264, .. })), "{told:?}");
    assert!(viewer.frame().await.0.flags.is_keyframe());
}

#[tokio::test]
async fn where_the_relay_chooses_jpeg_is_shown_until_there_is_h264_however_long_that_takes() {
    for wishes in [
        serde_json::json!({ "codec": "auto" }),
        serde_json::json!({ "codec": "auto", "rendition": "auto" }),
    ] {
        let site = Site::new();
        let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
        let mut viewer = viewer(&relay, wishes).await;
        camera.demanded_of("full.jpeg").await;
        // Another relay has watched it for long.
        camera.shoot_of_gop(FULL, false);
        camera.shoot(b"picture");
        assert_eq!(viewer.frame().await.1, b"picture");
        goes_on_in_h264(&mut camera, &mut viewer).await;
    }
}

#[tokio::test]
async fn a_viewer_may_change_its_codec_and_is_shown_the_old_one_until_the_new_one_is_there() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut viewer = viewer_of_h264(&relay).await;
    camera.demanded_of(FULL).await;
    shoot_gop(&mut camera, 3, &mut viewer).await;
    wish(&mut viewer, serde_json::json!({ "codec": "jpeg", "fps": 1000 })).await;
    camera.demanded_of("full.jpeg").await;
    camera.shoot(b"picture");
    loop {
        if let Came::Frame(header, payload) = viewer.next().await
            && header.codec == Codec::Jpeg
        {
            assert_eq!(payload, b"picture");
            break;
        }
    }
}

#[tokio::test]
async fn the_plain_websocket_carries_access_units_too() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut plain = relay.plain_viewer_with("cam", "codec=h264").await;
    camera.demanded_of(FULL).await;
    for number in 0..5 {
        camera.shoot_of_gop(FULL, number == 0);
        assert_eq!(plain.message().await.into_data(), FULL.as_bytes());
    }
}

#[tokio::test]
async fn what_cannot_be_had_in_h264_is_refused_in_words_that_help() {
    let site = Site::new();
    let (_camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    let mut viewer = viewer(&relay, serde_json::json!({ "codec": "h264", "fps": 5 })).await;
    let (id, code, message) = viewer.error().await;
    assert_eq!((id, code.as_str()), (Some(1), "bad-message"));
    assert!(message.contains("codec=jpeg"), "{message}");
    wish(&mut viewer, serde_json::json!({ "codec": "h264", "rendition": "quarter" })).await;
    let (_, code, message) = viewer.error().await;
    assert_eq!(code, "unknown-stream");
    assert!(message.contains("half.h264"), "{message}");
    for path in ["mjpeg", "snapshot"] {
        let answer = relay.get(&format!("/streams/cam/{path}?codec=h264"), &[]).await;
        assert_eq!(answer.status, 400, "{path}");
        let message = String::from_utf8(answer.body).unwrap();
        assert!(message.contains("/streams/NAME/ws"), "{message}");
    }
}

#[tokio::test]
async fn what_carries_only_jpeg_takes_it_where_the_relay_chooses() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_codecs("cam"), site.relay().await);
    relay.until_listed("cam", |_| true).await;
    let mut parts = relay.open("/streams/cam/mjpeg?codec=auto").await;
    camera.demanded_of("full.jpeg").await;
    camera.shoot(b"picture");
    parts.read_until(b"picture\r\n--fanlight-").await;
    let snapshot = relay.get("/streams/cam/snapshot?codec=auto", &[]).await;
    assert_eq!((snapshot.status, snapshot.body.as_slice()), (200, &b"picture"[..]));
}
