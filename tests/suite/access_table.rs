//! The access table: who may do what, by every way to present a token, and while it changes.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanlight_protocol::viewer::FromRelay;
use fanlight_tests::relay::V1;
use fanlight_tests::{Relay, Site, eventually};
use rustix::process::Signal;

const WALL: &str = "wall-token-42";
const DOOR: &str = "door-token-42";
const PUBLISHER: &str = "publisher-token-42";

/// A table of three entries: one sees all streams, one the door, and one may only publish.
fn table() -> String {
    let entry = |name: &str, token: &str, may: &str, streams: &str| {
        format!(
            "[[access]]\nname = '{name}'\ntoken = '{token}'\nmay = ['{may}']\nstreams = ['{streams}']\n"
        )
    };
    entry("wall", WALL, "view", "*")
        + &entry("door", DOOR, "view", "door*")
        + &entry("robot", PUBLISHER, "publish", "*")
}

/// A site with two cameras, and a relay with this table.
fn site(table: &str) -> (Site, Relay) {
    let site = Site::new();
    site.capture(&["--stream", "door=test:320x180@30", "--stream", "garden=test:320x180@30"]);
    fs::write(site.path("relay.toml"), table).expect("the site's folder is ours");
    let relay = site.relay(&["--config", "relay.toml"]);
    eventually("both streams are listed", || {
        let list = relay.get(&format!("/api/streams?token={WALL}")).text();
        (list.contains("door") && list.contains("garden")).then_some(())
    });
    (site, relay)
}

