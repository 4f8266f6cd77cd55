//! `fanlight link`: links that the command signs itself, and those that it asks a relay for.

use std::fs;

use fanlight_tests::program::{self, Finished};
use fanlight_tests::site::binary;
use fanlight_tests::tls::TestAuthority;
use fanlight_tests::tools::tool;
use fanlight_tests::{Relay, Site, eventually};
use serde_json::Value;

const CLIENT: &str = "fanlight";
const WALL: &str = "wall-token-42";
const TABLE: &str =
    "[[access]]\nname = 'wall'\ntoken = 'wall-token-42'\nmay = ['view']\nstreams = ['*']\n";

/// A site with two cameras, and a relay with the table and a secret.
fn site(arguments: &[&str]) -> (Site, Relay) {
    let site = Site::new();
    site.capture(&["--stream", "door=test:320x180@30", "--stream", "garden=test:320x180@30"]);
    fs::write(site.path("relay.toml"), TABLE).expect("the site's folder is ours");
    fs::write(site.path("secret"), "0123456789abcdef0123456789abcdef").expect("our folder");
    fs::write(site.path("other"), "another secret of 32 bytes......").expect("our folder");
    let options = ["--config", "relay.toml", "--secret-file", "secret"];
    let relay = site.relay(&[&options, arguments].concat());
    eventually("both streams are listed", || {
        let list = relay.get(&format!("/api/streams?token={WALL}")).text();
        (list.contains("door") && list.contains("garden")).then_some(())
    });
    (site, relay)
}

/// Runs `fanlight link` with the token in the environment.
fn run(site: &Site, arguments: &[&str]) -> Finished {
    let mut command = site.command(CLIENT, &[&["link"], arguments].concat());
    command.env("FANLIGHT_TOKEN", WALL).env("HOME", site.path("nowhere"));
    let finished = program::run(command);
    let output = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!output.contains(WALL), "the token is printed: {output}");
    finished
}

/// Signs a link with the secret in this file; returns the link itself.
fn signed(site: &Site, secret: &str, entry: &str) -> String {
    let signing = ["door", "--secret-file", secret, "--entry", entry, "--json"];
    let made = run(site, &signing);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let made: Value = serde_json::from_str(&made.stdout).expect("one JSON object");
    made["link"].as_str().expect("a link").to_owned()
}

#[test]
fn a_relay_accepts_a_link_that_was_signed_without_it() {
    let (site, relay) = site(&[]);
    let base = relay.url("/cams");
    let signing = ["--secret-file", "secret", "--entry", "wall", "--relay", &base, "--for", "1h"];
    let made = run(&site, &[&["door"], &signing[..]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let (address, link) = made.stdout.trim().split_once("&link=").expect("an address with a link");
    assert_eq!(address, format!("{base}/?stream=door"));
    let status = |stream: &str, link: &str| {
        relay.get(&format!("/streams/{stream}/snapshot?link={link}")).status
    };
    assert_eq!((status("door", link), status("garden", link)), (200, 403));
    let at = link.len() - 3;
    let changed = if &link[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{changed}{}", &link[..at], &link[at + 1..]);
    assert_eq!(status("door", &forged), 401);
    assert_eq!(status("door", &signed(&site, "other", "wall")), 401, "another secret");
    assert_eq!(status("door", &signed(&site, "secret", "token")), 401, "no such entry");
}

#[test]
fn a_signed_link_expires() {
    let (site, relay) = site(&[]);
    let program = binary(CLIENT);
    let program = program.to_str().expect("ASCII");
    let link = ["link", "door", "--secret-file", "secret", "--entry", "wall", "--for", "59m"];
    let mut an_hour_ago = tool("faketime", &[&["-f", "-1h", program], &link[..]].concat());
    an_hour_ago.current_dir(site.path("")).env("FANLIGHT_TOKEN", WALL);
    let made = program::run(an_hour_ago);
    let (_, link) = made.stdout.trim().split_once("&link=").expect("a link");
    let expired = relay.get(&format!("/streams/door/snapshot?link={link}"));
    assert_eq!((expired.status, expired.text().trim()), (403, "the link has expired"));
}

#[test]
fn a_relay_makes_a_link_on_request_with_and_without_tls() {
    let (site, relay) = site(&[]);
    let authority = TestAuthority::new(&site.path(""));
    let files = authority.issue(&site.path(""), "relay");
    let options = [&["--config", "relay.toml", "--secret-file", "secret"], &files.options()[..]];
    let encrypted = site.relay(&options.concat());
    let https = format!("https://localhost:{}/", encrypted.address().port());
    let ca_cert = authority.certificate.to_str().expect("ASCII");
    let (plain, trusting) = (relay.url(""), ["--ca-cert", ca_cert]);
    for (url, more) in [(&plain, &[][..]), (&https, &trusting)] {
        let made =
            run(&site, &[&["door", "--relay", url, "--for", "10m", "--json"], more].concat());
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let made: Value = serde_json::from_str(&made.stdout).expect("one JSON object");
        let link = made["link"].as_str().expect("a link");
        let base = url.trim_end_matches('/');
        assert_eq!(made["address"], format!("{base}/?stream=door&link={link}"));
        assert_eq!(relay.get(&format!("/streams/door/snapshot?link={link}")).status, 200);
    }
    let unknown = run(&site, &["door", "--relay", &https]);
    assert_eq!(unknown.code, Some(1), "its certificate is not trusted: {}", unknown.stderr);
}

#[test]
fn a_refused_link_is_reported_with_its_reason() {
    let (site, relay) = site(&[]);
    let url = relay.url("");
    let gone = "http://127.0.0.1:1/";
    fs::write(site.path("short"), "short").expect("our folder");
    for (arguments, code, words) in [
        (
            &["door", "--relay", &url, "--token", "wrong-token-42"][..],
            1,
            &["401", "wrong access token"][..],
        ),
        (&["door", "--relay", &url, "--role", "publish"], 1, &["403", "publishing"]),
        (&["door", "--relay", gone], 1, &[gone, "cannot connect"]),
        (&["Door", "--relay", &url], 2, &["Door"]),
        (&["door", "--relay", "ws://host/"], 2, &["--relay ws://host/", "https://"]),
        (&["door", "--relay", &url, "--for", "8d"], 2, &["--for 8d", "10s to 7d"]),
        (&["door", "--relay", &url, "--role", "admin"], 2, &["--role admin", "view or publish"]),
        (&["door", "--secret-file", "short"], 2, &["--secret-file short", "32 to 4096 bytes"]),
        (&["door", "--secret-file", "missing"], 2, &["--secret-file missing"]),
        (&["door"], 2, &["--relay URL", "--secret-file FILE"]),
    ] {
        let refused = run(&site, arguments);
        assert_eq!(
            (refused.code, &*refused.stdout),
            (Some(code), ""),
            "{arguments:?}: {refused:?}"
        );
        for word in words {
            assert!(refused.stderr.contains(word), "{word:?} is not in: {}", refused.stderr);
        }
    }
}
