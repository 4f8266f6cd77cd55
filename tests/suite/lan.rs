//! `--lan`: the relay on a local network, with the name `fanlight.local`, a token that is kept, and an address to scan.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use fanlight_tests::site::{RELAY, binary};
use fanlight_tests::tools::{PYTHON, run, tool};
use fanlight_tests::{Network, Program, Relay, Site, chromium, eventually};
use rustix::process::Signal;

/// Prints each relay that a foreign implementation of mDNS finds, again when its facts change, and each that says goodbye.
const FINDER: &str = r#"
import time, zeroconf
known, names = {}, set()
class Listener:
    def add_service(self, found, kind, name): names.add(name)
    def update_service(self, *_): pass
    def remove_service(self, found, kind, name):
        names.discard(name)
        print("gone", name, flush=True)
zeroconf_ = zeroconf.Zeroconf()
zeroconf.ServiceBrowser(zeroconf_, "_https._tcp.local.", Listener())
while True:
    for name in list(names):
        info = zeroconf_.get_service_info("_https._tcp.local.", name)
        if info is None: continue
        addresses = " ".join(a for a in info.parsed_addresses() if "." in a)
        path = info.properties.get(b"path", b"").decode()
        line = f"found {info.server} {addresses} {info.port} {path}"
        if known.get(name) != line: print(line, flush=True)
        known[name] = line
    time.sleep(0.2)
"#;

/// Starts a relay on a machine of the network, with a state folder of its own.
fn relay(site: &Site, network: &Network, machine: usize, more: &[&str]) -> Relay {
    let folder = site.path(&format!("state{machine}"));
    let folder = folder.to_str().expect("ASCII");
    let options = [&["--lan", "--state-folder", folder], more].concat();
    network.on(machine, || site.relay_at("0.0.0.0:0", &options))
}

/// Waits until a relay announces its pages; returns them.
fn pages(relay: &Relay) -> Vec<String> {
    let line = relay.program().says("\"pages\":");
    let line: serde_json::Value = serde_json::from_str(&line).expect("one JSON object a line");
    line["pages"].as_str().expect("text").split(' ').map(str::to_owned).collect()
}

/// Returns the name that a relay has announced, once it has.
fn announced(site: &Site, machine: usize) -> Option<String> {
    let file = site.path(&format!("state{machine}")).join("address");
    let address = fs::read_to_string(file).ok()?;
    let host = address.strip_prefix("https://").and_then(|rest| rest.split(':').next());
    Some(host.expect("an address with a name").to_owned())
}

fn kept(site: &Site, machine: usize, name: &str) -> String {
    let text = fs::read_to_string(site.path(&format!("state{machine}")).join(name));
    text.expect("the relay made it").trim().to_owned()
}

/// GETs a path of a relay from another machine, by this name; returns the status and the body.
fn get(
    site: &Site,
    network: &Network,
    machine: usize,
    name: &str,
    path: &str,
    relay: &Relay,
) -> String {
    let port = relay.address().port();
    let url = format!("https://{name}:{port}{path}");
    let resolve = format!("{name}:{port}:{}", Network::address(machine));
    let authority = site.path(&format!("state{machine}")).join("ca.crt");
    let authority = authority.to_str().expect("ASCII");
    let options = ["--silent", "--show-error", "--max-time", "30", "--write-out", " %{http_code}"];
    let trusted = ["--cacert", authority, "--resolve", &resolve, &url];
    network.on(2, || run("curl", tool("curl", &[&options[..], &trusted].concat())))
}

#[test]
fn two_relays_of_one_network_have_different_names_and_a_foreign_client_finds_both() {
    let site = Site::new();
    let Some(network) = Network::of(3) else { return };
    let finder = network.on(2, || site.start(tool(PYTHON, &["-c", FINDER])));
    let first = relay(&site, &network, 0, &[]);
    let (names, port) = (["fanlight.local", "fanlight-2.local"], first.address().port());
    assert_eq!(pages(&first)[0], format!("https://{}:{port}/", names[0]));
    let second = relay(&site, &network, 1, &[]);
    assert_eq!(pages(&second)[0], format!("https://{}:{}/", names[1], second.address().port()));
    for (machine, (name, relay)) in names.iter().zip([&first, &second]).enumerate() {
        let (address, port) = (Network::address(machine), relay.address().port());
        finder.says(&format!("found {name}. {address} {port} /"));
        // The certificate has the name, and the relay accepts it.
        assert_eq!(get(&site, &network, machine, name, "/healthz", relay), "ok\n 200");
    }
    let other = get(&site, &network, 0, &Network::address(0).to_string(), "/healthz", &first);
    assert_eq!(other, "ok\n 200", "by its address too");
    network.on(1, || second.stop());
    finder.says("gone");
}

