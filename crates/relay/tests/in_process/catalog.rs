//! Streams that appear, disappear and change.

use fanlight_protocol::StreamState;
use fanlight_protocol::viewer::{FromRelay, FromViewer, ViewerState};

use crate::harness::{Received, Site};

#[tokio::test]
async fn a_viewer_is_notified_of_an_outage_with_its_reason_and_of_its_end() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    assert_eq!(viewer.state().await.0, ViewerState::Live);
    camera.until_demand(true).await;
    camera.announce(StreamState::Offline, "unplugged");
    assert_eq!(viewer.state().await, (ViewerState::Offline, "unplugged".into()));
    camera.announce(StreamState::Live, "");
    assert_eq!(viewer.state().await.0, ViewerState::Live);
    camera.publish(b"picture");
    viewer.frame().await;
    camera.announce(StreamState::Ended, "");
    assert_eq!(viewer.state().await.0, ViewerState::Ended);
}

#[tokio::test]
async fn a_capture_that_returns_is_shown_on_the_same_socket() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    camera.publish(b"before");
    assert_eq!(viewer.frame().await.1, b"before");
    camera.stop();
    while viewer.state().await.0 != ViewerState::Offline {}
    let mut camera = site.camera_at("cam", "another");
    camera.until_demand(true).await;
    camera.publish(b"after");
    assert_eq!(viewer.frame().await.1, b"after");
}

#[tokio::test]
async fn the_first_capture_keeps_a_name_and_the_second_takes_over() {
    let site = Site::new();
    let (mut first, relay) = (site.camera_at("cam", "first"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    first.until_demand(true).await;
    let mut second = site.camera_at("cam", "second");
    let other = site.camera_at("other", "third");
    // The relay handles publishers in order of arrival: once the third is listed, the second was refused.
    relay.until_listed("other", |_| true).await;
    first.publish(b"first");
    assert_eq!(viewer.frame().await.1, b"first");
    first.stop();
    second.until_demand(true).await;
    second.publish(b"second");
    assert_eq!(viewer.frame().await.1, b"second");
    drop(other);
}

#[tokio::test]
async fn a_socket_that_requested_the_list_is_notified_of_new_streams() {
    let site = Site::new();
    let relay = site.relay().await;
    let mut socket = relay.socket().await;
    socket.send(&FromViewer::List).await;
    let FromRelay::Streams { streams, listening, setup } = socket.message().await else {
        panic!("no list")
    };
    assert!(streams.is_empty());
    assert!(!listening[0].heard);
    assert!(setup.unwrap().capture.contains("fanlight-capture"), "hints for an empty wall");
    let _camera = site.camera("cam");
    loop {
        let FromRelay::Streams { streams, listening, setup } = socket.message().await else {
            continue;
        };
        if let [stream] = streams.as_slice() {
            assert_eq!(stream.name.as_str(), "cam");
            assert_eq!(setup, None);
            // The state of the endpoint follows a moment after the stream, at the latest with the next list.
            if listening[0].heard {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_new_run_of_capture_starts_a_new_sequence() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    camera.publish(b"before");
    viewer.frame().await;
    camera.stop();
    let mut camera = site.camera_at("cam", "another");
    camera.until_demand(true).await;
    camera.publish(b"after");
    // A track message before the first frame of the new generation, and only there, announces the new sequence.
    loop {
        match viewer.next().await {
            Received::Message(FromRelay::Track { .. }) => break,
            Received::Message(_) => {}
            other => panic!("{other:?} before a track message"),
        }
    }
    assert_eq!(viewer.frame().await.1, b"after");
}
