//! The bus survives protocol errors and hostile peers, and keys exclude unknown peers.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanlight_tests::site::{CAPTURE, RELAY, free_port};
use fanlight_tests::zmtp::{self, Impostor};
use fanlight_tests::{Program, Relay, Site, eventually, note};

/// The time within which a relay finds a capture that has replaced another server at its endpoint.
/// docs/several-machines.md and `--help` state the retry pauses.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// The time within which a new relay receives its first frame while another peer floods the capture, on a slow machine.
const SERVED_WITHIN: Duration = Duration::from_secs(3);

/// Creates a key pair and returns the paths of its files, NAME.secret and NAME.pub.
fn keys(site: &Site, name: &str) -> (String, String) {
    let path = site.path(name);
    let made = site.run("fanlight", &["keys", "new", "--out", &path.to_string_lossy()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let file = |extension: &str| format!("{}.{extension}", path.display());
    let secret = fs::read_to_string(file("secret")).expect("it was written");
    let secret = secret.lines().find_map(|line| line.strip_prefix("secret ")).expect("a secret");
    assert!(!made.stdout.contains(secret) && !made.stderr.contains(secret));
    (file("secret"), file("pub"))
}

fn capture_at(site: &Site, endpoint: &str, more: &[&str]) -> Arc<Program> {
    let always = ["--publish", endpoint, "--stream", "cam=test:320x180@30"];
    site.capture(&[&always, more].concat())
}

#[test]
fn after_any_protocol_error_the_relay_finds_the_real_capture() {
    let null = || [zmtp::greeting("NULL"), zmtp::ready("XPUB")].concat();
    let site = Site::new();
    let impostors: Vec<(&str, Impostor)> = [
        ("another mechanism", zmtp::greeting("PLAIN")),
        ("another socket type", [zmtp::greeting("NULL"), zmtp::ready("REP")].concat()),
        ("junk after the greeting", [zmtp::greeting("NULL"), vec![0xff; 4096]].concat()),
        // One byte more than 16 MiB and what encryption may add to it.
        (
            "an oversized part",
            [null(), vec![2], (16u64 * 1024 * 1024 + 65).to_be_bytes().to_vec()].concat(),
        ),
        ("no ZMTP at all", b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100)),
    ]
    .map(|(what, bytes)| (what, Impostor::saying(bytes)))
    .into();
    let endpoints: Vec<String> =
        impostors.iter().map(|(_, impostor)| impostor.endpoint()).collect();
    let named: Vec<&str> =
        endpoints.iter().flat_map(|endpoint| ["--subscribe", endpoint]).collect();
    let relay = site.relay(&named);
    for (what, impostor) in impostors {
        note(what);
        impostor.wait_for_connections(3);
        let endpoint = impostor.endpoint();
        assert!(relay.program().log().contains(&endpoint), "{what} is logged with its endpoint");
        // `/readyz` states the reason at the endpoint.
        eventually("the reason in /readyz", || {
            let text = relay.get("/readyz").text();
            let line = text.lines().find(|line| line.starts_with(&endpoint)).unwrap_or_default();
            line.contains("; ").then(|| note(line))
        });
        impostor.stop();
    }
    let publish: Vec<&str> =
        endpoints.iter().flat_map(|endpoint| ["--publish", endpoint]).collect();
    site.capture(&[&publish[..], &["--stream", "cam=test:320x180@30"]].concat());
    let since = Instant::now();
    eventually("every endpoint is connected", || {
        (relay.get("/readyz").status == 200).then_some(())
    });
    note(format!("all endpoints were connected after {:?}", since.elapsed()));
    assert!(since.elapsed() < FOUND_WITHIN, "{:?}", since.elapsed());
    relay.viewer("cam").frames(5);
}

#[test]
fn a_relay_abandons_a_silent_peer_and_finds_the_capture_that_replaces_it() {
    let site = Site::new();
    let silent = Impostor::saying(Vec::new());
    let endpoint = silent.endpoint();
    let relay = site.relay(&["--subscribe", &endpoint]);
    silent.wait_for_connections(2);
    relay.program().says("did not answer for 5 s");
    silent.stop();
    capture_at(&site, &endpoint, &[]);
    relay.viewer("cam").frames(5);
}

#[test]
fn a_relay_with_an_allowed_key_receives_frames_and_one_with_an_unknown_key_does_not() {
    let site = Site::new();
    let [(capture_secret, capture_public), (hall, hall_public), (stranger, _)] =
        ["garage", "hall", "stranger"].map(|name| keys(&site, name));
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let keyed = ["--bus-key", &capture_secret, "--bus-allow", &hall_public];
    let capture = capture_at(&site, &endpoint, &keyed);
    let named = format!("{endpoint}#key={capture_public}");
    let relay = |key: &str| site.relay(&["--subscribe", &named, "--bus-key", key]);
    let honest = relay(&hall);
    let mut viewer = honest.viewer("cam");
    viewer.frames(10);

    let other = relay(&stranger);
    capture.says("the key is not in the --bus-allow list");
    other.program().says("the capture does not allow this relay's key");
    eventually("the reason in /readyz", || {
        other.get("/readyz").text().contains("does not allow this relay's key").then_some(())
    });
    // A relay without any key.
    let plain = site.relay(&["--subscribe", &endpoint]);
    plain.program().says("requires a key");
    viewer.frames(10);
    for refused in [&other, &plain] {
        assert_eq!(refused.get("/readyz").status, 503);
        assert!(refused.stream("cam").is_null());
    }
    // The number of lines does not depend on the number of attempts.
    let lines = capture.log().matches("bus peer refused").count();
    assert!((1..=3).contains(&lines), "{lines} lines in a few seconds\n{}", capture.log());
}

#[test]
fn a_relay_with_a_key_recovers_when_the_capture_gets_one_too() {
    let site = Site::new();
    let [(capture_secret, capture_public), (hall, hall_public), (_, other_public)] =
        ["garage", "hall", "other"].map(|name| keys(&site, name));
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let named = format!("{endpoint}#key={capture_public}");
    let relay = site.relay(&["--subscribe", &named, "--bus-key", &hall]);
    let plain = capture_at(&site, &endpoint, &[]);
    relay.program().says("the other side does not use keys");
    plain.kill();
    // The capture has the right key, and its list lacks the relay's.
    let strict =
        capture_at(&site, &endpoint, &["--bus-key", &capture_secret, "--bus-allow", &other_public]);
    relay.program().says("the capture does not allow this relay's key");
    assert!(relay.stream("cam").is_null());
    strict.kill();
    capture_at(&site, &endpoint, &["--bus-key", &capture_secret, "--bus-allow", &hall_public]);
    let since = Instant::now();
    relay.viewer("cam").frames(5);
    note(format!("frames after {:?}", since.elapsed()));
    assert!(since.elapsed() < FOUND_WITHIN, "{:?}", since.elapsed());
}

#[test]
fn a_capture_with_another_key_than_the_configured_one_is_refused() {
    let site = Site::new();
    let [(impostor, _), (_, named), (hall, hall_public)] =
        ["impostor", "garage", "hall"].map(|name| keys(&site, name));
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    capture_at(&site, &endpoint, &["--bus-key", &impostor, "--bus-allow", &hall_public]);
    let named = format!("{endpoint}#key={named}");
    let relay = site.relay(&["--subscribe", &named, "--bus-key", &hall]);
    relay.program().says("its key may differ from the one configured for it");
    assert_eq!(relay.get("/readyz").status, 503);
    assert!(relay.stream("cam").is_null());
}

#[test]
fn ipc_needs_no_keys_even_if_tcp_uses_them() {
    let site = Site::new();
    let [(secret, _), (_, allowed)] = ["garage", "hall"].map(|name| keys(&site, name));
    let ipc = format!("ipc://{}", site.path("cam.ipc").display());
    let tcp = format!("tcp://127.0.0.1:{}", free_port());
    let both =
        ["--publish", &tcp, "--publish", &ipc, "--bus-key", &secret, "--bus-allow", &allowed];
    site.capture(&[&both[..], &["--stream", "cam=test:320x180@30"]].concat());
    site.relay(&["--subscribe", &ipc]).viewer("cam").frames(5);
    site.relay(&["--subscribe", &tcp]).program().says("requires a key");
}

#[test]
fn a_bus_that_other_machines_reach_needs_keys_or_insecure_bus() {
    let site = Site::new();
    let endpoint = format!("tcp://*:{}", free_port());
    let stream = ["--stream", "cam=test:320x180@30"];
    let exposed = [&["--publish", &endpoint][..], &stream].concat();
    let refused = site.run(CAPTURE, &exposed);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for word in [endpoint.as_str(), "--bus-key", "--bus-allow", "--insecure-bus"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let refused = site.run(RELAY, &["--subscribe", "tcp://192.0.2.1:7475"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for word in ["tcp://192.0.2.1:7475", "#key=", "--bus-key", "--insecure-bus"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let capture = site.capture(&[&exposed[..], &["--insecure-bus"]].concat());
    assert!(capture.ended().is_none());
    let word = ["--subscribe", "tcp://192.0.2.1:7475", "--insecure-bus", "--check-config"];
    assert_eq!(site.run(RELAY, &word).code, Some(0));
}

#[test]
fn key_files_are_checked_before_anything_starts() {
    let site = Site::new();
    let (secret, public) = keys(&site, "garage");
    let open: PathBuf = site.path("open.secret");
    fs::copy(&secret, &open).expect("the site's folder is ours");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let bad = site.path("bad");
    fs::write(&bad, "# relays\nnot-a-key hall\n").expect("the site's folder is ours");
    let (open, bad) = (open.to_string_lossy(), bad.to_string_lossy());
    for (key, allow, words) in [
        (&*open, &*public, ["open.secret", "chmod 600"]),
        (&*secret, &*bad, ["bad:2", "40 characters"]),
        (&*public, &*public, ["garage.pub:1", "holds no secret key"]),
        (&*secret, "/nowhere", ["--bus-allow", "/nowhere"]),
    ] {
        let arguments = ["--publish", "tcp://127.0.0.1:1", "--stream", "cam=test"];
        let keyed = ["--bus-key", key, "--bus-allow", allow, "--check-config"];
        let refused = site.run(CAPTURE, &[&arguments[..], &keyed].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        for word in words {
            assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
        }
    }
    let twice =
        site.run("fanlight", &["keys", "new", "--out", &site.path("garage").to_string_lossy()]);
    assert_eq!(twice.code, Some(1), "{twice:?}");
    assert!(twice.stderr.contains("garage.pub"), "{}", twice.stderr);
    let shown = site.run("fanlight", &["keys", "public", &secret]);
    assert_eq!(shown.stdout, fs::read_to_string(public).expect("it was written"));
}

/// A hostile peer: sends the same bytes repeatedly on its own connections, until it ends.
struct Flood {
    over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl Flood {
    fn of(port: u16, bytes: Vec<u8>, connections: usize) -> Self {
        let over = Arc::<AtomicBool>::default();
        let flood = |_| {
            let (over, bytes) = (over.clone(), bytes.clone());
            std::thread::spawn(move || {
                let peer = zmtp::peer(port, "XSUB");
                // The peer reads and discards all bytes from the capture, so that heartbeats do not end the connection.
                let answers = peer.try_clone().expect("a second handle");
                let reader = std::thread::spawn(move || discard(answers));
                let mut sent = 0;
                while !over.load(Ordering::Relaxed) && (&peer).write_all(&bytes).is_ok() {
                    sent += bytes.len() as u64;
                }
                let _ = peer.shutdown(Shutdown::Both);
                let _ = reader.join();
                sent
            })
        };
        Self { threads: (0..connections).map(flood).collect(), over }
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    }
}

fn discard(mut connection: TcpStream) {
    let mut buffer = [0; 65536];
    while connection.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

/// A clock request of subscriber 7: the mark of a request, then version, variant, subscriber and timestamp.
const CLOCK_REQUEST: &[u8] = &[2, 1, 0, 7, 1];

/// Asserts that a relay that connects while `flood` runs receives its first frame within [`SERVED_WITHIN`].
fn assert_served_beside(what: &str, flood: impl FnOnce(u16) -> Flood) {
    let site = Site::alone();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let capture = capture_at(&site, &endpoint, &[]);
    let flood = flood(port);
    let relay: Relay = site.relay(&["--subscribe", &endpoint]);
    let since = Instant::now();
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    let first = since.elapsed();
    viewer.frames(60);
    let sent = flood.end();
    note(format!(
        "{what}: first frame after {first:?}, {sent} bytes of the flood, {}",
        memory(&capture)
    ));
    assert!(capture.ended().is_none());
    assert!(first < SERVED_WITHIN, "{what}: first frame after {first:?}");
}

/// Returns the peak memory of a process, as text to print.
fn memory(program: &Program) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).collect()
}

#[test]
fn a_flood_of_clock_requests_does_not_delay_another_relay() {
    assert_served_beside("clock requests", |port| {
        Flood::of(port, zmtp::message(CLOCK_REQUEST).repeat(1000), 2)
    });
}

#[test]
fn a_flood_of_invalid_messages_does_not_delay_another_relay() {
    assert_served_beside("invalid messages", |port| {
        Flood::of(port, zmtp::message(&[9; 99]).repeat(1000), 2)
    });
}

#[test]
fn a_flood_of_subscriptions_neither_delays_another_relay_nor_opens_sources() {
    // With many tracks, work per track and subscription would be noticeable.
    let streams: Vec<String> = (0..64).map(|n| format!("--stream=cam{n}=test:160x90@30")).collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let site = Site::alone();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    site.capture(&[&["--publish", endpoint.as_str()], &streams[..]].concat());
    // The capture remembers fewer subscriptions than these. Repeating them keeps the connection open.
    let subscription = |n: u32| zmtp::message(format!("\x01{n:08x}").as_bytes());
    let flood = Flood::of(port, (0..100_000).flat_map(subscription).collect(), 1);
    let relay = site.relay(&["--subscribe", &endpoint]);
    let since = Instant::now();
    let mut viewer = relay.viewer("cam7");
    viewer.frame();
    let first = since.elapsed();
    assert!(first < SERVED_WITHIN, "first frame after {first:?}");
    drop(viewer);
    // The source was open only for the viewer.
    relay.wait_until("cam7", &["idle"]);
    note(format!("first frame after {first:?}, {} bytes of the flood", flood.end()));
}
