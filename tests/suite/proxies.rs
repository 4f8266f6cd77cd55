//! A relay behind nginx and Caddy, with the files of `docs/proxies/`.

use std::fs;
use std::io::Write;

use fanlight_tests::proxy::{Kind, PREFIX, Proxied};
use fanlight_tests::pusher::jpeg;
use fanlight_tests::tools::{run, tool};
use fanlight_tests::viewer::Frame;
use fanlight_tests::{Site, chromium, eventually, note};

const TOKEN: &str = "open-sesame-42";
/// Two clients.
const ONE: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

fn everything_passes(kind: Kind) {
    let site = Site::new();
    site.camera("cam");
    let proxied = Proxied::start(&site, kind, &[]);
    let mut watching = proxied.relay.viewer("cam");
    watching.frame();
    let page = run("curl", proxied.curl(ONE, "", &["--location"]));
    assert!(page.contains("<title>Fanlight") && page.contains("src=\"boot.js\""), "{page}");
    let at = run("curl", proxied.curl(ONE, "", &["--location", "--write-out", "%{url_effective}"]));
    assert!(at.ends_with(&proxied.url("/")), "the page is in a folder: {at}");
    assert_eq!(proxied.status(ONE, "/boot.js", &[]), 200);
    assert_eq!(proxied.status(ONE, "/healthz", &[]), 200);
    let picture = site.path("picture.jpg");
    let output = ["--output", picture.to_str().expect("ASCII")];
    run("curl", proxied.curl(ONE, "/streams/cam/snapshot", &output));
    assert!(fs::read(&picture).expect("curl wrote it").starts_with(b"\xff\xd8\xff"));
    // The address of another server.
    run("curl", proxied.curl(ONE, "/?action=snapshot&stream=cam", &output));
    assert!(fs::read(&picture).expect("curl wrote it").starts_with(b"\xff\xd8\xff"));

    let mut wall = proxied.wall();
    wall.watch(1, "cam");
    let oldest = wall.frames(30).iter().map(Frame::age).max();
    note(format!("the oldest of the first 30 frames through {kind:?}: {oldest:.2?}"));
    let mut plain = proxied.plain_viewer("cam");
    let mut mjpeg = proxied.mjpeg("cam");
    for _ in 0..30 {
        plain.picture();
        mjpeg.part();
    }
    drop((watching, wall, plain, mjpeg));
    // A proxy that kept the connections of viewers that are gone would use up the relay's.
    eventually("the relay has no viewers", || {
        let viewers = proxied.relay.stream("cam")["viewers"].as_u64();
        (viewers == Some(0)).then_some(())
    });
}

#[test]
fn page_pictures_and_sockets_pass_through_nginx_which_keeps_the_prefix() {
    everything_passes(Kind::Nginx);
}

#[test]
fn page_pictures_and_sockets_pass_through_caddy_which_removes_the_prefix() {
    everything_passes(Kind::Caddy);
}

fn each_client_has_its_own_limits(kind: Kind) {
    let site = Site::new();
    site.camera("cam");
    let limit = ["--token", TOKEN, "--max-viewers-per-address", "1"];
    let proxied = Proxied::start(&site, kind, &limit);
    let right = format!("authorization: Bearer {TOKEN}");
    let right = ["--header", &right];
    eventually("the stream is listed", || {
        let list = run("curl", proxied.curl(ONE, "/api/streams", &right));
        list.contains("cam").then_some(())
    });
    let watching = site.start(proxied.curl(
        ONE,
        "/streams/cam/mjpeg",
        &[&right[..], &["--verbose", "--output", "/dev/null"]].concat(),
    ));
    watching.says("multipart/x-mixed-replace");
    // The client lies about its address; the proxy knows better.
    let lie = [&right[..], &["--header", "x-forwarded-for: 127.0.0.9"]].concat();
    assert_eq!(proxied.status(ONE, "/streams/cam/snapshot", &lie), 503);
    assert_eq!(proxied.status(OTHER, "/streams/cam/snapshot", &right), 200);

    // The guesses are still being answered when the next ones arrive.
    let guesses = ["--parallel", "--header", lie[3], "--output", "/dev/null"];
    let _guessing = site.start(proxied.curl(ONE, "/api/streams?token=guess-[1-20]", &guesses));
    let answered_after = |client| {
        let more = ["--output", "/dev/null", "--write-out", "%{http_code} %{time_total}"];
        let text = run("curl", proxied.curl(client, "/api/streams?token=another", &more));
        let (status, seconds) = text.split_once(' ').expect("two words");
        assert_eq!(status, "401");
        seconds.parse::<f64>().expect("seconds")
    };
    let line = proxied.relay.program().says("repeated wrong tokens");
    assert!(line.contains(ONE) && !line.contains("127.0.0.9"), "{line}");
    let (of_one, of_other) = (answered_after(ONE), answered_after(OTHER));
    note(format!("a wrong token of the guesser: {of_one} s, of another client: {of_other} s"));
    assert!(of_one > 0.5 && of_other < of_one, "{of_one} {of_other}");
}

#[test]
fn each_client_behind_nginx_has_its_own_limits() {
    each_client_has_its_own_limits(Kind::Nginx);
}

#[test]
fn each_client_behind_caddy_has_its_own_limits() {
    each_client_has_its_own_limits(Kind::Caddy);
}

