//! Sources behind URLs. RTSP needs a server and is left to the end-to-end suite.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use fanlight_capture::encode::jpeg::{JpegEncoder, Quality};
use fanlight_capture::hand_over::Buffers;
use fanlight_capture::picture::{Picture, Taken};
use fanlight_capture::source::Source;
use fanlight_capture::source::test_picture::TestPicture;
use fanlight_program::stop::Shutdown;
use fanlight_protocol::StreamState;

use crate::harness::{capture, stamp, viewer};

/// A camera that sends MJPEG over HTTP: the test picture at 30 frames a second, to whoever asks.
fn mjpeg_camera() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || serve(connection.unwrap()));
        }
    });
    format!("http://{address}/video")
}

/// Ends with an error when the other side does.
fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    skip_request(&connection)?;
    connection.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n--next\r\n",
    )?;
    let mode = "640x360@30".parse().unwrap();
    let mut camera = TestPicture::new(&"camera".parse().unwrap(), mode, Shutdown::new()).unwrap();
    let mut encoder = JpegEncoder::new(Quality::default());
    loop {
        let captured_at = camera.grab().unwrap().unwrap().captured_at;
        let Picture::Pixels(pixels) = camera.retrieve(&Buffers::default()).unwrap() else {
            panic!("a test picture is painted");
        };
        let taken = Taken { captured_at, read_at: captured_at };
        let jpeg = encoder.encode(&pixels, taken).unwrap().payload;
        let head = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        let part = [head.as_bytes(), &jpeg, b"\r\n--next\r\n"].concat();
        connection.write_all(&part)?;
    }
}

fn skip_request(connection: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    Ok(())
}

#[test]
fn mjpeg_over_http_is_as_old_as_it_says() {
    let capture = capture(&[&format!("cam={}", mjpeg_camera())]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let frames = viewer.frames("cam", 31);
    let mut off: Vec<i64> = frames
        .iter()
        .map(|frame| frame.captured_at.micros_from(stamp(frame).unwrap().time))
        .collect();
    off.sort_unstable();
    // The median: a busy machine may hold up a single picture on its way to us.
    assert!(off[15].abs() < 33_000, "claimed age is off by {} µs", off[15]);
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
