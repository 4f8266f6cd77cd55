//! URLs as sources. RTSP needs a server, so the end-to-end suite tests it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::StreamState;

use crate::harness::{capture, claimed_off, painted, timecode, viewer};

/// A camera that sends the test picture as MJPEG over HTTP, with or without the length of each part.
#[derive(Clone, Copy)]
struct MjpegCamera {
    mode: &'static str,
    lengths: bool,
}

impl MjpegCamera {
    /// Starts the camera; returns its URL.
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

    /// Serves a connection until the client closes it, which is an error.
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
            // The boundary is sent with the part that it starts: nothing follows a part until the next one.
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
fn mjpeg_over_http_has_true_capture_times() {
    for (lengths, options) in [(true, ""), (false, ""), (false, "#reencode=true")] {
        let camera = MjpegCamera { mode: "640x360@30", lengths };
        let capture = capture(&[&format!("cam={}{options}", camera.start())]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let off = claimed_off(&viewer.frames("cam", 31));
        // The median, because a busy machine may delay a single frame.
        assert!(off.abs() < 16_000, "lengths {lengths}: the frame age is off by {off} µs");
    }
}

#[test]
fn a_part_is_delivered_when_it_ends_and_not_when_the_next_starts() {
    for lengths in [true, false] {
        let camera = MjpegCamera { mode: "640x360@1", lengths };
        let capture = capture(&[&format!("cam={}", camera.start())]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let (mut frames, mut ages) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let frame = viewer.frames("cam", 1).remove(0);
            ages.push(clock::now().micros_from(timecode(&frame).unwrap().time));
            frames.push(frame);
        }
        ages.sort_unstable();
        let off = claimed_off(&frames);
        assert!(off.abs() < 100_000, "lengths {lengths}: the frame age is off by {off} µs");
        assert!(ages[1] < 300_000, "lengths {lengths}: delivered {ages:?} µs after capture");
    }
}

#[test]
fn a_host_that_sends_an_error_is_named_without_the_password() {
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
        format!("not found: {address} has nothing at this path (404): check the URL")
    );
}

#[test]
fn a_silent_host_does_not_delay_the_shutdown() {
    // The kernel accepts connections, and they are never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = [format!("a=http://{address}/"), format!("b=rtsp://{address}/"), "c=test".into()];
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let capture = capture(&streams);
    viewer(&capture).until("c", StreamState::Idle);
    assert!(listener.accept().is_ok(), "a source waits for a response now");
    let took = capture.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
