//! Floods: of messages, of TLS handshakes and of wrong tokens. They are slowed down and counted, and other viewers do not
//! notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fanlight_tests::tls::{TestAuthority, client_hello};
use fanlight_tests::viewer::missing;
use fanlight_tests::{Bystander, Link, Relay, Site, TlsTunnel, eventually};

const TOKEN: &str = "sesame-of-the-lab";
/// Frames that the bystander watches during a flood: three seconds.
const SOME: u64 = 90;
/// The number of frames that it may miss because the machine paused: the flood's clients use the same cores as the relay. With
/// one frame per message of a flood, it would miss nearly all.
const STUMBLE: u64 = 20;

/// Asserts that a bystander gets the next frames.
fn assert_unharmed(bystander: &Bystander) {
    let before = bystander.seen().len();
    bystander.wait_for_more(SOME);
    let sequences: Vec<u64> = bystander.seen()[before..].iter().map(|seen| seen.sequence).collect();
    assert!(missing(&sequences) < STUMBLE, "{sequences:?}");
}

fn floods(relay: &Relay, what: &str) -> u64 {
    relay.metric(&format!("fanlight_floods_total{{what=\"{what}\"}}"))
}

#[test]
fn a_client_that_floods_the_relay_with_messages_is_read_slowly_and_still_served() {
    let site = Site::alone();
    site.camera("cam");
    // All share one thread.
    let relay = site.relay(&["--threads", "1"]);
    let bystander = Bystander::from(relay.viewer("cam"));
    let mut flooding = relay.plain_viewer("cam");
    let mut writer = flooding.socket().raw().try_clone().expect("a second handle");
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = thread::spawn({
        let is_over = is_over.clone();
        // Empty texts, masked with zeros, and as many pings.
        let messages = b"\x81\x80\0\0\0\0\x89\x80\0\0\0\0".repeat(1000);
        move || while !is_over.load(Ordering::Relaxed) && writer.write_all(&messages).is_ok() {}
    });
    eventually("the flood is noticed", || (floods(&relay, "messages") == 1).then_some(()));
    assert_unharmed(&bystander);
    for _ in 0..10 {
        flooding.picture();
    }
    assert_eq!(floods(&relay, "messages"), 1, "one client floods");
    is_over.store(true, Ordering::Relaxed);
    flooding.socket().raw().shutdown(std::net::Shutdown::Both).expect("it is connected");
    flood.join().expect("the flood ends");
}

/// Begins a handshake, and leaves when the server has done its part.
fn begin_handshake(server: SocketAddr, hello: &[u8]) {
    let mut stream = TcpStream::connect(server).expect("the relay listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream.write_all(hello).expect("it is connected");
    let _ = stream.read(&mut [0; 16]);
}

#[test]
fn a_flood_of_handshakes_waits_and_present_viewers_do_not() {
    let site = Site::alone();
    site.camera("cam");
    let authority = TestAuthority::new(&site.path(""));
    let files = authority.issue(&site.path(""), "relay");
    let relay = site.relay(&files.options());
    let tunnel = TlsTunnel::to(relay.address(), &authority.certificate);
    let tunnelled = relay.through(tunnel.address());
    let bystander = Bystander::from(tunnelled.viewer("cam"));
    let hello = client_hello(&authority.certificate);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| begin_handshake(relay.address(), &hello)));
        }
        let is_noticed = || (floods(&tunnelled, "handshakes") > 0).then_some(());
        eventually("the flood is noticed", is_noticed);
        assert_unharmed(&bystander);
    });
    // A new viewer is served when the flood is over.
    tunnelled.viewer("cam").frame();
}

#[test]
fn an_address_that_guesses_on_is_refused_without_a_check_and_others_are_not() {
    let Some(link) = Link::with_rate(100_000, Duration::from_millis(50)) else { return };
    let site = Site::alone();
    let relay = link.relay_with(&site, &["--token", TOKEN]);
    let relay = &relay;
    let status = move |token: &str| relay.get(&format!("/api/streams?token={token}")).status;
    let is_over = &AtomicBool::new(false);
    let guess = || while !is_over.load(Ordering::Relaxed) && status("sesame-of-the-lap") == 401 {};
    link.across(|| {
        let refused = thread::scope(|scope| {
            (0..40).for_each(|_| drop(scope.spawn(guess)));
            let refused = eventually("the right token is refused, too", || {
                let answer = relay.get(&format!("/api/streams?token={TOKEN}"));
                (answer.status == 429).then_some(answer)
            });
            is_over.store(true, Ordering::Relaxed);
            refused
        });
        assert!(!refused.header("retry-after").is_empty());
        assert!(refused.text().contains("too many wrong tokens"), "{refused:?}");
        assert_eq!(relay.get("/").status, 200, "a request without a token is answered");
        assert_eq!(relay.get("/healthz?a=b").status, 200, "another query is no token");
    });
    assert_eq!(link.beside(|| status(TOKEN)), 200);
    link.across(|| eventually("it may try again", || (status(TOKEN) == 200).then_some(())));
}