/// The headers and the query by which a client can present a token.
fn ways(token: &str) -> [(Vec<(&'static str, String)>, String); 3] {
    let basic = STANDARD.encode(format!("any:{token}"));
    [
        (vec![("authorization", format!("Bearer {token}"))], String::new()),
        (vec![("authorization", format!("Basic {basic}"))], String::new()),
        (vec![], format!("?token={token}")),
    ]
}

#[test]
fn every_token_allows_its_actions_on_its_streams_by_every_way_to_present_it() {
    let (_site, relay) = site(&table());
    for (token, door, garden) in
        [(WALL, 200, 200), (DOOR, 200, 403), (PUBLISHER, 403, 403), ("not-a-token-42", 401, 401)]
    {
        for (headers, query) in ways(token) {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for (stream, expected) in [("door", door), ("garden", garden)] {
                for address in ["snapshot", "mjpeg"] {
                    let path = format!("/streams/{stream}/{address}{query}");
                    let status = relay.open(&path, &headers).status().as_u16();
                    assert_eq!(status, expected, "{token} {path}");
                }
            }
        }
        let door_socket = relay.open_websocket(&format!("/streams/door/ws?token={token}"), &[]);
        assert_eq!(door_socket.map_or_else(|refused| refused.status, |_| 200), door, "{token}");
    }
}

#[test]
fn a_client_learns_only_of_the_streams_that_it_may_see() {
    let (_site, relay) = site(&table());
    let list = relay.get(&format!("/api/streams?token={DOOR}"));
    assert!(list.text().contains("\"door\"") && !list.text().contains("garden"));
    assert!(list.text().contains("\"listening\":[]"), "{}", list.text());
    let metrics = relay.get(&format!("/metrics?token={DOOR}")).text();
    assert!(metrics.contains("stream=\"door\"") && !metrics.contains("garden"));
    let unknown = relay.get(&format!("/streams/door-2/snapshot?token={DOOR}"));
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("door") && !unknown.text().contains("garden"));
    // The answer is the same whether the stream exists.
    for stream in ["garden", "nothing"] {
        let refused = relay.get(&format!("/streams/{stream}/snapshot?token={DOOR}"));
        assert_eq!(refused.status, 403);
        assert_eq!(refused.text().trim(), format!("this token is not for the stream {stream}"));
    }
    let mut viewer = relay.wall_with(&format!("?token={DOOR}"));
    viewer.send_text(r#"{"type":"list"}"#);
    let streams = viewer.until("the list", |message| match message {
        FromRelay::Streams { streams, .. } => Some(streams.clone()),
        _ => None,
    });
    assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["door"]);
    viewer.watch(1, "garden");
    let (code, message) = viewer.wait_for_error();
    assert_eq!((&*code, &*message), ("forbidden", "this token is not for the stream garden"));
    viewer.watch(2, "door");
    viewer.frame();
    assert!(!relay.program().log().contains(DOOR));
}

#[test]
fn a_viewer_whose_right_is_withdrawn_is_closed_and_the_others_are_not() {
    for by_signal in [false, true] {
        let (site, relay) = site(&table());
        let mut door = relay.wall_with(&format!("?token={DOOR}"));
        door.watch(1, "door");
        door.frame();
        let mut plain =
            relay.open_websocket(&format!("/streams/door/ws?token={DOOR}"), &[]).unwrap();
        let mut mjpeg = relay.mjpeg_at(&format!("/streams/door/mjpeg?token={DOOR}"));
        mjpeg.part();
        let mut wall = relay.wall_with(&format!("?token={WALL}"));
        wall.watch(1, "garden");
        wall.frame();
        let without_door = table().replace(DOOR, "another-token-42");
        fs::write(site.path("relay.toml"), without_door).expect("the site's folder is ours");
        if by_signal {
            relay.program().signal(Signal::HUP);
        }
        assert_eq!(door.socket().closing().0, 3000);
        assert_eq!(plain.closing().0, 3000);
        while mjpeg.try_part().is_ok_and(|part| part.is_some()) {}
        wall.frame();
        assert_eq!(relay.get(&format!("/streams/door/snapshot?token={DOOR}")).status, 401);
        assert_eq!(relay.get("/streams/door/snapshot?token=another-token-42").status, 200);
    }
}

#[test]
fn a_stream_that_is_taken_from_an_entry_ends_there_alone() {
    let (site, relay) = site(&table());
    let mut wall = relay.wall_with(&format!("?token={WALL}"));
    wall.watch(1, "garden");
    wall.watch(2, "door");
    wall.frame();
    let only_door = table().replace("streams = ['*']", "streams = ['door']");
    fs::write(site.path("relay.toml"), only_door).expect("the site's folder is ours");
    assert_eq!(wall.wait_for_error().0, "forbidden");
    wall.frame();
}

#[test]
fn an_invalid_table_changes_nothing_and_says_why() {
    let (site, relay) = site(&table());
    fs::write(site.path("relay.toml"), "[[access]]\nname = 'wall'")
        .expect("the site's folder is ours");
    let log = eventually("the error is logged", || {
        let log = relay.program().log();
        log.contains("access table unchanged").then_some(log)
    });
    assert!(log.contains("token or token-sha256 is missing"), "{log}");
    assert_eq!(relay.get(&format!("/streams/door/snapshot?token={DOOR}")).status, 200);
}

#[test]
fn an_attempt_that_an_entry_does_not_allow_is_logged_with_its_name_and_without_its_token() {
    let (_site, relay) = site(&table());
    assert_eq!(relay.get(&format!("/streams/garden/snapshot?token={DOOR}")).status, 403);
    let log = eventually("the attempt is logged", || {
        let log = relay.program().log();
        log.contains("access denied").then_some(log)
    });
    let line = log.lines().find(|line| line.contains("access denied")).expect("it is there");
    assert!(line.contains("\"access\":\"door\"") && line.contains("garden"), "{line}");
    assert!(!log.contains(DOOR), "{log}");
}

#[test]
fn a_table_that_becomes_empty_does_not_open_the_relay() {
    let (site, relay) = site(&table());
    for text in ["", "log-level = 'info'"] {
        fs::write(site.path("relay.toml"), text).expect("the site's folder is ours");
        relay.program().signal(Signal::HUP);
        let log = || relay.program().log();
        eventually("the error is logged", || {
            log().contains("no entry would allow viewing").then_some(())
        });
        assert_eq!(relay.get("/streams/door/snapshot").status, 401, "{text:?}");
    }
    assert_eq!(relay.get(&format!("/streams/door/snapshot?token={DOOR}")).status, 200);
}

#[test]
fn an_entry_has_at_most_its_viewers() {
    let (_site, relay) =
        site(&table().replace("streams = ['door*']", "streams = ['door*']\nmax-viewers = 1"));
    let mut first = relay.mjpeg_at(&format!("/streams/door/mjpeg?token={DOOR}"));
    first.part();
    let refused = relay.get(&format!("/streams/door/snapshot?token={DOOR}"));
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("door may have 1 viewers"), "{}", refused.text());
    assert_eq!(relay.get(&format!("/streams/door/snapshot?token={WALL}")).status, 200);
    drop(first);
    eventually("the place is free again", || {
        let status = relay.get(&format!("/streams/door/snapshot?token={DOOR}")).status;
        (status == 200).then_some(())
    });
}

