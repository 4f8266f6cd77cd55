//! Streams that come, go and change.

use fanlight_protocol::StreamState;
use fanlight_protocol::viewer::{FromRelay, FromViewer, ViewerState};

use crate::harness::{Came, Site};

#[tokio::test]
async fn a_viewer_is_told_of_an_outage_in_words_and_of_its_end() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    assert_eq!(viewer.state().await.0, ViewerState::Live);
    camera.demanded(true).await;
    camera.say(StreamState::Offline, "unplugged");
    assert_eq!(viewer.state().await, (ViewerState::Offline, "unplugged".into()));
    camera.say(StreamState::Live, "");
    assert_eq!(viewer.state().await.0, ViewerState::Live);
    camera.shoot(b"picture");
    viewer.frame().await;
    camera.say(StreamState::Ended, "");
    assert_eq!(viewer.state().await.0, ViewerState::Ended);
}

#[tokio::test]
async fn a_capture_that_comes_back_is_seen_on_the_same_socket() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.demanded(true).await;
    camera.shoot(b"before");
    assert_eq!(viewer.frame().await.1, b"before");
    camera.stop();
    while viewer.state().await.0 != ViewerState::Offline {}
    let mut camera = site.camera_at("cam", "another");
    camera.demanded(true).await;
    camera.shoot(b"after");
    assert_eq!(viewer.frame().await.1, b"after");
}

#[tokio::test]
async fn the_first_capture_keeps_a_name_and_the_second_takes_over() {
    let site = Site::new();
    let (mut first, relay) = (site.camera_at("cam", "first"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    first.demanded(true).await;
    let mut second = site.camera_at("cam", "second");
    let other = site.camera_at("other", "third");
    // Publishers are met in the order they come: when the third is known, the second was refused.
    relay.until_listed("other", |_| true).await;
    first.shoot(b"first");
    assert_eq!(viewer.frame().await.1, b"first");
    first.stop();
    second.demanded(true).await;
    second.shoot(b"second");
    assert_eq!(viewer.frame().await.1, b"second");
    drop(other);
}

#[tokio::test]
async fn a_socket_that_asked_for_the_list_is_told_of_streams_that_appear() {
    let site = Site::new();
    let relay = site.relay().await;
    let mut socket = relay.socket().await;
    socket.send(&FromViewer::List).await;
    let FromRelay::Streams { streams, listening } = socket.said().await else { panic!("no list") };
    assert!(streams.is_empty());
    assert!(!listening[0].heard);
    let _camera = site.camera("cam");
    loop {
        let FromRelay::Streams { streams, listening } = socket.said().await else { continue };
        if let [stream] = streams.as_slice() {
            assert_eq!(stream.name.as_str(), "cam");
            // What is listened to is told a moment after the stream, at the latest with the next list.
            if listening[0].heard {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_new_run_of_capture_begins_a_new_count() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.demanded(true).await;
    camera.shoot(b"before");
    viewer.frame().await;
    camera.stop();
    let mut camera = site.camera_at("cam", "another");
    camera.demanded(true).await;
    camera.shoot(b"after");
    // Before the first frame of the new run, and only there, a track message says that counting begins anew.
    loop {
        match viewer.next().await {
            Came::Said(FromRelay::Track { .. }) => break,
            Came::Said(_) => {}
            other => panic!("{other:?} before a track message"),
        }
    }
    assert_eq!(viewer.frame().await.1, b"after");
}
