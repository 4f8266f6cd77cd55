//! H.264: keyframes and deltas, and the codec that each viewer is sent.

use std::time::Duration;

use fanlight_protocol::Codec;
use fanlight_protocol::viewer::{FromRelay, FromViewer};

use crate::harness::{Camera, Received, Site, Socket, TestRelay, watch};

const FULL: &str = "full.h264";

/// Watches with the id 1 and these options.
async fn watch_with(socket: &mut Socket, options: serde_json::Value) {
    let mut watch = serde_json::to_value(watch(1, "cam")).unwrap();
    watch.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    socket.send(&FromViewer::Watch(serde_json::from_value(watch).unwrap())).await;
}

async fn viewer(relay: &TestRelay, options: serde_json::Value) -> Socket {
    relay.until_listed("cam", |info| !info.tracks.is_empty()).await;
    let mut socket = relay.socket().await;
    watch_with(&mut socket, options).await;
    socket
}

async fn viewer_of_h264(relay: &TestRelay) -> Socket {
    viewer(relay, serde_json::json!({ "codec": "h264" })).await
}

/// Returns the codec of the next `track` message.
async fn codec(socket: &mut Socket) -> Codec {
    loop {
        if let FromRelay::Track { codec, .. } = socket.message().await {
            return codec;
        }
    }
}

/// Publishes a GOP with this many deltas, and waits until this viewer was sent each frame.
async fn publish_gop(camera: &mut Camera, deltas: u64, viewer: &mut Socket) {
    for number in 0..=deltas {
        camera.publish_on(FULL, number == 0);
        let (header, _) = viewer.frame().await;
        assert_eq!(header.flags.is_keyframe(), number == 0);
    }
}

#[tokio::test]
async fn a_late_joiner_is_sent_the_whole_gop_in_one_burst_even_if_it_acknowledges_nothing() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut first = viewer_of_h264(&relay).await;
    camera.until_demand_for(FULL).await;
    publish_gop(&mut camera, 40, &mut first).await;
    let mut joiner = viewer(&relay, serde_json::json!({ "codec": "h264", "ack": true })).await;
    assert_eq!(codec(&mut joiner).await, Codec::H264);
    for sequence in 0..=40 {
        let (header, payload) = joiner.frame().await;
        assert_eq!((header.sequence, header.codec), (sequence, Codec::H264));
        assert_eq!(header.flags.is_keyframe(), sequence == 0);
        assert_eq!(payload, FULL.as_bytes());
    }
    camera.publish_on(FULL, false);
    assert_eq!(joiner.frame().await.0.sequence, 41);
    assert!(camera.keyframes.try_recv().is_err(), "no viewer needed one");
}

#[tokio::test]
async fn frames_that_cannot_be_decoded_are_sent_to_no_viewer_and_a_keyframe_is_requested() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut viewer = viewer_of_h264(&relay).await;
    camera.until_demand_for(FULL).await;
    // Another relay has been watching the track, so that it starts within a GOP.
    (0..3).for_each(|_| camera.publish_on(FULL, false));
    assert_eq!(camera.keyframe_request().await, FULL);
    camera.publish_on(FULL, true);
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
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut well = viewer_of_h264(&relay).await;
    camera.until_demand_for(FULL).await;
    publish_gop(&mut camera, 5, &mut well).await;
    let mut fails = viewer_of_h264(&relay).await;
    for sequence in 0..=5 {
        assert_eq!(fails.frame().await.0.sequence, sequence);
    }
    fails.send(&FromViewer::Keyframe { id: 1 }).await;
    assert_eq!(camera.keyframe_request().await, FULL);
    for sequence in 6..20 {
        camera.publish_on(FULL, sequence == 15);
        assert_eq!(well.frame().await.0.sequence, sequence);
    }
    for sequence in 15..20 {
        assert_eq!(fails.frame().await.0.sequence, sequence);
    }
}

