//! Hosts and commands that send endless data while a source is opened or read. Each is stopped at a stated limit.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::harness::{SOON, capture, painted, viewer};

/// The limit of a packet, and of the bytes that FFmpeg reads until a source is open: two frames of 16 MiB.
const LIMIT: usize = 32 * 1024 * 1024;
/// The bytes that the kernel accepts from a sender beyond those that its receiver reads: the buffers of both sockets
/// have at most 6 and 4 MiB.
const SOCKET_BUFFERS: usize = 16 * 1024 * 1024;

/// The data that a host sends: `first` once, then `again` forever.
#[derive(Clone)]
struct Endless {
    scheme: &'static str,
    first: Vec<u8>,
    again: Vec<u8>,
}

/// Starts a host; returns its URL, and the number of bytes that each connection read.
fn start(endless: Endless) -> (String, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{}://{}/video", endless.scheme, listener.local_addr().unwrap());
    let (report, taken) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let bytes = serve(&connection.unwrap(), &endless);
            // A connection that only checks the availability sends no request.
            if bytes > 0 && report.send(bytes).is_err() {
                return;
            }
        }
    });
    (url, taken)
}

/// Sends until the client closes the connection; returns the number of bytes.
fn serve(connection: &TcpStream, endless: &Endless) -> usize {
    let mut request = BufReader::new(connection).lines();
    loop {
        match request.next() {
            Some(Ok(line)) if line.is_empty() => break,
            Some(Ok(_)) => {}
            _ => return 0,
        }
    }
    let again = endless.again.repeat(64 * 1024 / endless.again.len() + 1);
    let pieces = std::iter::once(&endless.first).chain(std::iter::repeat(&again));
    let (mut sent, mut to) = (0, connection);
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            match to.write(rest) {
                Ok(count) if count > 0 => (sent, rest) = (sent + count, &rest[count..]),
                _ => return sent,
            }
        }
    }
    unreachable!("the pieces do not end")
}

