//! What viewers may wish for: to be sent no more than they show, or every frame a while later.

use std::time::Duration;

use fanlight_protocol::viewer::{FromRelay, FromViewer};

use crate::harness::{Came, Site, watch};

#[tokio::test]
async fn a_viewer_that_acknowledges_is_sent_no_more_than_it_shows() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut all = relay.viewer("cam").await;
    let mut busy = relay.socket().await;
    let mut wish = watch(1, "cam");
    wish.ack = Some(true);
    busy.send(&FromViewer::Watch(wish)).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.demanded(true).await;
    let frames = 40;
    camera.shoot(b"picture");
    assert_eq!(all.frame().await.0.sequence, 0);
    // What came before the first one that it is sent would count as nothing.
    let mut shown = vec![busy.frame().await.0.sequence];
    for number in 1..frames {
        camera.shoot(b"picture");
        assert_eq!(all.frame().await.0.sequence, number);
    }
    // All that was sent before the clock was asked comes before its answer.
    busy.send(&FromViewer::Clock { t0: 0.0 }).await;
    loop {
        match busy.next().await {
            Came::Frame(header, _) => shown.push(header.sequence),
            Came::Said(FromRelay::Clock { .. }) => break,
            Came::Said(_) => {}
            Came::Closed(code) => panic!("closed with {code}"),
        }
    }
    // A few to begin with, and one for each second that may have passed.
    assert!((4..10).contains(&shown.len()), "{shown:?}");
    let sequence = *shown.last().unwrap();
    busy.send(&FromViewer::Ack { id: 1, sequence }).await;
    assert_eq!(busy.frame().await.0.sequence, frames - 1, "the newest, whatever came between");
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    let line = r#"fanlight_frames_dropped_total{stream="cam",transport="v1",reason="viewer"} "#;
    let dropped = metrics.lines().find_map(|row| row.strip_prefix(line)).unwrap();
    assert_eq!(dropped.parse::<usize>().unwrap() + shown.len() + 1, frames as usize);
}

#[tokio::test]
async fn a_viewer_that_stays_behind_sees_every_frame_when_its_time_has_come() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut now = relay.viewer("cam").await;
    let mut behind = relay.socket().await;
    let mut wish = watch(1, "cam");
    wish.buffer = Some(0.5);
    behind.send(&FromViewer::Watch(wish)).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.demanded(true).await;
    camera.shoot(b"first");
    now.frame().await;
    let (first, _) = behind.frame().await;
    assert_eq!(first.sequence, 0, "a picture at once");
    let frames = 50;
    for _ in 1..frames {
        camera.shoot(b"another");
        now.frame().await;
    }
    for number in 1..frames {
        let (header, _) = behind.frame().await;
        assert_eq!(header.sequence, number, "none is missing");
        let age = header.sent_at.since(header.captured_at);
        assert!(age >= Duration::from_millis(490), "{age:?}");
    }
}

#[tokio::test]
async fn mjpeg_and_the_plain_websocket_can_stay_behind_too() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut now = relay.viewer("cam").await;
    let mut plain = relay.plain_viewer_with("cam", "buffer=0.5").await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.demanded(true).await;
    for number in 0..30u8 {
        camera.shoot(&[number]);
        now.frame().await;
    }
    for number in 0..30 {
        assert_eq!(plain.message().await.into_data(), vec![number]);
    }
    for wrong in ["buffer=-1", "buffer=6", "buffer=soon"] {
        let answer = relay.get(&format!("/streams/cam/mjpeg?{wrong}"), &[]).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
