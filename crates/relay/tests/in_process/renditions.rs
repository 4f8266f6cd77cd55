//! `rendition=auto`: a rendition that fits each viewer.

use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{FromRelay, FromViewer, ViewerState};

use crate::harness::{Camera, Received, Site, Socket, TestRelay};

const ALL: [&str; 3] = ["full", "half", "quarter"];

async fn socket(relay: &TestRelay, watch: serde_json::Value) -> Socket {
    relay.until_listed("cam", |info| info.tracks.len() == 3).await;
    let mut socket = relay.socket().await;
    watch_with(&mut socket, watch).await;
    socket
}

/// Watches with the id 1 and these options.
async fn watch_with(socket: &mut Socket, mut watch: serde_json::Value) {
    watch["id"] = 1.into();
    watch["stream"] = "cam".into();
    socket.send(&FromViewer::Watch(serde_json::from_value(watch).unwrap())).await;
}

fn auto(width: u32) -> serde_json::Value {
    serde_json::json!({ "rendition": "auto", "max_width": width, "max_height": width * 9 / 16 })
}

/// Returns the rendition of the next `track` message, and whether it is reduced.
async fn track(socket: &mut Socket) -> (String, bool) {
    loop {
        if let FromRelay::Track { rendition, reduced, .. } = socket.message().await {
            return (rendition.to_string(), reduced);
        }
    }
}

/// Publishes in these renditions until a message arrives.
async fn publish_until(camera: &mut Camera, sizes: &[&str], socket: &mut Socket) -> Received {
    loop {
        camera.publish_renditions(sizes);
        // The test waits, but measures no time.
        if let Ok(came) = tokio::time::timeout(Duration::from_millis(10), socket.next()).await {
            return came;
        }
    }
}

#[tokio::test]
async fn the_smallest_rendition_that_fills_the_tile_is_sent_and_no_other_is_requested() {
    for (width, rendition) in [(300, "quarter"), (640, "half"), (700, "full"), (4000, "full")] {
        let site = Site::new();
        let (mut camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
        let mut viewer = socket(&relay, auto(width)).await;
        assert_eq!(camera.demanded_rendition().await, rendition);
        camera.publish_renditions(&ALL);
        assert_eq!(track(&mut viewer).await, (rendition.into(), false));
        assert_eq!(viewer.frame().await.1, rendition.as_bytes());
    }
}

#[tokio::test]
async fn a_tile_that_grows_shows_the_small_rendition_until_the_large_one_arrives_and_never_goes_back_in_time()
 {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
    let mut viewer = socket(&relay, auto(320)).await;
    assert_eq!(camera.demanded_rendition().await, "quarter");
    camera.publish_renditions(&ALL);
    assert_eq!(viewer.frame().await.1, b"quarter");
    watch_with(&mut viewer, auto(1280)).await;
    assert_eq!(camera.demanded_rendition().await, "full");
    relay.until_listed("cam", |info| info.viewers == 1).await;
    // The larger rendition has not arrived yet.
    for _ in 0..10 {
        camera.publish_renditions(&["quarter"]);
        assert_eq!(viewer.frame().await.1, b"quarter");
    }
    let (mut last, mut announced) = (Timestamp::default(), None);
    loop {
        match publish_until(&mut camera, &ALL, &mut viewer).await {
            Received::Message(FromRelay::Track { rendition, .. }) => {
                announced = Some(rendition.to_string());
            }
            Received::Message(_) => {}
            Received::Frame(header, payload) => {
                assert!(header.captured_at > last, "no older picture, and none twice");
                last = header.captured_at;
                if payload == b"full" {
                    break;
                }
            }
            Received::Closed(code) => panic!("closed with {code}"),
        }
    }
    assert_eq!(announced.as_deref(), Some("full"), "announced before its first frame");
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    for line in [
        r#"fanlight_rendition_switches_total{stream="cam",direction="up"} 1"#,
        r#"fanlight_rendition_switches_total{stream="cam",direction="down"} 0"#,
        r#"fanlight_rendition_viewers{stream="cam",rendition="full",codec="jpeg"} 1"#,
        r#"fanlight_rendition_viewers{stream="cam",rendition="quarter",codec="jpeg"} 0"#,
        r#"fanlight_stream_viewers{stream="cam"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_repeated_watch_is_answered_again_and_shows_no_picture_twice() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
    let mut viewer = socket(&relay, auto(640)).await;
    assert_eq!(camera.demanded_rendition().await, "half");
    camera.publish_renditions(&ALL);
    let (first, _) = viewer.frame().await;
    watch_with(&mut viewer, auto(600)).await;
    viewer.state().await;
    camera.publish_renditions(&ALL);
    assert_eq!(track(&mut viewer).await, ("half".into(), false));
    let (second, _) = viewer.frame().await;
    assert!(second.captured_at > first.captured_at);
}

#[tokio::test]
async fn a_viewer_that_cannot_keep_up_is_sent_a_smaller_rendition_and_is_not_slow() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
    // The viewer never acknowledges, so it is sent one frame a second.
    let mut options = auto(1280);
    options["ack"] = true.into();
    let mut viewer = socket(&relay, options).await;
    let named = serde_json::json!({ "rendition": "full", "ack": true });
    let mut other = socket(&relay, named).await;
    let mut renditions = Vec::new();
    while renditions.last() != Some(&("half".to_owned(), true)) {
        match publish_until(&mut camera, &ALL, &mut viewer).await {
            Received::Message(FromRelay::Track { rendition, reduced, .. }) => {
                renditions.push((rendition.to_string(), reduced));
            }
            Received::Message(FromRelay::State { state, .. }) => {
                assert_ne!(state, ViewerState::Slow);
            }
            Received::Message(_) | Received::Frame(..) => {}
            Received::Closed(code) => panic!("closed with {code}"),
        }
        // The smallest rendition satisfies any estimate.
        if renditions.last() == Some(&("quarter".to_owned(), true)) {
            break;
        }
    }
    assert_eq!(renditions[0], ("full".into(), false));
    // A viewer that is as slow, but requested a rendition by name, keeps it.
    assert_eq!(track(&mut other).await, ("full".into(), false));
    other.send(&FromViewer::Clock { t0: 0.0 }).await;
    loop {
        match other.next().await {
            Received::Frame(_, payload) => assert_eq!(payload, b"full"),
            Received::Message(FromRelay::Clock { .. }) => break,
            Received::Message(FromRelay::Track { .. }) => panic!("switched without a request"),
            Received::Message(_) => {}
            Received::Closed(code) => panic!("closed with {code}"),
        }
    }
}

#[tokio::test]
async fn the_relay_also_chooses_for_mjpeg_the_plain_websocket_and_snapshots() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_with_renditions("cam"), site.relay().await);
    let query = "rendition=auto&max_width=640&max_height=360";
    let mut plain = relay.plain_viewer_with("cam", query).await;
    assert_eq!(camera.demanded_rendition().await, "half");
    camera.publish_renditions(&ALL);
    assert_eq!(plain.raw_message().await.into_data(), &b"half"[..]);
    let snapshot = relay.get(&format!("/streams/cam/snapshot?{query}"), &[]).await;
    assert_eq!((snapshot.status, snapshot.body.as_slice()), (200, &b"half"[..]));
    let mut parts = relay.open(&format!("/streams/cam/mjpeg?{query}")).await;
    parts.read_until(b"half\r\n--fanlight-").await;
    let wrong = relay.get("/streams/cam/mjpeg?rendition=auto&max_width=wide", &[]).await;
    assert_eq!(wrong.status, 400);
}
