//! Publishers that send something else, too much, or nothing. The relay's memory stays bounded, and a viewer of another stream
//! is not affected.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fanlight_tests::pusher::{jpeg, open};
use fanlight_tests::viewer::missing;
use fanlight_tests::{Bystander, Pusher, Relay, Site, eventually};

/// Frames that the bystander watches during an attack.
const SOME: u64 = 60;
/// The memory that an attack may cost, in bytes: some frames of the largest size.
const MEMORY: u64 = 160 * 1024 * 1024;

/// A relay with a camera that a bystander watches.
struct Scene {
    relay: Relay,
    bystander: Bystander,
    memory: u64,
    _site: Site,
}

impl Scene {
    fn new(options: &[&str]) -> Self {
        let site = Site::alone();
        site.camera("cam");
        let relay = site.relay(options);
        let bystander = Bystander::from(relay.viewer("cam"));
        bystander.wait_for(10);
        let memory = memory(&relay);
        Self { relay, bystander, memory, _site: site }
    }

    /// Asserts that the bystander gets four of five of the next frames, because the attackers use the same cores as the relay, and
    /// that the relay's memory has not grown much.
    fn assert_unharmed(&self) {
        let before = self.bystander.seen().len();
        self.bystander.wait_for_more(SOME);
        let numbers: Vec<u64> =
            self.bystander.seen()[before..].iter().map(|seen| seen.sequence).collect();
        assert!(missing(&numbers) <= SOME / 5, "{numbers:?}");
        let grown = memory(&self.relay).saturating_sub(self.memory);
        assert!(grown < MEMORY, "the relay has grown by {grown} bytes");
    }

    fn refused(&self, reason: &str) -> u64 {
        self.relay.metric(&format!("fanlight_ingest_refused_total{{reason=\"{reason}\"}}"))
    }
}

/// Returns the resident memory of a relay, in bytes.
fn memory(relay: &Relay) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.program().pid()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kilobytes * 1024
}

/// Encodes the header of a masked frame whose mask is zero.
fn header(fin: bool, opcode: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![u8::from(fin) << 7 | opcode, 0x80 | 127];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes
}

