//! TLS with a certificate from files, and plain requests on the same port.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use fanlight_tests::relay::V1;
use fanlight_tests::site::RELAY;
use fanlight_tests::tls::{CertificateFiles, TestAuthority};
use fanlight_tests::tools::{feed_with_stderr, python, run, tool};
use fanlight_tests::viewer::now;
use fanlight_tests::{Narrow, PATIENCE, Relay, Site, TlsTunnel, eventually, note};
use rustix::process::Signal;

const CURL: [&str; 3] = ["--silent", "--show-error", "--max-time"];

struct Secured {
    site: Site,
    authority: TestAuthority,
    files: CertificateFiles,
}

impl Secured {
    fn new() -> Self {
        Self::at(Site::new())
    }

    fn at(site: Site) -> Self {
        let authority = TestAuthority::new(&site.path(""));
        let files = authority.issue(&site.path(""), "relay");
        Self { site, authority, files }
    }

    fn relay(&self, options: &[&str]) -> Relay {
        self.site.relay(&[&self.files.options(), options].concat())
    }

    /// Returns the relay as viewers without TLS reach it through a tunnel.
    fn tunnelled(&self, relay: &Relay) -> Relay {
        let tunnel = TlsTunnel::to(relay.address(), &self.authority.certificate);
        relay.through(tunnel.address())
    }

    fn curl(&self, relay: &Relay, path: &str, more: &[&str]) -> String {
        let url = format!("https://localhost:{}{path}", relay.address().port());
        let authority = self.authority.certificate.to_str().expect("ASCII");
        let arguments = [&CURL[..], &["30", "--cacert", authority], more, &[&url]].concat();
        run("curl", tool("curl", &arguments))
    }
}

#[test]
fn viewers_on_all_transports_watch_over_tls() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let relay = secured.relay(&[]);
    relay.wait_for("cam");
    let tunnelled = secured.tunnelled(&relay);
    let mut v1 = tunnelled.viewer_with("cam", r#""ack":true"#);
    let (mut plain, mut mjpeg) = (tunnelled.plain_viewer("cam"), tunnelled.mjpeg("cam"));
    for _ in 0..30 {
        let frame = v1.frame();
        v1.acknowledge(&frame);
        plain.timecode();
        mjpeg.part().timecode();
    }
    let snapshot = tunnelled.get("/streams/cam/snapshot");
    assert_eq!((snapshot.status, &snapshot.body[..2]), (200, &[0xff, 0xd8][..]));
    // The relay's closing handshake passes as well.
    let waiting = std::thread::spawn(move || plain.socket().closing());
    relay.stop();
    assert_eq!(waiting.join().expect("a close message").0, 1001);
}

#[test]
fn curl_and_python_read_from_a_relay_with_tls_1_2_and_1_3() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let relay = secured.relay(&[]);
    relay.wait_for("cam");
    let list = secured.curl(&relay, "/api/streams", &[]);
    assert!(list.contains("\"cam\""), "{list}");
    for versions in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let page = secured.curl(&relay, "/", versions);
        assert!(page.contains("<html"), "{page}");
    }
    let program = "import ssl, socket, sys\n\
        port, authority, version = sys.argv[1:]\n\
        context = ssl.create_default_context(cafile=authority)\n\
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]\n\
        plain = socket.create_connection(('127.0.0.1', int(port)), 30)\n\
        tls = context.wrap_socket(plain, server_hostname='localhost', suppress_ragged_eofs=False)\n\
        tls.sendall(b'GET /streams/cam/snapshot HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')\n\
        answer = b''\n\
        while part := tls.recv(65536): answer += part\n\
        print(tls.version(), answer[:15].decode(), answer[-2:].hex())";
    let port = relay.address().port().to_string();
    let authority = secured.authority.certificate.to_str().expect("ASCII");
    for (version, name) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
        // Without a close_notify at the end, Python raises an error.
        let said = python("python3", program, &[&port, authority, version]);
        assert_eq!(said.trim(), format!("{name} HTTP/1.1 200 OK ffd9"));
    }
}

