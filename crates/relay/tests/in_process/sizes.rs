//! `rendition=auto`: a size that fits each viewer.

use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{FromRelay, FromViewer, ViewerState};

use crate::harness::{Came, Camera, Site, Socket, TestRelay};

const ALL: [&str; 3] = ["full", "half", "quarter"];

async fn socket(relay: &TestRelay, watch: serde_json::Value) -> Socket {
    relay.until_listed("cam", |info| info.tracks.len() == 3).await;
    let mut socket = relay.socket().await;
    wish(&mut socket, watch).await;
    socket
}

/// Watches as number 1, with these options.
async fn wish(socket: &mut Socket, mut watch: serde_json::Value) {
    watch["id"] = 1.into();
    watch["stream"] = "cam".into();
    socket.send(&FromViewer::Watch(serde_json::from_value(watch).unwrap())).await;
}

fn auto(width: u32) -> serde_json::Value {
    serde_json::json!({ "rendition": "auto", "max_width": width, "max_height": width * 9 / 16 })
}

/// The next `track` message: rendition, and whether it is reduced.
async fn track(socket: &mut Socket) -> (String, bool) {
    loop {
        if let FromRelay::Track { rendition, reduced, .. } = socket.said().await {
            return (rendition.to_string(), reduced);
        }
    }
}

/// Shoots in all these sizes until something comes.
async fn shoot_until(camera: &mut Camera, sizes: &[&str], socket: &mut Socket) -> Came {
    loop {
        camera.shoot_sizes(sizes);
        // Real time passes, but none is measured.
        if let Ok(came) = tokio::time::timeout(Duration::from_millis(10), socket.next()).await {
            return came;
        }
    }
}

#[tokio::test]
async fn the_smallest_that_fills_the_tile_is_sent_and_nothing_else_is_asked_for() {
    for (width, rendition) in [(300, "quarter"), (640, "half"), (700, "full"), (4000, "full")] {
        let site = Site::new();
        let (mut camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
        let mut viewer = socket(&relay, auto(width)).await;
        assert_eq!(camera.demanded_track().await, rendition);
        camera.shoot_sizes(&ALL);
        assert_eq!(track(&mut viewer).await, (rendition.into(), false));
        assert_eq!(viewer.frame().await.1, rendition.as_bytes());
    }
}

#[tokio::test]
async fn a_tile_that_grows_goes_on_until_the_larger_one_is_there_and_never_back_in_time() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
    let mut viewer = socket(&relay, auto(320)).await;
    assert_eq!(camera.demanded_track().await, "quarter");
    camera.shoot_sizes(&ALL);
    assert_eq!(viewer.frame().await.1, b"quarter");
    wish(&mut viewer, auto(1280)).await;
    assert_eq!(camera.demanded_track().await, "full");
    relay.until_listed("cam", |info| info.viewers == 1).await;
    // The larger one is not there yet.
    for _ in 0..10 {
        camera.shoot_sizes(&["quarter"]);
        assert_eq!(viewer.frame().await.1, b"quarter");
    }
    let (mut last, mut told) = (Timestamp::default(), None);
    loop {
        match shoot_until(&mut camera, &ALL, &mut viewer).await {
            Came::Said(FromRelay::Track { rendition, .. }) => told = Some(rendition.to_string()),
            Came::Said(_) => {}
            Came::Frame(header, payload) => {
                assert!(header.captured_at > last, "never an older one, nor one twice");
                last = header.captured_at;
                if payload == b"full" {
                    break;
                }
            }
            Came::Closed(code) => panic!("closed with {code}"),
        }
    }
    assert_eq!(told.as_deref(), Some("full"), "told before its first frame");
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
async fn who_watches_the_same_again_is_told_again_and_shown_no_picture_twice() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
    let mut viewer = socket(&relay, auto(640)).await;
    assert_eq!(camera.demanded_track().await, "half");
    camera.shoot_sizes(&ALL);
    let (first, _) = viewer.frame().await;
    wish(&mut viewer, auto(600)).await;
    viewer.state().await;
    camera.shoot_sizes(&ALL);
    assert_eq!(track(&mut viewer).await, ("half".into(), false));
    let (second, _) = viewer.frame().await;
    assert!(second.captured_at > first.captured_at);
}

#[tokio::test]
async fn a_viewer_that_cannot_keep_up_is_sent_less_and_is_not_slow() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
    // It never says that it has shown anything, so that it is sent one frame a second.
    let mut wish = auto(1280);
    wish["ack"] = true.into();
    let mut viewer = socket(&relay, wish).await;
    let named = serde_json::json!({ "rendition": "full", "ack": true });
    let mut other = socket(&relay, named).await;
    let mut renditions = Vec::new();
    while renditions.last() != Some(&("half".to_owned(), true)) {
        match shoot_until(&mut camera, &ALL, &mut viewer).await {
            Came::Said(FromRelay::Track { rendition, reduced, .. }) => {
                renditions.push((rendition.to_string(), reduced));
            }
            Came::Said(FromRelay::State { state, .. }) => assert_ne!(state, ViewerState::Slow),
            Came::Said(_) | Came::Frame(..) => {}
            Came::Closed(code) => panic!("closed with {code}"),
        }
        // Whatever is estimated, the smallest will do.
        if renditions.last() == Some(&("quarter".to_owned(), true)) {
            break;
        }
    }
    assert_eq!(renditions[0], ("full".into(), false));
    // One that fares the same, but asked for it by name, is left alone.
    assert_eq!(track(&mut other).await, ("full".into(), false));
    other.send(&FromViewer::Clock { t0: 0.0 }).await;
    loop {
        match other.next().await {
            Came::Frame(_, payload) => assert_eq!(payload, b"full"),
            Came::Said(FromRelay::Clock { .. }) => break,
            Came::Said(FromRelay::Track { .. }) => panic!("changed behind its back"),
            Came::Said(_) => {}
            Came::Closed(code) => panic!("closed with {code}"),
        }
    }
}

#[tokio::test]
async fn mjpeg_the_plain_websocket_and_snapshots_choose_too() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera_of_sizes("cam"), site.relay().await);
    let query = "rendition=auto&max_width=640&max_height=360";
    let mut plain = relay.plain_viewer_with("cam", query).await;
    assert_eq!(camera.demanded_track().await, "half");
    camera.shoot_sizes(&ALL);
    assert_eq!(plain.message().await.into_data(), &b"half"[..]);
    let snapshot = relay.get(&format!("/streams/cam/snapshot?{query}"), &[]).await;
    assert_eq!((snapshot.status, snapshot.body.as_slice()), (200, &b"half"[..]));
    let mut parts = relay.open(&format!("/streams/cam/mjpeg?{query}")).await;
    parts.read_until(b"half\r\n--fanlight-").await;
    let wrong = relay.get("/streams/cam/mjpeg?rendition=auto&max_width=wide", &[]).await;
    assert_eq!(wrong.status, 400);
}
