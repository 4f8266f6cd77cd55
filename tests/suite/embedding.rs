//! Cameras on pages of other origins: who may frame the player, and who may load the element.

use std::fs;

use fanlight_tests::site::RELAY;
use fanlight_tests::{Relay, Site};

const TOKEN: &str = "open-sesame-42";
const FOREIGN: (&str, &str) = ("origin", "https://elsewhere.example");
/// The headers of a frame on a foreign page.
const FRAMED: [(&str, &str); 3] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "iframe"),
];

/// Returns the sources of `frame-ancestors` for an address.
fn ancestors(relay: &Relay, path: &str) -> String {
    let answer = relay.get_with(path, &FRAMED);
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html"), "{path}");
    let policy = answer.header("content-security-policy");
    let directive = policy.split("; ").find_map(|part| part.strip_prefix("frame-ancestors "));
    directive.unwrap_or_else(|| panic!("{path}: {policy}")).to_owned()
}

#[test]
fn only_the_player_may_be_framed_by_others_and_only_by_the_origins_that_are_named() {
    let site = Site::new();
    for (arguments, expected) in [
        (&[][..], "'self'"),
        (&["--no-embed"], "'self'"),
        (&["--allow-embed", "https://Dash.example"], "'self' https://dash.example"),
        (
            &[
                "--allow-embed",
                "https://a.example,http://b.example:3000",
                "--allow-embed",
                "https://*.c.example",
            ],
            "'self' https://a.example http://b.example:3000 https://*.c.example",
        ),
        (&["--allow-embed", "*", "--token", TOKEN], "'self' *"),
        // Another right: to use the API and WebSockets.
        (&["--allow-origin", "https://wall.example"], "'self'"),
    ] {
        let relay = site.relay(arguments);
        // The answer is the same for an unknown stream: the player reports it.
        for path in
            ["/embed/door", "/embed/door?controls&token=wrong-token", "/embed/no-such-stream"]
        {
            assert_eq!(ancestors(&relay, path), expected, "{arguments:?}");
        }
        for path in ["/", "/?stream=door", "/embed.html"] {
            assert_eq!(ancestors(&relay, path), "'self'", "{arguments:?}");
        }
    }
}

#[test]
fn the_origins_may_be_in_the_environment_and_in_the_file() {
    let site = Site::new();
    let arguments = ["--listen", "127.0.0.1:0", "--log", "json"];
    let mut command = site.command(RELAY, &arguments);
    command.env("FANLIGHT_ALLOW_EMBED", "https://a.example,https://b.example");
    let relay = Relay::new(site.start(command));
    assert_eq!(ancestors(&relay, "/embed/door"), "'self' https://a.example https://b.example");
    let file = site.path("relay.toml");
    fs::write(&file, "allow-embed = [\"https://c.example\"]\n").unwrap();
    let relay = site.relay(&["--config", file.to_str().unwrap()]);
    assert_eq!(ancestors(&relay, "/embed/door"), "'self' https://c.example");
}

#[test]
fn what_is_no_origin_ends_the_relay_before_it_starts() {
    let site = Site::new();
    for origin in ["dash.example", "https://dash.example/page", "https://x; script-src *"] {
        let refused = site.run(RELAY, &["--allow-embed", origin]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
        let says = |text: &str| refused.stderr.contains(text);
        assert!(
            says("--allow-embed") && says(origin) && says("https://NAME"),
            "{}",
            refused.stderr
        );
    }
    let many = vec!["https://a.example"; 65].join(",");
    let refused = site.run(RELAY, &["--allow-embed", &many]);
    assert!(refused.stderr.contains("65 origins: at most 64"), "{}", refused.stderr);
}

#[test]
fn every_page_may_load_the_element_and_read_why_it_is_refused() {
    let site = Site::new();
    site.camera("door");
    let relay = site.relay(&["--token", TOKEN, "--no-embed"]);
    for path in ["/embed.js", "/worker/main.js", "/worker/sync.js"] {
        let module = relay.get_with(path, &[FOREIGN]);
        assert_eq!((module.status, module.header("access-control-allow-origin")), (200, "*"));
        assert_eq!(module.header("content-type"), "text/javascript", "{path}");
    }
    assert_eq!(relay.get_with("/", &[FOREIGN]).header("access-control-allow-origin"), "");
    let refused = relay.get_with("/api/streams", &[FOREIGN]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, "*"));
    let wrong = relay.get_with("/api/streams?token=wrong-token", &[FOREIGN]);
    assert_eq!((wrong.status, wrong.header("access-control-allow-origin")), (401, "*"));
    assert_eq!(relay.get("/embed/No%20Name").status, 404);
}