#[test]
fn a_slow_viewer_over_tls_gets_newer_frames_and_does_not_delay_others() {
    let secured = Secured::at(Site::alone());
    secured.site.synthetic_camera("cam", &["--bytes", "60000"]);
    let relay = secured.relay(&[]);
    relay.wait_for("cam");
    // 400 kB a second sustain 6.6 of 30 frames a second.
    let narrow = Narrow::to(relay.address().port(), 400_000);
    let address = ([127, 0, 0, 1], narrow.port()).into();
    let tunnel = TlsTunnel::to(address, &secured.authority.certificate);
    let mut slow = relay.through(tunnel.address()).viewer("cam");
    let mut fast = secured.tunnelled(&relay).viewer("cam");
    let reading = std::thread::spawn(move || {
        let sequences: Vec<u64> = (0..150).map(|_| fast.frame().sequence).collect();
        sequences[149] - sequences[0] - 149
    });
    let (mut ages, mut sequences) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let frame = slow.frame();
        ages.push(now().since(frame.captured_at));
        sequences.push(frame.sequence);
    }
    let missed = sequences[39] - sequences[0] - 39;
    ages.sort_unstable();
    note(format!("slow viewer over TLS: {missed} frames missed of 40, oldest {:?}", ages[39]));
    assert!(missed > 40, "it misses most frames: {sequences:?}");
    let missed_by_fast = reading.join().expect("no panic");
    assert!(missed_by_fast < 20, "the other viewer missed {missed_by_fast} of 150 frames");
}

#[test]
fn other_bytes_and_half_handshakes_harm_nobody() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let relay = secured.relay(&["--log-level", "debug"]);
    relay.wait_for("cam");
    // Some of a handshake, and then nothing: the relay waits 10 s for each of them.
    let half: Vec<TcpStream> = (0..32)
        .map(|number| {
            let mut stream = relay.connect();
            let begun = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
            stream.write_all(&begun[..1 + number % begun.len()]).expect("it is connected");
            stream
        })
        .collect();
    let mut viewer = secured.tunnelled(&relay).viewer("cam");
    viewer.frames(10);
    for garbage in
        [&b"\x16\x03\x01\x00\x05hello"[..], b"\x00\x00\x00", b"\xff\xfe", b"\x80\x2e\x01\x03\x01"]
    {
        let mut stream = relay.connect();
        stream.write_all(garbage).expect("it is connected");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer[0] == 0x15 || answer.starts_with(b"HTTP/1.1 400"),
            "{answer:?}"
        );
    }
    let begun = Instant::now();
    for mut stream in half {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(begun.elapsed() < PATIENCE, "each is closed after 10 s");
    }
    viewer.frames(10);
    assert!(relay.program().log().contains("connection not opened"), "at debug");
}

#[test]
fn plain_requests_from_this_machine_are_answered_on_the_same_port() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let relay = secured.relay(&[]);
    relay.plain_viewer("cam").picture();
    assert_eq!(relay.get("/healthz").status, 200);
    let own = format!("https://{}", relay.address());
    assert!(relay.open_websocket("/ws", &[V1, ("origin", &own)]).is_ok());
}

/// Requests from another machine come from another network namespace.
#[test]
fn plain_requests_from_other_machines_are_redirected_or_refused() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let Some(link) =
        fanlight_tests::Link::with_rate(100_000, std::time::Duration::from_millis(100))
    else {
        return;
    };
    let strict =
        link.relay_with(&secured.site, &[&secured.files.options()[..], &["--insecure"]].concat());
    let page = [("accept", "text/html,*/*")];
    let host = strict.address().to_string();
    link.across(|| {
        let redirected = strict.get_with("/?stream=cam", &page);
        assert_eq!(redirected.status, 307);
        assert_eq!(redirected.header("location"), format!("https://{host}/?stream=cam"));
        let navigation = strict.get_with("/", &[("sec-fetch-mode", "navigate")]);
        assert_eq!(navigation.status, 307);
        for path in ["/", "/streams/cam/snapshot", "/streams/cam/mjpeg", "/api/streams"] {
            let refused = strict.get(path);
            assert_eq!(refused.status, 403, "{path}");
            assert!(refused.text().contains("--allow-plain"), "{}", refused.text());
        }
        assert_eq!(strict.open_websocket("/ws", &[V1]).unwrap_err().status, 403);
        assert_eq!(strict.get_with("/", &[("host", "evil.example"), page[0]]).status, 421);
    });
    let options = [&secured.files.options()[..], &["--insecure", "--allow-plain"]].concat();
    let open = link.relay_with(&secured.site, &options);
    link.across(|| {
        open.wait_for("cam");
        assert_eq!(open.get_with("/", &page).status, 200);
        assert_eq!(open.get("/streams/cam/snapshot").status, 200);
    });
}

