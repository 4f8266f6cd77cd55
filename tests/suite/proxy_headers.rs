//! The headers of reverse proxies, from trusted and other peers; the public address, and the base path.

use fanlight_tests::relay::V1;
use fanlight_tests::tls::TestAuthority;
use fanlight_tests::{Relay, Site, eventually};

const TOKEN: &str = "open-sesame-42";
const TRUSTED: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

/// Sends wrong tokens until the relay delays them; returns the log line, which names the client.
fn suspected(relay: &Relay, headers: &[(&str, &str)]) -> String {
    for _ in 0..11 {
        assert_eq!(relay.get_with("/api/streams?token=sesame-open", headers).status, 401);
    }
    relay.program().says("repeated wrong tokens")
}

#[test]
fn only_a_trusted_proxy_names_the_client() {
    let site = Site::new();
    let lie = [("x-forwarded-for", "127.0.0.1, 192.0.2.1, 192.0.2.7")];
    let relay = site.relay(&["--token", TOKEN]);
    assert!(suspected(&relay, &lie).contains("\"127.0.0.1\""), "the peer itself");
    for (range, client) in [
        ("127.0.0.1", "192.0.2.7"),
        ("127.0.0.0/8,192.0.2.7", "192.0.2.1"),
        ("10.0.0.0/8", "127.0.0.1"),
    ] {
        let relay = site.relay(&["--token", TOKEN, "--trusted-proxy", range]);
        let line = suspected(&relay, &lie);
        assert!(line.contains(&format!("\"{client}\"")), "{range}: {line}");
    }
    let relay = site.relay(&[&["--token", TOKEN], &TRUSTED[..]].concat());
    let line = suspected(&relay, &[("forwarded", "for=127.0.0.1, for=\"[2001:db8::1]:80\"")]);
    assert!(line.contains("\"2001:db8::1\""), "{line}");
}

#[test]
fn malformed_headers_are_refused_by_name_from_a_trusted_proxy_and_ignored_from_others() {
    let site = Site::new();
    let (trusting, other) = (site.relay(&TRUSTED), site.relay(&[]));
    for (header, value) in [
        ("forwarded", "for=\"127.0.0.1"),
        ("forwarded", "127.0.0.1"),
        ("x-forwarded-for", "localhost"),
        ("x-forwarded-proto", "https,http"),
        ("x-forwarded-host", "a/b"),
    ] {
        let refused = trusting.get_with("/healthz", &[(header, value)]);
        assert_eq!(refused.status, 400, "{header}: {value}");
        assert!(refused.text().contains(header), "{}", refused.text());
        assert_eq!(other.get_with("/healthz", &[(header, value)]).status, 200, "{header}: {value}");
    }
    let both = [("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(trusting.get_with("/healthz", &both).status, 400);
    let doubled = [("x-forwarded-host", "localhost"), ("x-forwarded-host", "localhost")];
    assert_eq!(trusting.get_with("/healthz", &doubled).status, 400);
    assert_eq!(trusting.metric("fanlight_access_denied_total{reason=\"malformed\"}"), 7);
}

#[test]
fn the_host_that_a_proxy_names_must_be_the_relays_and_so_must_its_own() {
    let site = Site::new();
    let relay = site.relay(&[&TRUSTED[..], &["--allow-host", "cams.example.org"]].concat());
    let status = |headers: &[(&str, &str)]| relay.get_with("/healthz", headers).status;
    assert_eq!(status(&[("x-forwarded-host", "cams.example.org:8443")]), 200);
    assert_eq!(status(&[("forwarded", "host=cams.example.org")]), 200);
    assert_eq!(status(&[("x-forwarded-host", "evil.example")]), 421);
    assert_eq!(status(&[("forwarded", "host=evil.example")]), 421);
    // A page whose name was rebound to this machine can set the header, but not its host.
    let rebound = [("host", "evil.example"), ("x-forwarded-host", "cams.example.org")];
    assert_eq!(status(&rebound), 421);
    let page = |host: &str, origin: &str| {
        let headers =
            [("x-forwarded-host", host), ("x-forwarded-proto", "https"), ("origin", origin)];
        relay.get_with("/api/streams", &headers).status
    };
    assert_eq!(page("cams.example.org:8443", "https://cams.example.org:8443"), 200);
    for foreign in
        ["https://evil.example", "https://cams.example.org", "http://cams.example.org:8443", "null"]
    {
        assert_eq!(page("cams.example.org:8443", foreign), 403, "{foreign}");
    }
}

#[test]
fn a_request_counts_as_encrypted_only_if_it_was_so_up_to_the_proxy() {
    let site = Site::new();
    let files = TestAuthority::new(&site.path("")).issue(&site.path(""), "cams");
    let trusting = site.relay(&[&TRUSTED[..], &files.options()].concat());
    let other = site.relay(&files.options());
    let status =
        |relay: &Relay, headers: &[(&str, &str)]| relay.get_with("/api/streams", headers).status;
    assert_eq!((status(&trusting, &[]), status(&other, &[])), (200, 200), "this machine itself");
    let (https, http) = (("x-forwarded-proto", "https"), ("x-forwarded-proto", "http"));
    let (forwarded_https, client) =
        (("forwarded", "proto=https"), ("x-forwarded-for", "192.0.2.1"));
    assert_eq!(status(&trusting, &[https, client]), 200);
    assert_eq!(status(&trusting, &[forwarded_https]), 200);
    for headers in [&[http][..], &[client], &[http, ("x-forwarded-for", "127.0.0.1")]] {
        assert_eq!(status(&trusting, headers), 403, "{headers:?}");
    }
    for headers in [&[https][..], &[http], &[client], &[https, client], &[forwarded_https]] {
        assert_eq!(status(&other, headers), 403, "{headers:?}");
    }
    let navigation = [client, ("accept", "text/html"), ("x-forwarded-host", "localhost:8443")];
    let moved = trusting.get_with("/?stream=x", &navigation);
    assert_eq!((moved.status, moved.header("location")), (307, "https://localhost:8443/?stream=x"));
}

#[test]
fn everything_is_below_the_base_path_too() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&["--base-path", "/house/cams/"]);
    let mut watching = relay.viewer("cam");
    watching.frame();
    for path in
        ["/", "/boot.js", "/api/streams", "/healthz", "/readyz", "/metrics", "/snapshot?stream=cam"]
    {
        let (below, root) = (relay.get(&format!("/house/cams{path}")), relay.get(path));
        assert_eq!((below.status, root.status), (200, 200), "{path}");
    }
    let snapshot = relay.get("/house/cams/?action=snapshot&stream=cam");
    assert_eq!(snapshot.header("content-type"), "image/jpeg");
    let moved = relay.get("/house/cams?stream=cam");
    assert_eq!((moved.status, moved.header("location")), (307, "/house/cams/?stream=cam"));
    for unknown in ["/house/", "/house/camshaft", "/house/cams/house/cams/", "/house/cams//"] {
        assert_eq!(relay.get(unknown).status, 404, "{unknown}");
    }
    relay.mjpeg_at("/house/cams/streams/cam/mjpeg").part();
    let mut plain = relay.open_websocket("/house/cams/streams/cam/ws", &[]).expect("a WebSocket");
    assert!(matches!(plain.receive(), fanlight_tests::socket::Incoming::Binary(_)));
    assert!(relay.open_websocket("/house/cams/ws", &[V1]).is_ok());
}

