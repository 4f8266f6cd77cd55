//! Failures are reported with the right exit code.

use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType};

use super::program::{bench, short};
use super::server::{message, serve};

#[test]
fn an_unreachable_server_is_reported() {
    // Bound and not listening: no other program takes the port, and no server answers.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    let port = bound.port();
    let ran = short(&format!("ws://127.0.0.1:{port}/ws"), &["--stream", "cam", "--viewers", "3"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("3 of 3 viewers were refused"), "{ran:?}");
    assert!(ran.stderr.contains("nothing listens there"), "{ran:?}");
    assert_eq!(ran.number("/refused/count"), 3);
}

#[test]
fn a_refusal_is_reported_in_the_servers_words() {
    let server = serve(true, |_, guest| {
        guest.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n")?;
        guest.send("no token\n")
    });
    let ran = short(&server.url("http", "/mjpeg"), &["--viewers", "2"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("the server answered 403 Forbidden: no token"), "{ran:?}");
}

#[test]
fn an_answer_that_is_no_mjpeg_is_refused() {
    let server = serve(true, |_, guest| {
        guest.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
    });
    let ran = short(&server.url("http", "/"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("text/html"), "{ran:?}");
}

#[test]
fn an_unknown_stream_is_reported_in_the_relays_words() {
    let server = serve(true, |_, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.message()?;
        let error = r#"{"type":"error","id":1,"code":"unknown-stream","message":"only: desk"}"#;
        guest.send(message(1, error.as_bytes()))?;
        guest.wait_for_its_end();
        Ok(())
    });
    // It exits immediately, because no viewer is left.
    let url = server.url("ws", "/ws");
    let ran = bench(&[&url, "--stream", "cam", "--seconds", "600", "--warm-up", "600", "--json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("unknown-stream: only: desk"), "{ran:?}");
    assert_eq!(ran.number("/errors/count"), 1);
}

#[test]
fn a_server_that_closes_without_a_frame_is_a_failure_with_its_reason() {
    let server = serve(true, |_, guest| {
        guest.upgrade(None)?;
        guest.send(message(8, b"\x03\xf5too many"))?;
        guest.wait_for_its_end();
        Ok(())
    });
    let ran = short(&server.url("ws", "/any"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no viewer ever got a frame"), "{ran:?}");
    assert!(ran.stderr.contains("code 1013: too many"), "{ran:?}");
    assert_eq!(ran.number("/closed/count"), 1);
}

#[test]
fn invalid_options_exit_with_2_before_anything_starts() {
    for (args, words) in [
        (&["ftp://h/ws"][..], "ftp:// is not supported"),
        (&["ws://h/ws", "--insecure"], "are for TLS"),
        (&["ws://h/ws", "--viewers", "0"], "--viewers 0: 1 to 100000"),
        (&["ws://h/ws", "--no-such"], "--no-such"),
        (&["ws://h/ws", "--ack"], "--ack is for fanlight.v1"),
        (&[], "URL"),
    ] {
        let ran = bench(args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(words) && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_missing_process_is_reported() {
    let ran = short("ws://127.0.0.1:1/ws", &["--pid", "2147483647"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--pid 2147483647"), "{ran:?}");
}
