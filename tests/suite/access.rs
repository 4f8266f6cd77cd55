//! Access control, which is safe by default.

use fanlight_tests::relay::V1;
use fanlight_tests::site::RELAY;
use fanlight_tests::{Relay, Site};

const TOKEN: &str = "open-sesame-42";
const FOREIGN: (&str, &str) = ("origin", "https://elsewhere.example");

/// The headers of a request from an `<img>` in a foreign page.
const EMBEDDED: [(&str, &str); 3] =
    [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];

fn status_of_mjpeg(relay: &Relay, headers: &[(&str, &str)]) -> u16 {
    relay.open("/streams/cam/mjpeg", headers).status().as_u16()
}

#[test]
fn a_relay_does_not_listen_beyond_loopback_without_a_token() {
    let site = Site::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = site.run(RELAY, &["--listen", address]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
        assert!(
            refused.stderr.contains(address) && refused.stderr.contains("--token"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("--insecure"), "{}", refused.stderr);
    }
    let relay = site.relay_at("0.0.0.0:0", &["--insecure"]);
    assert_eq!(relay.get("/api/streams").status, 200);
}

#[test]
fn a_relay_with_a_token_refuses_requests_without_it() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay_at("0.0.0.0:0", &["--token", TOKEN]);
    let shown = format!("?token={TOKEN}");
    fanlight_tests::eventually("the stream is listed", || {
        let list = relay.get(&format!("/api/streams{shown}")).text();
        (list.contains("\"cam\"") && !list.contains("opening")).then_some(())
    });
    for path in [
        "/api/streams",
        "/metrics",
        "/streams/cam/snapshot",
        "/streams/cam/mjpeg",
        "/streams/other/snapshot",
    ] {
        let refused = relay.get(path);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{path}");
        assert_eq!(relay.get(&format!("{path}?token=wrong-token")).status, 401, "{path}");
        assert_eq!(
            relay.get_with(path, &[("authorization", "Bearer wrong-token")]).status,
            401,
            "{path}"
        );
        assert!(!refused.text().contains(TOKEN));
    }
    for path in ["/api/streams", "/metrics", "/streams/cam/snapshot"] {
        assert_eq!(relay.get(&format!("{path}{shown}")).status, 200, "{path}");
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(relay.get_with(path, &[("authorization", &bearer)]).status, 200, "{path}");
    }
    // The page itself contains no secret, and `/healthz` is for supervisors.
    for path in ["/", "/healthz"] {
        assert_eq!(relay.get(path).status, 200, "{path}");
    }
    for path in ["/ws", "/streams/cam/ws"] {
        assert_eq!(relay.open_websocket(path, &[V1]).unwrap_err().status, 401, "{path}");
        let wrong = format!("{path}?token=wrong-token");
        assert_eq!(relay.open_websocket(&wrong, &[V1]).unwrap_err().status, 401, "{path}");
    }
    assert!(relay.open_websocket(&format!("/ws{shown}"), &[V1]).is_ok());
    assert!(relay.open_websocket(&format!("/streams/cam/ws{shown}"), &[]).is_ok());
    assert!(!relay.program().log().contains(TOKEN));
}

#[test]
fn a_relay_answers_only_requests_for_its_own_host_names() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--allow-host", "cams.example.org"]);
    relay.wait_for("cam");
    for path in ["/", "/api/streams", "/streams/cam/snapshot", "/ws", "/metrics", "/healthz"] {
        let refused = relay.get_with(path, &[("host", "rebound.example")]);
        assert_eq!(refused.status, 421, "{path}");
        assert!(refused.text().contains("--allow-host"), "{}", refused.text());
    }
    for own in ["localhost", "127.0.0.1", "cams.example.org:7474", "[::1]:80"] {
        assert_eq!(relay.get_with("/api/streams", &[("host", own)]).status, 200, "{own}");
    }
}

#[test]
fn a_foreign_page_may_embed_pictures_and_nothing_else() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    for path in ["/api/streams", "/metrics"] {
        let refused = relay.get_with(path, &[FOREIGN]);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("--allow-origin"), "{}", refused.text());
        assert_eq!(relay.get_with(path, &EMBEDDED).status, 403, "{path}");
    }
    let own = format!("http://{}", relay.address());
    for (path, protocol) in [("/ws", &[V1][..]), ("/streams/cam/ws", &[])] {
        let open = |origin| relay.open_websocket(path, &[protocol, &[("origin", origin)]].concat());
        assert_eq!(open(FOREIGN.1).unwrap_err().status, 403, "{path}");
        assert!(open(&own).is_ok(), "{path}");
    }
    for headers in [&EMBEDDED[..], &[FOREIGN]] {
        let snapshot = relay.get_with("/streams/cam/snapshot", headers);
        assert_eq!(snapshot.status, 200);
        assert_eq!(snapshot.header("cross-origin-resource-policy"), "cross-origin");
        // The page may display it and must not read it.
        assert_eq!(snapshot.header("access-control-allow-origin"), "");
        assert_eq!(status_of_mjpeg(&relay, headers), 200);
    }
}