#[test]
fn the_cookie_of_a_session_is_sent_below_the_base_path_only_unless_the_client_is_at_the_root() {
    let site = Site::new();
    let relay = site.relay(&["--token", TOKEN, "--base-path", "/cams"]);
    let bearer = format!("Bearer {TOKEN}");
    let cookie = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        let answer = relay.send(method, path, &headers);
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
        answer.header("set-cookie").to_owned()
    };
    let through_proxy = [("x-forwarded-for", "192.0.2.1")];
    for method in ["POST", "DELETE"] {
        for (path, headers, expected) in [
            ("/cams/api/session", &[][..], "; Path=/cams/;"),
            ("/api/session", &through_proxy, "; Path=/cams/;"),
            ("/api/session", &[], "; Path=/;"),
        ] {
            let cookie = cookie(method, path, headers);
            assert!(cookie.contains(expected), "{method} {path}: {cookie}");
        }
    }
}

#[test]
fn the_public_address_is_the_relays_own_and_links_begin_with_it() {
    let site = Site::new();
    let relay = site.relay(&["--token", TOKEN, "--public-url", "https://cams.example.org/wall"]);
    let line = relay.program().says("--public-url");
    assert!(line.contains("https://cams.example.org/wall/"), "{line}");
    let bearer = format!("Bearer {TOKEN}");
    let with = |headers: &[(&str, &str)]| {
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        relay.send("POST", "/wall/api/session", &headers)
    };
    assert_eq!(with(&[("host", "cams.example.org")]).status, 204);
    // A proxy that is not trusted, and names no host.
    assert_eq!(with(&[("origin", "https://cams.example.org")]).status, 204);
    for foreign in ["http://cams.example.org", "https://cams.example.org:8443"] {
        assert_eq!(with(&[("origin", foreign)]).status, 403, "{foreign}");
    }
    let made = relay.send("POST", "/api/links?stream=door", &[("authorization", &bearer)]).json();
    let address = made["address"].as_str().expect("a text");
    assert!(address.starts_with("https://cams.example.org/wall/?stream=door&link="), "{address}");
}

#[test]
fn a_session_that_begins_the_next_one_does_not_prolong_it_beyond_30_days_from_the_token() {
    let site = Site::new();
    let relay = site.relay(&["--token", TOKEN]);
    let begin = |header: (&str, &str)| {
        let begun = relay.send("POST", "/api/session?keep=true", &[header]);
        assert_eq!(begun.status, 204, "{}", begun.text());
        let cookie = begun.header("set-cookie").to_owned();
        let (_, age) = cookie.split_once("Max-Age=").expect("a kept session");
        let age: u64 = age.split(';').next().and_then(|age| age.parse().ok()).expect("seconds");
        (cookie.split(';').next().expect("a cookie").to_owned(), age)
    };
    let (first, whole) = begin(("authorization", &format!("Bearer {TOKEN}")));
    assert_eq!(whole, 30 * 24 * 3600);
    // The text of a session has whole seconds, so its remaining time is less by a part of one.
    let rest = eventually("the next session is shorter", || {
        let (_, rest) = begin(("cookie", &first));
        (rest < whole).then_some(rest)
    });
    assert!(rest + 60 > whole, "{rest}");
}