#[test]
fn keys_in_all_usual_forms_are_read() {
    let secured = Secured::new();
    let path = |name: &str| secured.site.path(name).to_str().expect("ASCII").to_owned();
    let openssl = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        feed_with_stderr("openssl", tool("openssl", &arguments), std::iter::empty());
    };
    let new = "-nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    openssl(&format!(
        "req -x509 -newkey rsa:2048 {new} -keyout {} -out {}",
        path("rsa.key"),
        path("rsa.crt")
    ));
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
    openssl(&format!("req -x509 {curve} {new} -keyout {} -out {}", path("ec.key"), path("ec.crt")));
    for kind in ["rsa", "ec"] {
        let traditional = path(&format!("{kind}-traditional.key"));
        openssl(&format!(
            "pkey -traditional -in {} -out {traditional}",
            path(&format!("{kind}.key"))
        ));
        let head = fs::read_to_string(&traditional).expect("openssl made it");
        assert!(!head.contains("BEGIN PRIVATE KEY"), "{head}");
        for key in [path(&format!("{kind}.key")), traditional] {
            let certificate = path(&format!("{kind}.crt"));
            let relay = secured.site.relay(&["--tls-cert", &certificate, "--tls-key", &key]);
            let url = format!("https://localhost:{}/healthz", relay.address().port());
            let arguments = [&CURL[..], &["30", "--cacert", &certificate, &url]].concat();
            assert_eq!(run("curl", tool("curl", &arguments)), "ok\n", "{key}");
        }
    }
}

#[test]
fn unusable_certificates_are_refused_with_the_file_and_the_reason() {
    let secured = Secured::new();
    let other = secured.authority.issue(&secured.site.path(""), "other");
    let text = |path: &std::path::Path| path.to_str().expect("ASCII").to_owned();
    let empty = text(&secured.site.path("empty.pem"));
    fs::write(&empty, "nothing\n").expect("the folder of the test");
    let (certificate, key) = (text(&secured.files.certificate), text(&secured.files.key));
    for (certificate, key, named, reason) in [
        (&certificate, &text(&other.key), "other.key", "not the key of the certificate"),
        (&certificate, &certificate, "relay.crt", "no private key"),
        (&key, &key, "relay.key", "no certificate"),
        (&empty, &key, "empty.pem", "no certificate"),
        (&"/nowhere.pem".to_owned(), &key, "/nowhere.pem", "No such file"),
    ] {
        let refused = secured.site.run(RELAY, &["--tls-cert", certificate, "--tls-key", key]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(
            refused.stderr.contains(named) && refused.stderr.contains(reason),
            "{}",
            refused.stderr
        );
    }
}

/// Returns the certificate that the relay presents to a new connection.
fn presented(relay: &Relay) -> String {
    let address = relay.address().to_string();
    let arguments = ["s_client", "-connect", &address, "-servername", "localhost"];
    let said = feed_with_stderr("openssl", tool("openssl", &arguments), std::iter::empty()).0;
    let said = String::from_utf8_lossy(&said).into_owned();
    let begin = said.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
    let end = said.find("-----END CERTIFICATE-----").expect("a whole certificate");
    said[begin..end].to_owned()
}

#[test]
fn a_new_certificate_is_presented_without_dropping_viewers() {
    let secured = Secured::new();
    secured.site.camera("cam");
    let relay = secured.relay(&[]);
    relay.wait_for("cam");
    let mut viewer = secured.tunnelled(&relay).viewer("cam");
    viewer.frame();
    let before = presented(&relay);
    // A key that does not match is reported, and the old certificate stays.
    let good = fs::read(&secured.files.key).expect("made above");
    let other = secured.authority.issue(&secured.site.path(""), "other");
    fs::copy(&other.key, &secured.files.key).expect("the folder of the test");
    relay.program().says("certificate unchanged");
    assert!(relay.program().log().contains("not the key of the certificate"));
    assert_eq!(presented(&relay), before);
    fs::write(&secured.files.key, good).expect("the folder of the test");
    secured.authority.issue(&secured.site.path(""), "relay");
    let after = eventually("another certificate is presented", || {
        let after = presented(&relay);
        (after != before).then_some(after)
    });
    assert!(secured.curl(&relay, "/healthz", &[]).contains("ok"));
    // SIGHUP reloads as well.
    secured.authority.issue(&secured.site.path(""), "relay");
    relay.program().signal(Signal::HUP);
    eventually("a third certificate is presented", || (presented(&relay) != after).then_some(()));
    viewer.frames(10);
    assert_eq!(relay.closed("v1", "left"), 0);
}