#[test]
fn on_a_relay_without_tokens_a_made_up_token_opens_nothing_to_other_pages() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    for credential in ["?token=made-up-token", "?link=made-up"] {
        let refused = relay.get_with(&format!("/api/streams{credential}"), &[FOREIGN]);
        assert_eq!(refused.status, 403, "{credential}");
        assert!(refused.text().contains("--allow-origin"), "{}", refused.text());
        let open =
            |path: &str| relay.open_websocket(&format!("{path}{credential}"), &[V1, FOREIGN]);
        assert_eq!(open("/ws").unwrap_err().status, 403, "{credential}");
        assert_eq!(open("/streams/cam/ws").unwrap_err().status, 403, "{credential}");
        let snapshot = relay.get_with(&format!("/streams/cam/snapshot{credential}"), &[FOREIGN]);
        // The page may display it and must not read it.
        assert_eq!((snapshot.status, snapshot.header("access-control-allow-origin")), (200, ""));
    }
    let bearer = ("authorization", "Bearer made-up-token");
    assert_eq!(relay.get_with("/api/streams", &[FOREIGN, bearer]).status, 403);
}

#[test]
fn embedding_can_be_forbidden() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--no-embed"]);
    relay.wait_for("cam");
    for headers in [&EMBEDDED[..], &[FOREIGN]] {
        assert_eq!(relay.get_with("/streams/cam/snapshot", headers).status, 403);
        assert_eq!(status_of_mjpeg(&relay, headers), 403);
    }
    let own = relay.get("/streams/cam/snapshot");
    assert_eq!(own.status, 200);
    assert_eq!(own.header("cross-origin-resource-policy"), "same-origin");
}

#[test]
fn an_allowed_origin_is_accepted() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--allow-origin", "https://wall.example", "--no-embed"]);
    relay.wait_for("cam");
    let named = ("origin", "https://wall.example");
    let list = relay.get_with("/api/streams", &[named]);
    assert_eq!(
        (list.status, list.header("access-control-allow-origin")),
        (200, "https://wall.example")
    );
    assert!(relay.open_websocket("/ws", &[V1, named]).is_ok());
    assert!(relay.open_websocket("/streams/cam/ws", &[named]).is_ok());
    assert_eq!(relay.get_with("/streams/cam/snapshot", &[named]).status, 200);
    for stranger in
        [FOREIGN, ("origin", "https://wall.example.elsewhere.example"), ("origin", "null")]
    {
        assert_eq!(relay.get_with("/api/streams", &[stranger]).status, 403, "{stranger:?}");
        assert_eq!(
            relay.open_websocket("/ws", &[V1, stranger]).unwrap_err().status,
            403,
            "{stranger:?}"
        );
    }
}

#[test]
fn an_unknown_stream_is_answered_with_a_list_of_the_known_ones() {
    let site = Site::new();
    site.capture(&["--stream", "door=test:160x90@5", "--stream", "yard=test:160x90@5"]);
    let relay = site.relay(&[]);
    relay.wait_for("door");
    relay.wait_for("yard");
    for path in ["/streams/gate/mjpeg", "/streams/gate/snapshot", "/streams/Not%20A%20Name/mjpeg"] {
        let answer = relay.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.text().contains("door") && answer.text().contains("yard"),
            "{}",
            answer.text()
        );
    }
    let refused = relay.open_websocket("/streams/gate/ws", &[]).unwrap_err();
    assert!(refused.status == 404 && refused.text.contains("door"), "{refused:?}");
    let mut viewer = relay.wall();
    viewer.watch(1, "gate");
    let (code, message) = viewer.wait_for_error();
    assert!(code == "unknown-stream" && message.contains("door"), "{code}: {message}");
    viewer.watch(2, "Not A Name");
    let (code, message) = viewer.wait_for_error();
    assert!(code == "bad-message" && message.contains("a-z"), "{code}: {message}");
    // The socket still works.
    viewer.watch(3, "door");
    assert_eq!(viewer.frame().id, 3);
}
