//! Options of viewers: acknowledgements, which limit frames to those shown, and a delay.

use std::time::Duration;

use fanlight_protocol::viewer::{FromRelay, FromViewer};

use crate::harness::{Received, Site, watch};

#[tokio::test]
async fn a_viewer_that_acknowledges_is_sent_no_more_than_it_shows() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut all = relay.viewer("cam").await;
    let mut busy = relay.socket().await;
    let mut options = watch(1, "cam");
    options.ack = Some(true);
    busy.send(&FromViewer::Watch(options)).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.until_demand(true).await;
    let frames = 40;
    camera.publish(b"picture");
    assert_eq!(all.frame().await.0.sequence, 0);
    // Frames before the first one sent to a viewer are not counted as dropped.
    let mut shown = vec![busy.frame().await.0.sequence];
    for number in 1..frames {
        camera.publish(b"picture");
        assert_eq!(all.frame().await.0.sequence, number);
    }
    // Every frame sent before the clock request arrives before its answer.
    busy.send(&FromViewer::Clock { t0: 0.0 }).await;
    loop {
        match busy.next().await {
            Received::Frame(header, _) => shown.push(header.sequence),
            Received::Message(FromRelay::Clock { .. }) => break,
            Received::Message(_) => {}
            Received::Closed(code) => panic!("closed with {code}"),
        }
    }
    // The initial window, and one frame for each second that may have passed.
    assert!((4..10).contains(&shown.len()), "{shown:?}");
    let sequence = *shown.last().unwrap();
    busy.send(&FromViewer::Ack { id: 1, sequence }).await;
    assert_eq!(
        busy.frame().await.0.sequence,
        frames - 1,
        "the newest, whatever was published between"
    );
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    // On a busy machine, some of them waited for the relay rather than for the viewer, and are counted so.
    let line = r#"fanlight_frames_dropped_total{stream="cam",transport="v1",reason=""#;
    let dropped = metrics.lines().filter_map(|row| row.strip_prefix(line)?.split_once("\"} "));
    let (viewer, others): (Vec<_>, Vec<_>) = dropped.partition(|(reason, _)| *reason == "viewer");
    let sum = |counts: &[(&str, &str)]| -> usize {
        counts.iter().map(|(_, count)| count.parse::<usize>().unwrap()).sum()
    };
    assert_eq!(sum(&viewer) + sum(&others) + shown.len() + 1, frames as usize);
    assert!(sum(&viewer) > 0, "{metrics}");
}

#[tokio::test]
async fn a_delayed_viewer_is_sent_every_frame_when_it_is_due() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut now = relay.viewer("cam").await;
    let mut delayed = relay.socket().await;
    let mut options = watch(1, "cam");
    options.buffer = Some(0.5);
    delayed.send(&FromViewer::Watch(options)).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.until_demand(true).await;
    camera.publish(b"first");
    now.frame().await;
    let (first, _) = delayed.frame().await;
    assert_eq!(first.sequence, 0, "the first frame comes immediately");
    let frames = 50;
    for _ in 1..frames {
        camera.publish(b"another");
        now.frame().await;
    }
    for number in 1..frames {
        let (header, _) = delayed.frame().await;
        assert_eq!(header.sequence, number, "none is missing");
        let age = header.sent_at.since(header.captured_at);
        assert!(age >= Duration::from_millis(490), "{age:?}");
    }
}

#[tokio::test]
async fn mjpeg_and_the_plain_websocket_can_be_delayed_too() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut now = relay.viewer("cam").await;
    let mut plain = relay.plain_viewer_with("cam", "buffer=0.5").await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.until_demand(true).await;
    for number in 0..30u8 {
        camera.publish(&[number]);
        now.frame().await;
    }
    for number in 0..30 {
        assert_eq!(plain.raw_message().await.into_data(), vec![number]);
    }
    for wrong in ["buffer=-1", "buffer=6", "buffer=soon"] {
        let answer = relay.get(&format!("/streams/cam/mjpeg?{wrong}"), &[]).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
