//! `fanlight.v1`, message by message.

use std::time::Duration;

use fanlight_protocol::viewer::{FromRelay, FromViewer};
use fanlight_relay::limits::Limits;

use crate::harness::{Received, Site, watch};

#[tokio::test]
async fn a_track_message_comes_before_the_first_frame() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    camera.publish(b"picture");
    let mut track = None;
    let header = loop {
        match viewer.next().await {
            Received::Message(message @ FromRelay::Track { .. }) => track = Some(message),
            Received::Message(_) => {}
            Received::Frame(header, _) => break header,
            Received::Closed(code) => panic!("closed with {code}"),
        }
    };
    let Some(FromRelay::Track { id, width, height, renditions, .. }) = track else {
        panic!("a frame without a track before it")
    };
    assert_eq!((id, width, height, header.id), (1, 4, 2, 1));
    assert_eq!(renditions[usize::from(header.rendition)].as_str(), "full");
}

#[tokio::test]
async fn a_viewer_that_asks_is_sent_the_journey_of_the_next_frame() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    camera.publish(b"one");
    viewer.frame().await;
    viewer.send(&FromViewer::Journey { id: 1 }).await;
    viewer.send(&FromViewer::Clock { t0: 0.0 }).await;
    while !matches!(viewer.message().await, FromRelay::Clock { .. }) {}
    camera.publish(b"two");
    let journey = loop {
        if let journey @ FromRelay::Journey { .. } = viewer.message().await {
            break journey;
        }
    };
    let FromRelay::Journey {
        sequence,
        captured_at,
        read_at,
        published_at,
        received_at,
        sent_at,
        ..
    } = journey
    else {
        unreachable!()
    };
    let (header, payload) = viewer.frame().await;
    assert_eq!(
        (header.sequence, header.captured_at, header.sent_at),
        (sequence, captured_at, sent_at)
    );
    assert_eq!(payload, b"two");
    assert!(captured_at <= read_at && read_at <= published_at && received_at <= sent_at);
    camera.publish(b"three");
    assert!(matches!(viewer.next().await, Received::Frame(..)), "one journey for each request");
}

#[tokio::test]
async fn one_socket_watches_many_streams_and_none_starves() {
    let site = Site::new();
    let mut cameras: Vec<_> = (0..6).map(|n| site.camera(&format!("cam{n}"))).collect();
    let relay = site.relay().await;
    let mut wall = relay.viewer("cam0").await;
    for n in 1..6 {
        relay.until_listed(&format!("cam{n}"), |_| true).await;
        wall.watch(n + 1, &format!("cam{n}")).await;
    }
    for camera in &cameras {
        camera.until_demand(true).await;
    }
    for round in 0..30 {
        cameras.iter_mut().for_each(|camera| camera.publish(&[round; 50_000]));
        let mut ids = Vec::new();
        for _ in 0..6 {
            let (header, payload) = wall.frame().await;
            assert_eq!((header.sequence, payload[0]), (round.into(), round));
            ids.push(header.id);
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6], "each stream is served in each round");
    }
}

#[tokio::test]
async fn a_second_watch_with_the_same_id_replaces_the_first_and_unwatch_ends_it() {
    let site = Site::new();
    let (mut one, mut two) = (site.camera("one"), site.camera("two"));
    let relay = site.relay().await;
    relay.until_listed("two", |_| true).await;
    let mut viewer = relay.viewer("one").await;
    one.until_demand(true).await;
    viewer.watch(1, "two").await;
    two.until_demand(true).await;
    relay.until_listed("one", |info| info.viewers == 0).await;
    one.publish(b"one");
    two.publish(b"two");
    assert_eq!(viewer.frame().await.1, b"two");
    viewer.send(&FromViewer::Unwatch { id: 1 }).await;
    relay.until_listed("two", |info| info.viewers == 0).await;
}

