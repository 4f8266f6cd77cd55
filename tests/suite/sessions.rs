//! Sessions of the page, and links: what the relay hands out in place of a token.

use std::fs;

use fanlight_tests::{Relay, Site, eventually};
use serde_json::Value;

const WALL: &str = "wall-token-42";
const TABLE: &str =
    "[[access]]\nname = 'wall'\ntoken = 'wall-token-42'\nmay = ['view']\nstreams = ['*']\n";

/// A site with two cameras, and a relay with the table.
fn site(arguments: &[&str]) -> (Site, Relay) {
    let site = Site::new();
    site.capture(&["--stream", "door=test:320x180@30", "--stream", "garden=test:320x180@30"]);
    fs::write(site.path("relay.toml"), TABLE).expect("the site's folder is ours");
    let relay = site.relay(&[&["--config", "relay.toml"], arguments].concat());
    eventually("both streams are listed", || {
        let list = relay.get(&format!("/api/streams?token={WALL}")).text();
        (list.contains("door") && list.contains("garden")).then_some(())
    });
    (site, relay)
}

fn bearer() -> String {
    format!("Bearer {WALL}")
}

/// Begins a session; returns the cookie with its attributes.
fn begin(relay: &Relay, query: &str, origin: &str) -> String {
    let path = format!("/api/session{query}");
    let begun = relay.send("POST", &path, &[("authorization", &bearer()), ("origin", origin)]);
    assert_eq!(begun.status, 204, "{}", begun.text());
    begun.header("set-cookie").to_owned()
}

/// Makes a link with these parameters.
fn link(relay: &Relay, query: &str) -> Value {
    let made = relay.send("POST", &format!("/api/links?{query}"), &[("authorization", &bearer())]);
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()
}

#[test]
fn a_session_stands_for_the_token_until_it_ends() {
    let (_site, relay) = site(&[]);
    let own = relay.url("");
    let cookie = begin(&relay, "", &own);
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("Secure") && !cookie.contains("Max-Age"), "{cookie}");
    let kept = begin(&relay, "?keep=true", &own);
    assert!(kept.contains("Max-Age=2592000"), "{kept}");
    let session = cookie.split(';').next().unwrap();
    let with = |path: &str| relay.get_with(path, &[("cookie", &format!("a=b; {session}; c=d"))]);
    assert_eq!(with("/api/streams").status, 200);
    assert_eq!(with("/streams/door/snapshot").status, 200);
    let shown = with("/api/session").json();
    assert_eq!((&shown["name"], &shown["may"]), (&"wall".into(), &vec!["view"].into()), "{shown}");
    // A page of another origin does not profit from the browser's cookie.
    let foreign = [("cookie", session), ("origin", "https://elsewhere.example")];
    assert_eq!(relay.get_with("/api/streams", &foreign).status, 403);
    assert_eq!(relay.get_with("/streams/door/snapshot", &foreign).status, 401);
    let ended = relay.send("DELETE", "/api/session", &[("cookie", session), ("origin", &own)]);
    assert_eq!(ended.status, 204);
    assert!(ended.header("set-cookie").starts_with("fanlight_session=; Max-Age=0"));
    let wrong = relay.send("POST", "/api/session", &[("authorization", "Bearer wrong-token-42")]);
    assert_eq!(wrong.status, 401);
    let foreign = [("authorization", &*bearer()), ("origin", "https://elsewhere.example")];
    assert_eq!(relay.send("POST", "/api/session", &foreign).status, 403);
}

