//! The addresses of other servers pass the same checks as the relay's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{WALL, YARD, YARD_ONLY, assert_snapshot, site, started, with_table};

#[test]
fn a_page_of_another_origin_embeds_pictures_and_cannot_read_them_without_a_right() {
    let (_site, relay) = started();
    let foreign = [("origin", "https://elsewhere.example")];
    for path in ["/?action=snapshot", "/snapshot", "/api/frame.jpeg", "/streams/door/snapshot"] {
        let answer = relay.get_with(path, &foreign);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{path}");
    }
    for path in ["/state", "/cameras_list"] {
        assert_eq!(relay.get_with(path, &foreign).status, 403, "{path}");
    }
    for path in ["/api/ws", "/websocket_handler_site"] {
        let refused = relay.open_websocket(path, &foreign).expect_err("another origin");
        assert_eq!(refused.status, 403, "{path}");
    }
    let (_site, relay) = site(&["--no-embed"]);
    relay.wait_for("door");
    for path in ["/?action=snapshot", "/?action=stream", "/stream", "/get_one_image"] {
        assert_eq!(relay.open(path, &foreign).status().as_u16(), 403, "{path}");
    }
    assert_eq!(relay.get_with("/", &foreign).status, 200, "the page itself is as before");
}

#[test]
fn an_entry_for_some_streams_sees_the_first_of_those() {
    let (_site, relay) = with_table();
    let token = format!("token={YARD_ONLY}");
    for path in [
        "/snapshot?",
        "/?action=snapshot&",
        "/?action=snapshot_0&",
        "/get_one_image?",
        "/api/frame.jpeg?",
        "/snapshot?topic=/yard/image&",
    ] {
        assert_snapshot(&relay, &format!("{path}{token}"), YARD);
    }
    let list = relay.get(&format!("/cameras_list?{token}"));
    assert_eq!(list.json(), json!({ "cameras": ["yard"] }));
    let state = relay.get(&format!("/state?{token}")).json();
    assert_eq!(state["result"]["source"]["resolution"]["width"], 640);
    for path in ["/snapshot?stream=door", "/api/frame.jpeg?src=door", "/state?stream=door"] {
        assert_eq!(relay.get(&format!("{path}&{token}")).status, 403, "{path}");
    }
    for path in ["/snapshot?topic=/door/image", "/?action=snapshot_1"] {
        let unknown = relay.get(&format!("{path}&{token}"));
        assert_eq!(unknown.status, 404, "{path}");
        assert!(unknown.text().contains("known streams: yard\n"), "{}", unknown.text());
    }
    let refused = relay.open_websocket(&format!("/api/ws?src=door&{token}"), &[]);
    assert_eq!(refused.expect_err("not the yard").status, 403);
}

#[test]
fn every_address_asks_for_a_token_and_accepts_it_as_a_password() {
    let (_site, relay) = with_table();
    let basic = format!("Basic {}", STANDARD.encode(format!("admin:{WALL}")));
    for path in [
        "/?action=stream",
        "/?action=snapshot",
        "/stream",
        "/snapshot",
        "/state",
        "/api/stream.mjpeg",
        "/api/frame.jpeg",
        "/stream_video",
        "/get_one_image",
    ] {
        let refused = relay.get(path);
        assert_eq!(refused.status, 401, "{path}");
        let challenges = refused.all("www-authenticate").join(", ");
        assert!(challenges.contains("Basic realm"), "{path}: {challenges}");
        assert_eq!(relay.open(path, &[("authorization", &basic)]).status().as_u16(), 200, "{path}");
    }
    assert_eq!(relay.get("/cameras_list").status, 401);
    for path in ["/api/ws", "/websocket_handler_site", "/websocket_handler_site/door"] {
        assert_eq!(relay.open_websocket(path, &[]).expect_err("no token").status, 401, "{path}");
        assert!(relay.open_websocket(path, &[("authorization", &basic)]).is_ok(), "{path}");
    }
}