#[test]
fn relays_that_start_at_the_same_time_have_different_names() {
    let site = Site::new();
    let Some(network) = Network::of(3) else { return };
    let _relays = [0, 1, 2].map(|machine| relay(&site, &network, machine, &[]));
    eventually("the relays have different names", || {
        let mut names: Vec<_> = (0..3).filter_map(|machine| announced(&site, machine)).collect();
        names.sort();
        names.dedup();
        (names.len() == 3).then_some(())
    });
}

#[test]
fn a_relay_that_joins_the_network_of_another_with_its_name_takes_the_next_one() {
    let site = Site::new();
    let Some(network) = Network::of(3) else { return };
    network.separate(1);
    let (first, second) = (relay(&site, &network, 0, &[]), relay(&site, &network, 1, &[]));
    let first_name = || Some("fanlight.local".to_owned());
    eventually("both have the name, each in its network", || {
        let has_name = |machine| announced(&site, machine) == first_name();
        (has_name(0) && has_name(1)).then_some(())
    });
    network.join(1);
    eventually("the machine with the higher address has the next name", || {
        (announced(&site, 1).as_deref() == Some("fanlight-2.local")).then_some(())
    });
    assert_eq!(announced(&site, 0), first_name());
    // The certificate and the allowed names follow.
    assert_eq!(get(&site, &network, 1, "fanlight-2.local", "/healthz", &second), "ok\n 200");
    assert_eq!(get(&site, &network, 0, "fanlight.local", "/healthz", &first), "ok\n 200");
}

#[test]
fn two_relays_of_one_machine_share_its_name() {
    let site = Site::new();
    let Some(network) = Network::of(1) else { return };
    let other = site.path("other");
    let options = ["--lan", "--state-folder", other.to_str().expect("ASCII")];
    let relays =
        [relay(&site, &network, 0, &[]), network.on(0, || site.relay_at("0.0.0.0:0", &options))];
    for relay in &relays {
        assert_eq!(pages(relay)[0], format!("https://fanlight.local:{}/", relay.address().port()));
    }
}

