//! `--tls auto`: the relay's own certificate authority.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fanlight_tests::tools::{run, tool};
use fanlight_tests::{Relay, Site, TlsTunnel, chromium, eventually};

fn automatic(site: &Site) -> (Relay, PathBuf) {
    let folder = site.path("state");
    let options = ["--tls", "auto", "--state-folder", folder.to_str().expect("ASCII")];
    (site.relay(&options), folder)
}

fn mode(file: PathBuf) -> u32 {
    fs::metadata(file).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn a_client_that_installed_the_authority_trusts_the_relay_by_all_its_names() {
    let site = Site::new();
    site.camera("cam");
    let (relay, folder) = automatic(&site);
    relay.wait_for("cam");
    // The certificate is had over plain HTTP, and its fingerprint is in the log.
    let installed = relay.get("/ca.crt");
    assert_eq!(installed.status, 200);
    assert_eq!(installed.header("content-type"), "application/x-x509-ca-cert");
    let authority = site.path("installed.crt");
    fs::write(&authority, &installed.body).expect("the folder of the test");
    let authority_text = authority.to_str().expect("ASCII");
    let shown = ["x509", "-in", authority_text, "-noout", "-fingerprint", "-sha256"];
    let fingerprint = run("openssl", tool("openssl", &shown));
    let (_, fingerprint) = fingerprint.trim().split_once('=').expect("NAME=FINGERPRINT");
    relay.program().says(fingerprint);
    let own = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let port = relay.address().port();
    for name in
        ["localhost".to_owned(), "127.0.0.1".to_owned(), own.clone(), format!("{own}.local")]
    {
        let (url, resolve) =
            (format!("https://{name}:{port}/healthz"), format!("{name}:{port}:127.0.0.1"));
        let arguments =
            ["--silent", "--show-error", "--cacert", authority_text, "--resolve", &resolve, &url];
        assert_eq!(run("curl", tool("curl", &arguments)), "ok\n", "{name}");
    }
    let tunnel = TlsTunnel::to(relay.address(), &authority);
    relay.through(tunnel.address()).viewer("cam").frames(5);
    assert_eq!(mode(folder.clone()), 0o700);
    for key in ["ca.key", "server.key"] {
        assert_eq!(mode(folder.join(key)), 0o600, "{key}");
    }
}

#[test]
fn a_restarted_relay_keeps_its_authority_and_certificate() {
    let site = Site::new();
    let (first, folder) = automatic(&site);
    let read = |name: &str| fs::read(folder.join(name)).expect("it exists");
    let before = (read("ca.crt"), read("server.crt"));
    first.stop();
    let (second, _) = automatic(&site);
    assert_eq!((read("ca.crt"), read("server.crt")), before);
    assert_eq!(second.get("/ca.crt").body, before.0);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let site = Site::new();
    let (relay, folder) = automatic(&site);
    relay.stop();
    fs::set_permissions(folder.join("ca.key"), fs::Permissions::from_mode(0o644))
        .expect("it is ours");
    let options = ["--listen", "127.0.0.1:0", "--tls", "auto", "--state-folder", "state"];
    let refused = site.run(fanlight_tests::site::RELAY, &options);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
}

#[test]
fn a_relay_without_an_authority_has_no_certificate_to_install() {
    let site = Site::new();
    let relay = site.relay(&[]);
    assert_eq!(relay.get("/ca.crt").status, 404);
}

/// Without the authority, Chromium would show a warning instead of the page, and nothing would watch.
#[test]
fn the_page_watches_over_tls_in_a_chromium_that_installed_the_authority() {
    let site = Site::new();
    site.camera("cam");
    let (relay, folder) = automatic(&site);
    relay.wait_for("cam");
    let page = format!("https://localhost:{}/?stream=cam", relay.address().port());
    let home = site.path("home");
    let chromium = chromium::trusting(&home, &folder.join("ca.crt"), &page, &[]);
    site.start(chromium);
    let frames = "fanlight_frames_sent_total{stream=\"cam\",transport=\"v1\"}";
    eventually("the page receives frames", || (relay.metric(frames) > 10).then_some(()));
}
