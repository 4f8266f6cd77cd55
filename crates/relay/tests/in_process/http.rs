//! Addresses, answers and checks.

use std::time::Duration;

use fanlight_protocol::StreamState;
use fanlight_protocol::catalog::FROZEN;
use fanlight_protocol::viewer::{ListedState, ViewerState};

use crate::harness::{Site, within_timeout};

#[tokio::test]
async fn an_unknown_stream_is_answered_with_the_known_ones() {
    let site = Site::new();
    let _camera = site.camera("cam");
    let relay = site.relay().await;
    relay.until_listed("cam", |_| true).await;
    for path in ["/streams/door/snapshot", "/streams/door/mjpeg", "/streams/%2e%2e/snapshot"] {
        let answer = relay.get(path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(String::from_utf8(answer.body).unwrap().contains("known streams: cam"), "{path}");
    }
    let nowhere = relay.get("/streams", &[]).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn a_snapshot_is_the_newest_picture_or_shows_why_there_is_none() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    relay.until_listed("cam", |_| true).await;
    let ((), answer) = tokio::join!(
        async {
            camera.until_demand(true).await;
            camera.publish(b"picture");
        },
        relay.get("/streams/cam/snapshot", &[])
    );
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"picture"[..]));
    assert!(answer.head.contains("x-timestamp: "), "{}", answer.head);

    let dark = site.camera("dark");
    dark.announce(StreamState::Offline, "unplugged");
    relay.until_listed("dark", |info| info.state == ListedState::Offline).await;
    let answer = relay.get("/streams/dark/snapshot", &[]).await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.head.contains("retry-after: ") && answer.head.contains("image/jpeg"),
        "{}",
        answer.head
    );
    assert!(image::load_from_memory(&answer.body).is_ok());
}

#[tokio::test]
async fn a_snapshot_that_is_older_than_the_client_accepts_is_refused_with_its_age() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    let path = |age: &str| format!("/streams/cam/snapshot?max_age={age}");
    let none = relay.get(&path("200ms"), &[]).await;
    let why = String::from_utf8(none.body).unwrap();
    assert_eq!((none.status, why.as_str()), (503, "there is no picture, max_age is 200 ms\n"));
    camera.publish_old(b"picture", Duration::from_millis(500));
    viewer.frame().await;
    let old = relay.get(&path("200ms"), &[]).await;
    let why = String::from_utf8(old.body).unwrap();
    assert_eq!(old.status, 503, "{why}");
    assert!(old.head.contains("retry-after: 1") && old.head.contains("text/plain"), "{}", old.head);
    let age = why.strip_prefix("the newest picture is ").expect(&why);
    let (age, rest) = age.split_once(" ms old").expect(&why);
    assert!(age.parse::<u64>().unwrap() >= 500 && rest == ", max_age is 200 ms\n", "{why}");
    let recent = relay.get(&path("60s"), &[]).await;
    assert_eq!((recent.status, recent.body.as_slice()), (200, &b"picture"[..]));
    // A newer picture within the wait is accepted.
    let recent = path("400ms");
    let ((), newer) = tokio::join!(async { camera.publish(b"newer") }, relay.get(&recent, &[]));
    assert_eq!((newer.status, newer.body.as_slice()), (200, &b"newer"[..]));
    for bad in ["200", "61s", "0ms", "-1s"] {
        let refused = relay.get(&path(bad), &[]).await;
        let why = String::from_utf8(refused.body).unwrap();
        assert!(refused.status == 400 && why.contains("1ms to 60s"), "{bad}: {why}");
    }
}

#[tokio::test]
async fn a_frozen_camera_is_frozen_everywhere() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let mut viewer = relay.viewer("cam").await;
    assert_eq!(viewer.state().await.0, ViewerState::Live);
    camera.until_demand(true).await;
    camera.publish(b"picture");
    viewer.frame().await;
    camera.announce(StreamState::Live, FROZEN);
    assert_eq!(viewer.state().await, (ViewerState::Frozen, FROZEN.into()));
    relay.until_listed("cam", |info| info.state == ListedState::Frozen).await;
    let metrics = String::from_utf8(relay.get("/metrics", &[]).await.body).unwrap();
    for line in ["stream_frozen{stream=\"cam\"} 1", "stream_live{stream=\"cam\"} 0"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    // The copies are new, so the picture is shown unless the client says how old it may be.
    camera.publish(b"picture");
    let answer = relay.get("/streams/cam/snapshot", &[]).await;
    assert!(answer.status == 200 && answer.head.contains("x-frozen-since: "), "{}", answer.head);
    let answer = relay.get("/streams/cam/snapshot?max_age=1ms", &[]).await;
    let why = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 503 && why.contains(FROZEN), "{why}");
    camera.announce(StreamState::Live, "");
    assert_eq!(viewer.state().await.0, ViewerState::Live);
}