/// Begins a body of HTTP without an end.
fn begin_body(relay: &Relay, stream: &str) -> TcpStream {
    let mut connection = relay.connect();
    let request = format!(
        "POST /streams/{stream}/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Writes until the relay closes the connection or reads no more.
fn flood(connection: &mut TcpStream, bytes: &[u8]) {
    connection.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    while connection.write_all(bytes).is_ok() {}
}

fn read_status(mut connection: TcpStream) -> String {
    let mut all = String::new();
    let _ = connection.read_to_string(&mut all);
    all.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn messages_of_another_type_end_a_publisher() {
    let scene = Scene::new(&[]);
    let mut socket = open(&scene.relay, "bad", "").unwrap();
    let mut sent = 0;
    while sent < 1000 && socket.send_binary(b"\x89PNG\r\n\x1a\n") {
        sent += 1;
    }
    let (code, reason) = socket.closing();
    assert_eq!(code, 1003, "{reason}");
    assert!(reason.contains("JPEG"), "{reason}");
    assert_eq!(scene.refused("invalid"), 10);
    // A bad message among good ones is forgiven.
    let mut socket = open(&scene.relay, "good", "").unwrap();
    for number in 0..20 {
        assert!(socket.send_binary(&jpeg(number)) && socket.send_binary(b"{}"));
    }
    scene.relay.wait_for("good");
    eventually("all are refused", || (scene.refused("invalid") == 30).then_some(()));
    assert!(socket.send_binary(&jpeg(20)));
    eventually("it continues", || {
        let frames = scene.relay.metric("fanlight_ingested_frames_total{transport=\"ws\"}");
        (frames == 21).then_some(())
    });
    scene.assert_unharmed();
}

#[test]
fn a_giant_message_is_refused_by_its_header_and_an_endless_one_at_its_limit() {
    let scene = Scene::new(&[]);
    let mut giant = open(&scene.relay, "giant", "").unwrap();
    giant.raw().write_all(&header(true, 2, 1 << 40)).unwrap();
    assert_eq!(giant.closing().0, 1009);
    let mut endless = open(&scene.relay, "endless", "").unwrap();
    let fragment = [header(false, 0, 65_536), vec![7; 65_536]].concat();
    endless.raw().write_all(&[header(false, 2, 4), vec![0xff, 0xd8, 0xff, 0xe0]].concat()).unwrap();
    for _ in 0..1000 {
        if endless.raw().write_all(&fragment).is_err() {
            break;
        }
    }
    eventually("it is closed", || {
        let of = "transport=\"ws\",reason=\"refused\"";
        let ended = scene.relay.metric(&format!("fanlight_publishers_ended_total{{{of}}}"));
        (ended == 2).then_some(())
    });
    scene.assert_unharmed();
}

#[test]
fn an_endless_part_is_given_up_at_its_limit() {
    let scene = Scene::new(&[]);
    let mut part = begin_body(&scene.relay, "part");
    let mut reading = part.try_clone().unwrap();
    part.write_all(&chunk(&[0xff, 0xd8, 0xff, 0xda, 0, 2])).unwrap();
    flood(&mut part, &chunk(&[7; 65_536]));
    drop(part);
    let mut all = String::new();
    let _ = reading.read_to_string(&mut all);
    eventually("it is given up", || {
        let of = "transport=\"body\",reason=\"refused\"";
        let ended = scene.relay.metric(&format!("fanlight_publishers_ended_total{{{of}}}"));
        (ended == 1).then_some(())
    });
    // Bytes that are no picture at all.
    let mut text = begin_body(&scene.relay, "text");
    let reading = text.try_clone().unwrap();
    flood(&mut text, &chunk(&[b'x'; 65_536]));
    let status = read_status(reading);
    assert!(["400", ""].contains(&status.as_str()), "{status}");
    scene.assert_unharmed();
}

#[test]
fn a_thousand_frames_a_second_are_refused_and_end_a_publisher() {
    let scene = Scene::new(&[]);
    let mut socket = open(&scene.relay, "fast", "").unwrap();
    let picture = jpeg(1);
    let begun = Instant::now();
    let mut sent = 0u32;
    while socket.send_binary(&picture) && begun.elapsed() < Duration::from_secs(20) {
        sent += 1;
        let next = begun + Duration::from_millis(1) * sent;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let (code, reason) = socket.closing();
    assert!(code == 1008 && reason.contains("--max-ingest-fps"), "{code} {reason}");
    assert!(scene.refused("fps") > 50);
    scene.assert_unharmed();
}

#[test]
fn more_bits_than_allowed_are_refused_and_end_a_publisher() {
    let scene = Scene::new(&["--max-ingest", "40000000", "--max-ingest-fps", "1000"]);
    let mut socket = open(&scene.relay, "wide", "").unwrap();
    // Some frames of 200 kB are within the limit, which has room for one of the largest size.
    let large = [jpeg(1), vec![0; 200_000]].concat();
    let begun = Instant::now();
    while socket.send_binary(&large) && begun.elapsed() < Duration::from_secs(30) {}
    let (code, reason) = socket.closing();
    assert!(code == 1008 && reason.contains("--max-ingest"), "{code} {reason}");
    assert!(scene.refused("bitrate") > 50);
    scene.assert_unharmed();
}

#[test]
fn a_flood_of_texts_and_pings_is_read_slowly() {
    let scene = Scene::new(&[]);
    let mut socket = open(&scene.relay, "chatty", "").unwrap();
    assert!(socket.send_binary(&jpeg(1)));
    let mut writer = socket.raw().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let messages = b"\x81\x80\0\0\0\0\x89\x80\0\0\0\0".repeat(1000);
    let flood = std::thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(8) {
            let _ = writer.write_all(&messages);
        }
    });
    eventually("the flood is noticed", || {
        (scene.relay.metric("fanlight_floods_total{what=\"messages\"}") == 1).then_some(())
    });
    scene.assert_unharmed();
    assert!(scene.refused("text") > 1000);
    flood.join().unwrap();
}

#[test]
fn a_byte_a_second_holds_one_name_and_nothing_else() {
    let scene = Scene::new(&[]);
    let mut dribbling = open(&scene.relay, "dribble", "").unwrap();
    let picture = jpeg(1);
    dribbling.raw().write_all(&header(true, 2, picture.len() as u64)).unwrap();
    let begun = Instant::now();
    for byte in &picture[..8] {
        dribbling.raw().write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(begun.elapsed() > Duration::from_secs(7));
    assert_eq!(scene.relay.metric("fanlight_publishers{transport=\"ws\"}"), 1);
    dribbling.raw().write_all(&picture[8..]).unwrap();
    scene.relay.wait_for("dribble");
    scene.assert_unharmed();
}

#[test]
fn publishers_that_insist_do_not_alternate_without_end() {
    let scene = Scene::new(&[]);
    let _first = Pusher::start(&scene.relay, "war");
    let begun = Instant::now();
    let mut takeovers = 0;
    while begun.elapsed() < Duration::from_secs(6) {
        if let Ok(mut socket) = open(&scene.relay, "war", "?takeover=1") {
            takeovers += u32::from(socket.send_binary(&jpeg(1)));
        }
    }
    assert!(takeovers > 0);
    let replaced = "fanlight_publishers_ended_total{transport=\"ws\",reason=\"replaced\"}";
    assert!(scene.relay.metric(replaced) <= 2, "{takeovers} attempts");
    scene.assert_unharmed();
}

#[test]
fn the_number_of_publishers_is_limited() {
    let scene = Scene::new(&["--max-publishers", "3"]);
    let open = |stream: &str| open(&scene.relay, stream, "");
    let sockets = ["a", "b", "c"].map(|stream| open(stream).unwrap());
    let refused = open("d").unwrap_err();
    assert!(refused.status == 503 && refused.text.contains("--max-publishers"), "{refused:?}");
    drop(sockets);
    eventually("there is room", || open("d").ok().map(drop));
    scene.assert_unharmed();
}
