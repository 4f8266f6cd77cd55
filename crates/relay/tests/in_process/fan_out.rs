//! Fan-out: order, late joiners, drops, losses.

use crate::harness::{Site, within_timeout};

#[tokio::test]
async fn every_viewer_of_every_socket_gets_all_frames_in_order() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewers =
        [relay.viewer("cam").await, relay.viewer("cam").await, relay.viewer("cam").await];
    let mut plain = relay.plain_viewer("cam").await;
    camera.until_demand(true).await;
    relay.until_listed("cam", |info| info.viewers == 4).await;
    for number in 0..100u8 {
        camera.publish(&[number; 1000]);
        for viewer in &mut viewers {
            let (header, payload) = viewer.frame().await;
            assert_eq!((header.sequence, payload), (number.into(), vec![number; 1000]));
            assert!(header.captured_at <= header.sent_at);
        }
        assert_eq!(plain.raw_message().await.into_data(), vec![number; 1000]);
    }
}

#[tokio::test]
async fn a_late_joiner_gets_the_newest_frame_immediately() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut first = relay.viewer("cam").await;
    camera.until_demand(true).await;
    for number in 0..5 {
        camera.publish(&[number]);
        first.frame().await;
    }
    let mut joiner = relay.viewer("cam").await;
    assert_eq!(joiner.frame().await.1, [4]);
    assert_eq!(relay.plain_viewer("cam").await.raw_message().await.into_data(), vec![4]);
}

#[tokio::test]
async fn a_viewer_that_stalls_skips_to_newer_frames_and_the_others_miss_nothing() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let (mut quick, mut stalled) = (relay.viewer("cam").await, relay.viewer("cam").await);
    camera.until_demand(true).await;
    relay.until_listed("cam", |info| info.viewers == 2).await;
    // More data than the kernel buffers for a viewer that reads nothing.
    let frames = 400;
    for number in 0..frames {
        camera.publish(&vec![number as u8; 100_000]);
        assert_eq!(quick.frame().await.0.sequence, number, "the quick viewer misses nothing");
    }
    let mut seen = vec![stalled.frame().await.0.sequence];
    while *seen.last().unwrap() < frames - 1 {
        seen.push(stalled.frame().await.0.sequence);
    }
    assert!(seen.is_sorted(), "never older ones");
    assert!(seen.len() < frames as usize, "it cannot have been sent everything");
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    let dropped = frames - seen.len() as u64;
    let line = |reason: &str, count: u64| {
        format!(
            "fanlight_frames_dropped_total{{stream=\"cam\",transport=\"v1\",reason=\"{reason}\"}} {count}"
        )
    };
    assert!(metrics.contains(&line("link", dropped)), "{dropped}\n{metrics}");
    assert!(metrics.contains(&line("relay", 0)), "{metrics}");
}

#[tokio::test]
async fn a_track_without_viewers_is_released() {
    let site = Site::new();
    let (camera, relay) = (site.camera("cam"), site.relay().await);
    let viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    drop(viewer);
    camera.until_demand(false).await;
    let _again = relay.viewer("cam").await;
    camera.until_demand(true).await;
}

/// Returns the boundary named in an answer's head.
fn boundary(answer: &str) -> Option<&str> {
    let (_, rest) = answer.split_once("multipart/x-mixed-replace; boundary=")?;
    Some(rest.split_once("\r\n")?.0)
}

#[tokio::test]
async fn mjpeg_sends_each_part_with_the_boundary_after_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    relay.until_listed("cam", |_| true).await;
    let mut stream = tokio::net::TcpStream::connect(relay.address).await.unwrap();
    // HTTP/1.0, so that the body has no chunks.
    let request = "GET /streams/cam/mjpeg HTTP/1.0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    camera.until_demand(true).await;
    let mut text = String::new();
    for (number, picture) in ["first", "second"].iter().enumerate() {
        camera.publish(picture.as_bytes());
        // No frame follows, so everything read was sent with this one.
        let end = |boundary: &str| format!("\r\n\r\n{picture}\r\n--{boundary}\r\n");
        within_timeout("the part and its boundary", async {
            while !boundary(&text).is_some_and(|boundary| text.ends_with(&end(boundary))) {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "part {number}: {text}");
                text += std::str::from_utf8(&bytes[..count]).unwrap();
            }
        })
        .await;
    }
    let boundary = boundary(&text).unwrap();
    assert!(boundary.len() > 20 && boundary.len() <= 70, "it cannot be guessed: {boundary}");
    assert!(text.contains("Content-Length: 6\r\nX-Timestamp: "), "{text}");
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("content-length"), "it ends with the connection: {head}");
}

#[tokio::test]
async fn an_mjpeg_viewer_of_an_offline_stream_is_shown_the_reason() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new();
    let (camera, relay) = (site.camera("cam"), site.relay().await);
    relay.until_listed("cam", |_| true).await;
    camera.announce(fanlight_protocol::StreamState::Offline, "unplugged");
    let mut stream = tokio::net::TcpStream::connect(relay.address).await.unwrap();
    stream.write_all(b"GET /streams/cam/mjpeg HTTP/1.0\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let picture = within_timeout("a drawn picture", async {
        loop {
            let mut more = [0; 4096];
            let count = stream.read(&mut more).await.unwrap();
            assert!(count > 0);
            bytes.extend_from_slice(&more[..count]);
            let start = bytes.windows(2).position(|two| two == [0xff, 0xd8]);
            let end = bytes.windows(2).position(|two| two == [0xff, 0xd9]);
            if let (Some(start), Some(end)) = (start, end) {
                break bytes[start..end + 2].to_vec();
            }
        }
    });
    assert!(image::load_from_memory(&picture.await).is_ok());
}