#[test]
fn a_relay_keeps_its_name_its_token_and_its_sessions_when_it_restarts() {
    let site = Site::new();
    let Some(network) = Network::of(3) else { return };
    let first = relay(&site, &network, 0, &[]);
    let token = kept(&site, 0, "token");
    assert_eq!(pages(&first)[0], format!("https://fanlight.local:{}/", first.address().port()));
    for name in ["token", "secret"] {
        let file = site.path("state0").join(name);
        let mode = fs::metadata(file).expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let list = |query: &str, relay: &Relay| {
        get(&site, &network, 0, "fanlight.local", &format!("/api/streams{query}"), relay)
    };
    assert!(list("", &first).ends_with(" 401"));
    assert!(list(&format!("?token={token}"), &first).ends_with(" 200"));
    let begun = network.on(0, || {
        let bearer = format!("Bearer {token}");
        first.send("POST", "/api/session?keep=true", &[("authorization", &bearer)])
    });
    let cookie = begun.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    assert!(!first.program().log().contains(&token), "the token is in the log");
    network.on(0, || first.stop());
    let second = relay(&site, &network, 0, &[]);
    assert_eq!(kept(&site, 0, "token"), token);
    let with_cookie = || second.get_with("/api/streams", &[("cookie", &cookie)]).status;
    assert_eq!(network.on(0, with_cookie), 200);
    pages(&second);
    assert!(!second.program().log().contains(&token), "the token is in the log");
    // Without its file, the token is replaced, and what stands for it ends too.
    fs::remove_file(site.path("state0/token")).expect("the folder of the test");
    second.program().signal(Signal::HUP);
    eventually("the token is replaced", || {
        list(&format!("?token={token}"), &second).ends_with(" 401").then_some(())
    });
    assert_eq!(network.on(0, with_cookie), 401);
    let new = kept(&site, 0, "token");
    assert!(list(&format!("?token={new}"), &second).ends_with(" 200"));
}

#[test]
fn a_link_of_the_command_line_is_valid_at_a_relay_of_the_same_state_folder() {
    let site = Site::new();
    let Some(network) = Network::of(1) else { return };
    site.camera("cam");
    let relay = relay(&site, &network, 0, &[]);
    let page = pages(&relay).remove(0);
    eventually("the address is kept", || site.path("state0/address").exists().then_some(()));
    let made = site.run("fanlight", &["link", "cam", "--state-folder", "state0"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let query = made.stdout.trim().strip_prefix(&page).expect("the page of the relay").to_owned();
    let link = query.strip_prefix("?stream=cam&").expect("an address of the page").to_owned();
    network.on(0, || {
        eventually("the link shows the stream", || {
            let status = relay.get(&format!("/streams/cam/snapshot?{link}")).status;
            (status == 200).then_some(())
        });
    });
}

#[test]
fn with_an_access_table_no_token_is_made() {
    let site = Site::new();
    let Some(network) = Network::of(1) else { return };
    let table = "lan = true\nstate-folder = 'state0'\n\
                 [[access]]\nname = 'wall'\ntoken = 'wall-token-42'\nmay = ['view']\nstreams = ['*']\n";
    fs::write(site.path("relay.toml"), table).expect("the site's folder is ours");
    let relay = network.on(0, || site.relay_at("0.0.0.0:0", &["--config", "relay.toml"]));
    assert_eq!(network.on(0, || relay.get("/api/streams?token=wall-token-42").status), 200);
    assert!(!site.path("state0/token").exists() && site.path("state0/secret").exists());
}

/// Returns the text of the QR code that a terminal shows in half blocks.
fn scan(terminal: &str) -> String {
    let is_row = |line: &&str| line.contains('█') && line.chars().all(|c| " █▀▄".contains(c));
    let rows: Vec<Vec<char>> = terminal
        .lines()
        .map(str::trim_end)
        .filter(is_row)
        .map(|line| line.chars().collect())
        .collect();
    let is_light = |x: usize, y: usize| {
        let half = if y.is_multiple_of(2) { '▀' } else { '▄' };
        rows[y / 2].get(x).is_some_and(|c| *c == '█' || *c == half)
    };
    // Each module becomes 4 x 4 pixels.
    let (width, height) = (4 * rows[0].len(), 8 * rows.len());
    let pixel = |x: usize, y: usize| if is_light(x / 4, y / 4) { 255 } else { 0 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let codes = image.detect_grids();
    codes.first().expect("a code").decode().expect("a code that can be read").1
}

/// Runs `scripts/run --lan` on a terminal, with the programs of this workspace in place of a release build.
fn newcomer(site: &Site, network: &Network) -> Arc<Program> {
    let programs = binary(RELAY);
    fs::create_dir_all(site.path("target")).expect("the folder of the test");
    symlink(programs.parent().expect("a folder"), site.path("target/release")).expect("ours");
    fs::create_dir_all(site.path("bin")).expect("the folder of the test");
    for name in ["cargo", "npm"] {
        let stub = site.path("bin").join(name);
        fs::write(&stub, "#!/bin/sh\n").expect("ours");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o700)).expect("ours");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run");
    let command = format!("{} --lan --stream cam=test:320x180@30", script.display());
    let mut terminal =
        site.command("/bin/sh", &["-c", "exec script -qec \"$0\" /dev/null", &command]);
    let path = std::env::var("PATH").expect("a path");
    terminal
        .env("PATH", format!("{}:{path}", site.path("bin").display()))
        .env("CARGO_TARGET_DIR", site.path("target"))
        .env("XDG_STATE_HOME", site.path("state"));
    network.on(0, || site.start(terminal))
}

#[test]
fn a_newcomer_scans_the_code_and_sees_a_picture() {
    let site = Site::new();
    let Some(network) = Network::of(1) else { return };
    let script = newcomer(&site, &network);
    script.says("Everyone with this address can watch");
    let state = site.path("state/fanlight");
    let token = fs::read_to_string(state.join("token")).expect("it was made");
    let url = format!("https://{}:7474/?token={}", Network::address(0), token.trim());
    let text = script.log();
    let named = format!("https://fanlight.local:7474/?token={}", token.trim());
    assert!(text.contains(&url) && text.contains(&named), "{text}");
    assert_eq!(scan(&text), url);
    let (home, authority) = (site.path("home"), state.join("ca.crt"));
    let chromium = chromium::trusting(&home, &authority, &url, &["--window-size=390,844"]);
    network.on(0, || {
        site.start(chromium);
        let frames = "fanlight_frames_sent_total{stream=\"cam\",transport=\"v1\"} ";
        let metrics = ["--silent", "http://127.0.0.1:7474/metrics", "--header"];
        let bearer = format!("Authorization: Bearer {}", token.trim());
        eventually("the phone receives frames", || {
            let text = run("curl", tool("curl", &[&metrics[..], &[&bearer]].concat()));
            let count = text.lines().find_map(|line| line.strip_prefix(frames))?.parse::<u64>();
            (count.expect("a number") > 10).then_some(())
        });
    });
    script.terminate();
    script.end();
}
