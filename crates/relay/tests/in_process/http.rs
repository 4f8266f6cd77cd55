//! Addresses, answers and checks.

use fanlight_protocol::StreamState;
use fanlight_protocol::viewer::ListedState;

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