#[tokio::test]
async fn pages_of_other_origins_may_embed_pictures_and_nothing_else() {
    let site = Site::new();
    let (mut camera, relay) = (site.camera("cam"), site.relay().await);
    let _viewer = relay.viewer("cam").await;
    camera.until_demand(true).await;
    camera.publish(b"picture");
    let foreign = ["Origin: https://elsewhere.example"];
    assert_eq!(relay.get("/streams/cam/snapshot", &foreign).await.status, 200);
    assert_eq!(relay.get("/api/streams", &foreign).await.status, 403);
    assert_eq!(relay.get("/metrics", &foreign).await.status, 403);
    assert_eq!(relay.get("/ws", &foreign).await.status, 403);
    assert_eq!(relay.get("/streams/cam/ws", &foreign).await.status, 403);
    let own = format!("Origin: http://{}", relay.address);
    let host = format!("Host: {}", relay.address);
    assert_eq!(relay.get("/api/streams", &[&own, &host]).await.status, 200);
}

#[tokio::test]
async fn an_unknown_name_in_the_host_header_is_refused_everywhere() {
    let site = Site::new();
    let relay = site.relay().await;
    for path in ["/", "/api/streams", "/healthz", "/streams/cam/mjpeg", "/nowhere"] {
        let answer = relay.get(path, &["Host: rebound.example:7474"]).await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(String::from_utf8(answer.body).unwrap().contains("--allow-host"), "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_websocket_handshake_is_refused_with_the_reason() {
    let site = Site::new();
    let relay = site.relay().await;
    assert_eq!(relay.get("/ws", &[]).await.status, 426);
    let upgrade = ["Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13"];
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(relay.get("/ws", &upgrade).await.status, 400, "no key");
    let answer = relay.get("/ws", &[&upgrade[..], &[key]].concat()).await;
    assert_eq!(answer.status, 400);
    assert!(String::from_utf8(answer.body).unwrap().contains("fanlight.v1"));
}

#[tokio::test]
async fn the_page_is_embedded_and_revalidated() {
    let site = Site::new();
    let relay = site.relay().await;
    let page = relay.get("/", &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("text/html") && page.head.contains("content-security-policy"));
    let tag = page.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let body = String::from_utf8(page.body).unwrap();
    assert!(body.contains("<title>Fanlight"), "{body}");
    // The harness lower-cases header values, and a tag in another case is another tag.
    assert_eq!(relay.get("/", &[&format!("If-None-Match: {tag}x")]).await.status, 200);
    assert_eq!(relay.get("/../Cargo.toml", &[]).await.status, 404);
}

/// The page is bundled if esbuild is installed, as in `scripts/run` and `scripts/test`. A plain `cargo build` may serve
/// single files.
#[tokio::test]
async fn each_part_of_the_page_is_one_file() {
    let bundles = std::path::Path::new("../../web/node_modules/.bin/esbuild").exists();
    let site = Site::new();
    let relay = site.relay().await;
    for part in ["boot", "page/main", "worker/main", "page/controls"] {
        let answer = relay.get(&format!("/{part}.js"), &[]).await;
        assert!(answer.status == 200 && answer.head.contains("text/javascript"), "{part}");
        let body = String::from_utf8(answer.body).unwrap();
        let imports = body.matches(" from \".").count() + body.matches("from\".").count();
        let boot = body.matches("from\"../boot.js\"").count();
        assert!(
            !bundles || imports == boot,
            "{part}: {imports} imports, {boot} of them of boot.js"
        );
    }
    assert_eq!(relay.get("/shared/age.js", &[]).await.status, if bundles { 404 } else { 200 });
}

/// The library is embedded if npm fetched it, as in `scripts/run` and `scripts/test`. A plain `cargo build` may lack
/// it, and the page reports that.
#[tokio::test]
async fn the_clip_library_is_embedded_if_it_was_fetched_and_no_other_package_is() {
    let fetched = "../../web/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";
    let site = Site::new();
    let relay = site.relay().await;
    let answer = relay.get("/lib/mediabunny.js", &[]).await;
    match std::path::Path::new(fetched).exists() {
        true => assert!(answer.status == 200 && answer.head.contains("text/javascript")),
        false => assert_eq!(answer.status, 404),
    }
    assert_eq!(relay.get("/lib/index.html", &[]).await.status, 404);
    assert_eq!(relay.get("/lib/..%2Findex.html", &[]).await.status, 404);
}

#[tokio::test]
async fn a_relay_is_ready_once_a_publisher_sent_data() {
    let site = Site::new();
    let relay = site.relay().await;
    assert_eq!(relay.get("/healthz", &[]).await.status, 200);
    let answer = relay.get("/readyz", &[]).await;
    assert_eq!(answer.status, 503);
    assert!(String::from_utf8(answer.body).unwrap().contains("nothing received yet"));
    let _camera = site.camera("cam");
    relay.until_listed("cam", |_| true).await;
    within_timeout("ready", async { while relay.get("/readyz", &[]).await.status != 200 {} }).await;
}