#[test]
fn a_link_opens_one_stream_for_its_time_and_no_other() {
    let (_site, relay) = site(&[]);
    let made = link(&relay, "stream=door&for=600");
    let text = made["link"].as_str().unwrap();
    assert_eq!(made["address"], format!("?stream=door&link={text}"));
    let with = |path: &str| relay.get(&format!("{path}?link={text}")).status;
    assert_eq!((with("/streams/door/snapshot"), with("/streams/garden/snapshot")), (200, 403));
    let list = relay.get(&format!("/api/streams?link={text}")).text();
    assert!(list.contains("door") && !list.contains("garden"), "{list}");
    let mut viewer = relay.wall_with(&format!("?link={text}"));
    viewer.watch(1, "garden");
    assert_eq!(viewer.wait_for_error().0, "forbidden");
    viewer.watch(2, "door");
    viewer.frame();
    // A link makes no links, and nothing else that it was not made for.
    let again = relay.send("POST", &format!("/api/links?stream=door&link={text}"), &[]);
    assert_eq!(again.status, 403, "{}", again.text());
    let session = relay.send("POST", &format!("/api/session?link={text}"), &[]);
    assert_eq!(session.status, 403, "{}", session.text());
    assert!(!relay.program().log().contains(text));
}

#[test]
fn a_link_cannot_be_forged_and_ends_by_itself() {
    let (_site, relay) = site(&[]);
    let made = link(&relay, "stream=door&for=10");
    let text = made["link"].as_str().unwrap().to_owned();
    let mut forged = text.clone().into_bytes();
    for at in [0, 5, text.find('.').unwrap() + 1, text.len() - 2] {
        forged[at] ^= 1;
        let link = String::from_utf8(forged.clone()).unwrap();
        let refused =
            relay.get(&format!("/streams/door/snapshot?link={}", link.replace('`', "%60")));
        assert_eq!(refused.status, 401, "{link}");
        forged[at] ^= 1;
    }
    let mut viewer = relay.wall_with(&format!("?link={text}"));
    viewer.watch(1, "door");
    viewer.frame();
    let (code, reason) = viewer.socket().closing();
    assert_eq!((code, &*reason), (3003, "the link has expired"));
    let expired = relay.get(&format!("/streams/door/snapshot?link={text}"));
    assert_eq!((expired.status, expired.text().trim()), (403, "the link has expired"));
    for (query, words) in [
        ("stream=door&for=5", "10 to 604800 seconds"),
        ("stream=door&for=604801", "10 to 604800 seconds"),
        ("stream=Door", "Door"),
        ("stream=door&role=admin", "view or publish"),
        ("", "stream"),
    ] {
        let path = format!("/api/links?{query}");
        let refused = relay.send("POST", &path, &[("authorization", &bearer())]);
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains(words), "{query}: {}", refused.text());
    }
    let publish =
        relay.send("POST", "/api/links?stream=door&role=publish", &[("authorization", &bearer())]);
    assert_eq!(publish.status, 403, "{}", publish.text());
    assert_eq!(relay.send("POST", "/api/links?stream=door", &[]).status, 401);
}

#[test]
fn relays_with_one_secret_accept_each_others_links_and_sessions() {
    let (site, first) = site(&[]);
    fs::write(site.path("secret"), "0123456789abcdef0123456789abcdef").expect("our folder");
    let shared = || site.relay(&["--config", "relay.toml", "--secret-file", "secret"]);
    let (second, third) = (shared(), shared());
    let made = link(&second, "stream=door");
    let path = format!("/streams/door/snapshot?link={}", made["link"].as_str().unwrap());
    eventually("the third relay knows the stream", || {
        (third.get(&path).status == 200).then_some(())
    });
    assert_eq!(first.get(&path).status, 401, "another secret");
    let cookie = begin(&second, "", &second.url(""));
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(third.get_with("/api/streams", &[("cookie", cookie)]).status, 200);
    assert_eq!(first.get_with("/api/streams", &[("cookie", cookie)]).status, 401);
    let short = site.run(
        "fanlight-relay",
        &["--secret-file", "relay.toml", "--listen", "127.0.0.1:0", "--check-config"],
    );
    assert_eq!(short.code, Some(0), "any file of 32 bytes is a secret: {}", short.stderr);
    fs::write(site.path("secret"), "too short").expect("our folder");
    let short = site.run("fanlight-relay", &["--secret-file", "secret"]);
    assert_eq!(short.code, Some(2));
    assert!(short.stderr.contains("--secret-file secret: 32 to 4096 bytes"), "{}", short.stderr);
}