#[tokio::test]
async fn a_viewer_that_asks_for_a_lower_frame_rate_is_sent_fewer_frames() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut all = relay.viewer("cam").await;
    let mut few = relay.socket().await;
    let mut options = watch(1, "cam");
    options.fps = Some(1.0);
    few.send(&FromViewer::Watch(options)).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    camera.until_demand(true).await;
    camera.publish(b"the first");
    all.frame().await;
    let first = few.frame().await.0.sequence;
    assert_eq!(first, 0);
    for _ in 1..20 {
        camera.publish(b"many within a second");
        all.frame().await;
    }
    // The next frame comes after a second, however many were published before. The test waits, but measures no time.
    let next = loop {
        camera.publish(b"one a while later");
        all.frame().await;
        match tokio::time::timeout(Duration::from_millis(50), few.frame()).await {
            Ok((header, _)) => break header,
            Err(_) => continue,
        }
    };
    assert!(next.sequence >= 20, "{}", next.sequence);
}

#[tokio::test]
async fn impossible_requests_are_answered_with_the_reason() {
    let site = Site::new();
    let _camera = site.camera("cam");
    let relay = site.relay().await;
    relay.until_listed("cam", |_| true).await;
    let mut socket = relay.socket().await;
    let mut said = async |text: &str| {
        socket.send_text(text).await;
        socket.error().await
    };
    let (id, code, message) = said(r#"{"type":"watch","id":7,"stream":"door"}"#).await;
    assert_eq!((id, code.as_str()), (Some(7), "unknown-stream"));
    assert!(message.contains("known streams: cam"), "{message}");
    let (id, code, message) =
        said(r#"{"type":"watch","id":7,"stream":"cam","rendition":"half"}"#).await;
    assert_eq!((id, code.as_str()), (Some(7), "unknown-stream"));
    assert!(message.contains("its tracks: full.jpeg"), "{message}");
    assert_eq!(said(r#"{"type":"watch","id":7,"stream":"cam","fps":0}"#).await.1, "bad-message");
    assert_eq!(said(r#"{"type":"watch","id":7,"stream":"cam","buffer":9}"#).await.1, "bad-message");
    assert_eq!(said(r#"{"type":"watch","id":7,"stream":"../etc"}"#).await.0, Some(7));
    assert_eq!(said(r#"{"type":"dance"}"#).await.1, "bad-message");
    assert_eq!(said("rubbish").await.1, "bad-message");
    // The socket still works after all that.
    socket.send(&FromViewer::Clock { t0: 1.5 }).await;
    assert!(matches!(socket.message().await, FromRelay::Clock { t0, .. } if t0 == 1.5));
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_the_socket_with_the_reason() {
    let site = Site::new();
    let relay = site.relay().await;
    let mut socket = relay.socket().await;
    socket.send_text(&" ".repeat(5000)).await;
    assert_eq!(socket.close_code().await, 1009);
}

#[tokio::test]
async fn a_full_relay_refuses_viewers_until_one_leaves() {
    let site = Site::new();
    let _camera = site.camera("cam");
    let relay = site.relay_with(Limits::new(1, 1)).await;
    let first = relay.viewer("cam").await;
    relay.until_listed("cam", |info| info.viewers == 1).await;
    let mut second = relay.viewer("cam").await;
    let (_, code, message) = second.error().await;
    assert_eq!(code, "too-many");
    assert!(message.contains("--max-viewers"), "{message}");
    drop(first);
    relay.until_listed("cam", |info| info.viewers == 0).await;
    second.watch(1, "cam").await;
    relay.until_listed("cam", |info| info.viewers == 1).await;
}

#[tokio::test]
async fn viewers_are_notified_when_the_relay_shuts_down() {
    let site = Site::new();
    let _camera = site.camera("cam");
    let relay = site.relay().await;
    let (mut v1, mut plain) = (relay.viewer("cam").await, relay.plain_viewer("cam").await);
    let closed = tokio::spawn(async move { (v1.close_code().await, plain.close_code().await) });
    relay.end().await;
    assert_eq!(closed.await.unwrap(), (1001, 1001));
}

#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    let site = Site::new();
    let relay = site.relay().await;
    let mut socket = relay.socket().await;
    socket.close().await;
    assert_eq!(socket.close_code().await, 1000);
}