#[test]
fn a_token_that_the_page_presents_passes_from_any_origin_and_a_browsers_own_login_does_not() {
    let (_site, relay) = site(&table());
    let basic = format!("Basic {}", STANDARD.encode(format!("any:{WALL}")));
    let bearer = format!("Bearer {WALL}");
    for origin in ["https://elsewhere.example", "null", "file://"] {
        let with = |path: &str, authorization: Option<&str>| {
            let mut headers = vec![("origin", origin)];
            headers.extend(authorization.map(|value| ("authorization", value)));
            relay.get_with(path, &headers)
        };
        let explicit = with("/api/streams", Some(&bearer));
        assert_eq!(explicit.status, 200, "{origin}");
        assert_eq!(explicit.header("access-control-allow-origin"), "*", "{origin}");
        assert_eq!(with(&format!("/api/streams?token={WALL}"), None).status, 200, "{origin}");
        assert_eq!(with("/api/streams", Some(&basic)).status, 403, "{origin}");
        assert_eq!(with("/streams/door/snapshot", Some(&basic)).status, 401, "{origin}");
        assert_eq!(with("/api/streams", None).status, 403, "{origin}");
        let socket = format!("/ws?token={WALL}");
        assert!(relay.open_websocket(&socket, &[V1, ("origin", origin)]).is_ok(), "{origin}");
    }
}

#[test]
fn a_login_is_asked_for_where_no_page_would_be_covered_by_it() {
    let (_site, relay) = site(&table());
    let challenges = |path: &str, headers: &[(&str, &str)]| {
        relay.get_with(path, headers).all("www-authenticate").join(", ")
    };
    assert!(challenges("/streams/door/snapshot", &[]).contains("Basic realm"));
    assert!(
        challenges("/streams/door/snapshot", &[("sec-fetch-mode", "navigate")]).contains("Basic")
    );
    assert!(!challenges("/streams/door/snapshot", &[("sec-fetch-mode", "cors")]).contains("Basic"));
    assert!(!challenges("/api/streams", &[]).contains("Basic"));
}

#[test]
fn a_made_token_opens_a_relay_that_knows_only_its_hash() {
    let site = Site::new();
    let made = site.run("fanlight", &["token"]);
    let value = |name: &str| {
        let line = made.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{}", made.stdout)).trim().to_owned()
    };
    let (token, hash) = (value("token"), value("token-sha256"));
    assert_ne!(made.stdout, site.run("fanlight", &["token"]).stdout);
    site.camera("cam");
    let entry = format!("name = 'a'\ntoken-sha256 = '{hash}'\nmay = ['view']\nstreams = ['*']");
    fs::write(site.path("relay.toml"), format!("[[access]]\n{entry}")).expect("our folder");
    let relay = site.relay(&["--config", "relay.toml"]);
    assert_eq!(relay.get(&format!("/api/streams?token={token}")).status, 200);
    assert_eq!(relay.get(&format!("/api/streams?token={hash}")).status, 401);
}