#[tokio::test]
async fn the_relay_chooses_h264_if_the_stream_has_it_and_no_option_excludes_it() {
    for (options, demanded) in [
        (serde_json::json!({ "codec": "auto", "rendition": "auto" }), "full.h264"),
        (serde_json::json!({ "codec": "auto", "rendition": "half" }), "half.h264"),
        (serde_json::json!({ "codec": "auto", "rendition": "half", "fps": 10 }), "half.jpeg"),
        (serde_json::json!({}), "full.jpeg"),
    ] {
        let site = Site::new();
        let (camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
        let _viewer = viewer(&relay, options).await;
        camera.until_demand_for(demanded).await;
    }
    let site = Site::new();
    let (camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
    let _viewer = viewer(&relay, serde_json::json!({ "codec": "auto", "rendition": "auto" })).await;
    camera.until_demand_for("full.jpeg").await;
}

#[tokio::test]
async fn if_the_relay_chooses_jpeg_is_shown_until_a_long_gop_ends() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut first = viewer_of_h264(&relay).await;
    camera.until_demand_for(FULL).await;
    // The GOP is too large to be held, which has the same effect as one that is too long.
    camera.publish_large(FULL, true, 3 << 20);
    camera.publish_large(FULL, false, 3 << 20);
    assert!(first.frame().await.0.flags.is_keyframe());
    first.frame().await;
    let mut joiner = viewer(&relay, serde_json::json!({ "codec": "auto" })).await;
    assert_eq!(camera.keyframe_request().await, FULL);
    camera.until_demand_for("full.jpeg").await;
    camera.publish(b"picture");
    assert_eq!(joiner.frame().await.1, b"picture");
    continue_in_h264(&mut camera, &mut joiner).await;
}

/// Publishes a keyframe, and waits until this viewer continues with it.
async fn continue_in_h264(camera: &mut Camera, viewer: &mut Socket) {
    camera.publish_on(FULL, true);
    // The keyframe may show the same picture as the last JPEG. The switch completes with a later one.
    let received = loop {
        if let Ok(came) = tokio::time::timeout(Duration::from_millis(10), viewer.next()).await {
            break came;
        }
        camera.publish_on(FULL, false);
    };
    assert!(
        matches!(received, Received::Message(FromRelay::Track { codec: Codec::H264, .. })),
        "{received:?}"
    );
    assert!(viewer.frame().await.0.flags.is_keyframe());
}

#[tokio::test]
async fn if_the_relay_chooses_jpeg_is_shown_until_h264_arrives_however_long_that_takes() {
    for options in [
        serde_json::json!({ "codec": "auto" }),
        serde_json::json!({ "codec": "auto", "rendition": "auto" }),
    ] {
        let site = Site::new();
        let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
        let mut viewer = viewer(&relay, options).await;
        camera.until_demand_for("full.jpeg").await;
        // Another relay has been watching the track, so that it starts within a GOP.
        camera.publish_on(FULL, false);
        camera.publish(b"picture");
        assert_eq!(viewer.frame().await.1, b"picture");
        continue_in_h264(&mut camera, &mut viewer).await;
    }
}

#[tokio::test]
async fn a_viewer_that_changes_its_codec_is_shown_the_old_one_until_the_new_one_arrives() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut viewer = viewer_of_h264(&relay).await;
    camera.until_demand_for(FULL).await;
    publish_gop(&mut camera, 3, &mut viewer).await;
    watch_with(&mut viewer, serde_json::json!({ "codec": "jpeg", "fps": 1000 })).await;
    camera.until_demand_for("full.jpeg").await;
    camera.publish(b"picture");
    loop {
        if let Received::Frame(header, payload) = viewer.next().await
            && header.codec == Codec::Jpeg
        {
            assert_eq!(payload, b"picture");
            break;
        }
    }
}

#[tokio::test]
async fn the_plain_websocket_sends_access_units_too() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut plain = relay.plain_viewer_with("cam", "codec=h264").await;
    camera.until_demand_for(FULL).await;
    for number in 0..5 {
        camera.publish_on(FULL, number == 0);
        assert_eq!(plain.raw_message().await.into_data(), FULL.as_bytes());
    }
}

#[tokio::test]
async fn impossible_requests_for_h264_are_refused_with_a_remedy() {
    let site = Site::new();
    let (_camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    let mut viewer = viewer(&relay, serde_json::json!({ "codec": "h264", "fps": 5 })).await;
    let (id, code, message) = viewer.error().await;
    assert_eq!((id, code.as_str()), (Some(1), "bad-message"));
    assert!(message.contains("codec=jpeg"), "{message}");
    watch_with(&mut viewer, serde_json::json!({ "codec": "h264", "rendition": "quarter" })).await;
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
async fn transports_of_jpeg_only_send_jpeg_if_the_relay_chooses() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_codecs("cam"), site.relay().await);
    relay.until_listed("cam", |_| true).await;
    let mut parts = relay.open("/streams/cam/mjpeg?codec=auto").await;
    camera.until_demand_for("full.jpeg").await;
    camera.publish(b"picture");
    parts.read_until(b"picture\r\n--fanlight-").await;
    let snapshot = relay.get("/streams/cam/snapshot?codec=auto", &[]).await;
    assert_eq!((snapshot.status, snapshot.body.as_slice()), (200, &b"picture"[..]));
}