fn a_client_cannot_pretend(kind: Kind) {
    let site = Site::new();
    site.camera("cam");
    let proxied = Proxied::start(&site, kind, &["--token", TOKEN]);
    for lie in [
        "forwarded: for=127.0.0.1;proto=http;host=evil.example",
        "forwarded: \"malformed",
        "x-forwarded-host: evil.example",
        "x-forwarded-proto: gopher",
        "x-forwarded-for: malformed",
    ] {
        assert_eq!(proxied.status(ONE, "/healthz", &["--header", lie]), 200, "{lie}");
    }
    let bearer = format!("authorization: Bearer {TOKEN}");
    let session = |origin: &str| {
        let origin = format!("origin: {origin}");
        let more = ["--request", "POST", "--include", "--header", &bearer, "--header", &origin];
        run("curl", proxied.curl(ONE, "/api/session", &more)).to_lowercase()
    };
    let own = session(&format!("https://{}", proxied.host));
    assert!(own.contains("path=/cams/; httponly; samesite=strict; secure"), "{own}");
    for foreign in ["https://evil.example".to_owned(), format!("http://{}", proxied.host)] {
        assert!(session(&foreign).contains(" 403"), "{foreign}");
        let refused = proxied.websocket("/ws", &foreign, true).expect_err("another origin");
        assert_eq!(refused.status, 403, "{foreign}: {}", refused.text);
    }
    let more = ["--request", "POST", "--header", &bearer];
    let link = run("curl", proxied.curl(ONE, "/api/links?stream=cam", &more));
    assert!(link.contains(&proxied.url("/?stream=cam&link=")), "{link}");
}

#[test]
fn a_client_of_nginx_cannot_pretend_to_be_another_one() {
    a_client_cannot_pretend(Kind::Nginx);
}

#[test]
fn a_client_of_caddy_cannot_pretend_to_be_another_one() {
    a_client_cannot_pretend(Kind::Caddy);
}

#[test]
fn a_name_that_is_rebound_to_nginx_is_refused_by_the_relay() {
    let site = Site::new();
    let proxied = Proxied::start(&site, Kind::Nginx, &[]);
    let rebound = ["--header", "host: evil.example"];
    assert_eq!(proxied.status(ONE, "/healthz", &rebound), 421);
    let lie = [&rebound[..], &["--header", "x-forwarded-host: localhost"]].concat();
    assert_eq!(proxied.status(ONE, "/healthz", &lie), 421);
}

/// The relay sends at most 64 frames to a page that shows none: it acknowledges each frame that it has shown.
#[test]
fn chromium_shows_pictures_through_nginx_with_tls_and_a_prefix() {
    let site = Site::new();
    site.camera("cam");
    let proxied = Proxied::start(&site, Kind::Nginx, &[]);
    proxied.relay.wait_for("cam");
    let resolve = "--host-resolver-rules=MAP cams.example.org 127.0.0.1";
    let page = format!("https://{}{PREFIX}?stream=cam", proxied.host);
    let home = site.path("home");
    let chromium = chromium::trusting(&home, &proxied.authority, &page, &[resolve]);
    site.start(chromium);
    let frames = "fanlight_frames_sent_total{stream=\"cam\",transport=\"v1\"}";
    eventually("the page shows frames", || (proxied.relay.metric(frames) > 100).then_some(()));
}

fn publishers_pass(kind: Kind) {
    let site = Site::new();
    let proxied = Proxied::start(&site, kind, &["--publish-token", TOKEN]);
    let token = format!("authorization: Bearer {TOKEN}");
    let file = site.path("picture.jpg");
    fs::write(&file, jpeg(1)).expect("the site's folder is ours");
    let put = ["--header", &token, "--upload-file", file.to_str().expect("ASCII")];
    assert_eq!(proxied.status(ONE, "/streams/door/publish", &put), 204);
    assert_eq!(proxied.status(ONE, "/streams/door/publish", &put[2..]), 403);
    // A body without an end, each picture of which is passed on when it is there.
    let pipe = site.path("pipe");
    run("coreutils", tool("mkfifo", &[&pipe]));
    let put = ["--header", &token, "--upload-file", pipe.to_str().expect("ASCII")];
    let curl = site.start(proxied.curl(ONE, "/streams/live/publish", &put));
    let mut body = fs::OpenOptions::new().write(true).open(&pipe).expect("curl reads it");
    body.write_all(&jpeg(0)).expect("curl reads it");
    let mut viewer = proxied.relay.viewer("live");
    for number in 1..20 {
        body.write_all(&jpeg(number)).expect("curl reads it");
        while viewer.frame().timecode().number < number {}
    }
    drop(body);
    assert_eq!(curl.end().0, Some(0));
    let log = proxied.relay.program().says("publishing ends");
    assert!(log.contains(ONE), "the client's address: {log}");
    // A WebSocket. A page of another origin has the token too.
    let path = format!("/streams/phone/publish?token={TOKEN}");
    let mut socket =
        proxied.websocket(&path, "https://elsewhere.example", false).expect("it opens");
    assert!(socket.send_binary(&jpeg(1)));
    proxied.relay.wait_for("phone");
}

#[test]
fn publishers_pass_through_nginx() {
    publishers_pass(Kind::Nginx);
}

#[test]
fn publishers_pass_through_caddy() {
    publishers_pass(Kind::Caddy);
}