fn http(head: &str, first: &[u8], again: &[u8]) -> Endless {
    let first = [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n", first].concat();
    Endless { scheme: "http", first, again: again.to_vec() }
}

fn mjpeg(first: &[u8], again: &[u8]) -> Endless {
    http("Content-Type: multipart/x-mixed-replace; boundary=next\r\n", first, again)
}

/// Watches a source until it fails; returns the reason, and the most bytes that one of its first `connections` read.
fn failure(endless: Endless, connections: usize) -> (String, usize) {
    let (url, taken) = start(endless);
    let capture = capture(&[&format!("cam={url}")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let reason = viewer.until_offline("cam").reason;
    let taken = (0..connections).map(|_| taken.recv_timeout(SOON).expect("a connection ends"));
    (reason, taken.max().unwrap())
}

fn assert_stopped(name: &str, endless: Endless, limit: usize, expected: &str) {
    assert_all_stopped(name, endless, 1, limit, expected);
}

/// The content is not MJPEG, so FFmpeg reads it over a connection of its own.
fn assert_stopped_in_ffmpeg(name: &str, endless: Endless, limit: usize, expected: &str) {
    assert_all_stopped(name, endless, 2, limit, expected);
}

fn assert_all_stopped(
    name: &str,
    endless: Endless,
    connections: usize,
    limit: usize,
    expected: &str,
) {
    let (reason, bytes) = failure(endless, connections);
    assert!(reason.contains(expected), "{name}: {reason}");
    assert!(bytes < limit + SOCKET_BUFFERS, "{name}: {bytes} bytes were read: {reason}");
}

const JPEG_START: &[u8] = &[0xff, 0xd8, 0xff, 0xda, 0, 2];

#[test]
fn a_part_without_an_end_is_stopped() {
    let limit = "a JPEG exceeds the limit of 16777216 bytes";
    for head in ["", "Content-Length: 2000000000\r\n"] {
        let head = format!("--next\r\nContent-Type: image/jpeg\r\n{head}\r\n");
        let part = [head.as_bytes(), JPEG_START].concat();
        assert_stopped("a part", mjpeg(&part, &[0]), LIMIT, limit);
    }
    let limit = "no JPEG starts within";
    assert_stopped("headers of a part", mjpeg(b"--next\r\n", b"X-More: 1\r\n"), LIMIT, limit);
    assert_stopped("empty lines before the first part", mjpeg(b"\r\n", b"\r\n"), LIMIT, limit);
    let chunks = http("Transfer-Encoding: chunked\r\n", b"", b"1;more=1\r\n\n\r\n");
    assert_stopped_in_ffmpeg("chunks of empty lines", chunks, LIMIT, "not a video");
    let line = http("Content-Type: multipart/x\r\nTransfer-Encoding: chunked\r\n", b"", b"1");
    assert_stopped("the length of a chunk", line, LIMIT, "no valid length");
}

#[test]
fn endless_headers_are_stopped() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for line in ["X-More: 1\r\n", "Set-Cookie: a=b\r\n", "x"] {
        let endless = Endless { scheme: "http", first: head.clone(), again: line.into() };
        assert_stopped(line, endless, LIMIT / 2, "sent more than 64 KiB or 128 lines of headers");
    }
}

#[test]
fn other_endless_data_are_stopped_during_format_detection() {
    let text = http("Content-Type: text/plain\r\n", b"", b"no video\r\n");
    assert_stopped_in_ffmpeg("text", text, LIMIT, "not a video");
    let zeros = http("Content-Type: application/octet-stream\r\n", b"", &[0; 1000]);
    assert_stopped_in_ffmpeg("zeros", zeros, LIMIT, "not a video");
    let film =
        [&[0, 0, 0, 0x14][..], b"ftypisom\0\0\x02\0isom", &[0x7f, 0xff, 0xff, 0], b"mdat"].concat();
    assert_stopped_in_ffmpeg(
        "a film",
        http("Content-Type: video/mp4\r\n", &film, &[0; 1000]),
        LIMIT,
        "32 MiB",
    );
    // The lines are long: FFmpeg would need seconds for a million short ones, and opening has ten.
    let segment = format!("#EXTINF:1,\nhttp://127.0.0.1:9/{}.ts\n", "a".repeat(1000));
    let list = http(
        "Content-Type: application/vnd.apple.mpegurl\r\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n",
        segment.as_bytes(),
    );
    assert_stopped_in_ffmpeg("a playlist", list, LIMIT, "32 MiB");
}

#[test]
fn a_part_without_an_end_is_stopped_after_complete_ones() {
    let mut pictures = painted("320x180@30");
    let mut part = || {
        let jpeg = pictures.next().unwrap();
        let head = format!("--next\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        [head.as_bytes(), &jpeg, b"\r\n"].concat()
    };
    let whole = [part(), part(), part(), b"--next\r\n\r\n".to_vec(), JPEG_START.to_vec()].concat();
    let (reason, bytes) = failure(mjpeg(&whole, &[0]), 1);
    assert!(reason.contains("limit of 16777216 bytes"), "{reason}");
    assert!(bytes < LIMIT + SOCKET_BUFFERS, "{bytes} bytes were read");
}

#[test]
fn a_description_of_two_gigabytes_is_not_read() {
    let first = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n";
    let endless = Endless { scheme: "rtsp", first: first.to_vec(), again: b"a=x\r\n".to_vec() };
    // FFmpeg does not report that it was denied memory.
    assert_stopped_in_ffmpeg("a description", endless, LIMIT, "refused: 127.0.0.1");
}

#[test]
fn a_response_over_rtsp_without_an_end_is_stopped() {
    let response = |headers: &str, again: &str| {
        let first = format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\n{headers}").into_bytes();
        Endless { scheme: "rtsp", first, again: again.into() }
    };
    let description = "Content-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n";
    for (name, endless) in [
        ("a description", response(description, "a=x\r\n")),
        ("headers", response("", "X-More: 1\r\n")),
        ("a header", response("X-More: ", "x")),
    ] {
        // FFmpeg reads the second connection, with a limit on its memory.
        assert_stopped(name, endless, LIMIT, "127.0.0.1");
    }
}

#[test]
fn a_command_that_writes_endless_data_is_stopped() {
    for (command, expected) in [
        (
            "printf '\\377\\330\\377\\332\\0\\2'; cat /dev/zero",
            "a JPEG exceeds the limit of 16777216 bytes",
        ),
        ("printf -- '--next\\r\\n'; yes", "no JPEG starts within"),
        ("printf '\\0\\0\\0\\1\\147'; yes", "access unit exceeds the limit of 16777216 bytes"),
    ] {
        let capture = capture(&[&format!("cam=exec:{command}")]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let reason = viewer.until_offline("cam").reason;
        assert!(reason.contains(expected), "{command}: {reason}");
    }
}
