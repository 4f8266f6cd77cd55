//! Sources behind URLs. RTSP needs a server and is left to the end-to-end suite.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::StreamState;

use crate::harness::{capture, claimed_off, painted, stamp, viewer};

/// A camera that sends MJPEG over HTTP to whoever asks: the test picture, with or without the length before each part.
#[derive(Clone, Copy)]
struct MjpegCamera {
    mode: &'static str,
    lengths: bool,
}

impl MjpegCamera {
    /// Starts it; returns its URL.
    fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for connection in listener.incoming() {
                thread::spawn(move || self.serve(connection.unwrap()));
            }
        });
        format!("http://{address}/video")
    }

    /// Ends with an error when the other side does.
    fn serve(self, mut connection: TcpStream) -> std::io::Result<()> {
        skip_request(&connection)?;
        connection.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n",
        )?;
        for jpeg in painted(self.mode) {
            let length = match self.lengths {
                true => format!("Content-Length: {}\r\n", jpeg.len()),
                false => String::new(),
            };
            // The boundary comes with the part that it begins: nothing follows a part until the next.
            let head = format!("--next\r\nContent-Type: image/jpeg\r\n{length}\r\n");
            let part = [head.as_bytes(), &jpeg, b"\r\n"].concat();
            connection.write_all(&part)?;
        }
        Ok(())
    }
}

fn skip_request(connection: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    Ok(())
}

#[test]
fn mjpeg_over_http_is_as_old_as_it_says() {
    for (lengths, behind) in [(true, ""), (false, ""), (false, "#reencode=true")] {
        let camera = MjpegCamera { mode: "640x360@30", lengths };
        let capture = capture(&[&format!("cam={}{behind}", camera.start())]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let off = claimed_off(&viewer.frames("cam", 31));
        // The median: a busy machine may hold up a single picture on its way to us.
        assert!(off.abs() < 16_000, "lengths {lengths}: claimed age is off by {off} µs");
    }
}

#[test]
fn a_part_is_seen_when_it_ends_and_not_when_the_next_begins() {
    for lengths in [true, false] {
        let camera = MjpegCamera { mode: "640x360@1", lengths };
        let capture = capture(&[&format!("cam={}", camera.start())]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let (mut frames, mut ages) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let frame = viewer.frames("cam", 1).remove(0);
            ages.push(clock::now().micros_from(stamp(&frame).unwrap().time));
            frames.push(frame);
        }
        ages.sort_unstable();
        let off = claimed_off(&frames);
        assert!(off.abs() < 100_000, "lengths {lengths}: claimed age is off by {off} µs");
        assert!(ages[1] < 300_000, "lengths {lengths}: seen {ages:?} µs after it was taken");
    }
}

#[test]
fn who_answers_with_something_else_is_named_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = skip_request(&connection);
            let _ = connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let capture = capture(&[&format!("cam=http://admin:hunter2@{address}/video")]);
    let entry = viewer(&capture).until_offline("cam");
    assert_eq!(entry.source, format!("http://***:***@{address}/video"));
    assert_eq!(
        entry.reason,
        format!("not found: {address} answers, but has nothing at this path (404)")
    );
}

#[test]
fn a_host_that_says_nothing_does_not_hold_up_the_end() {
    // Connections are taken by the system, and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = [format!("a=http://{address}/"), format!("b=rtsp://{address}/"), "c=test".into()];
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let capture = capture(&streams);
    viewer(&capture).until("c", StreamState::Idle);
    assert!(listener.accept().is_ok(), "a source is waiting for an answer now");
    let took = capture.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
