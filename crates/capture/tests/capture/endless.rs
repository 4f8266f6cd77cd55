//! Hosts and commands that send without end while a source is opened or read. Each is stopped at a stated limit.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::harness::{SOON, capture, painted, viewer};

/// The limit of a packet, and of what is read until a source is open: two frames of 16 MiB.
const LIMIT: usize = 32 * 1024 * 1024;
/// What the kernel takes from a sender beyond what its receiver reads: the buffers of both sockets, 6 and 4 MiB at most.
const IN_THE_KERNEL: usize = 16 * 1024 * 1024;

/// What a host sends: this once, and then this for ever.
#[derive(Clone)]
struct Endless {
    scheme: &'static str,
    first: Vec<u8>,
    again: Vec<u8>,
}

/// Starts a host; returns its URL, and the number of bytes that each connection took from it.
fn start(endless: Endless) -> (String, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{}://{}/video", endless.scheme, listener.local_addr().unwrap());
    let (say, taken) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let bytes = serve(&connection.unwrap(), &endless);
            // A connection that only looks whether somebody listens asks for nothing.
            if bytes > 0 && say.send(bytes).is_err() {
                return;
            }
        }
    });
    (url, taken)
}

/// Sends until the other side ends; returns how much that was.
fn serve(connection: &TcpStream, endless: &Endless) -> usize {
    let mut asked = BufReader::new(connection).lines();
    loop {
        match asked.next() {
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

/// Watches a source until it fails; returns why, and how many bytes the first connection took.
fn failure(endless: Endless) -> (String, usize) {
    let (url, taken) = start(endless);
    let capture = capture(&[&format!("cam={url}")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let reason = viewer.until_offline("cam").reason;
    (reason, taken.recv_timeout(SOON).expect("a connection ends"))
}

fn is_stopped(what: &str, endless: Endless, limit: usize, reason: &str) {
    let (why, bytes) = failure(endless);
    assert!(why.contains(reason), "{what}: {why}");
    assert!(bytes < limit + IN_THE_KERNEL, "{what}: {bytes} bytes were taken: {why}");
}

const JPEG_BEGINS: &[u8] = &[0xff, 0xd8, 0xff, 0xda, 0, 2];

#[test]
fn a_part_without_end_is_stopped_while_the_source_is_opened() {
    let limit = "sent 32 MiB without the end of a frame, which is the limit";
    for head in ["", "Content-Length: 2000000000\r\n"] {
        let head = format!("--next\r\nContent-Type: image/jpeg\r\n{head}\r\n");
        let part = [head.as_bytes(), JPEG_BEGINS].concat();
        is_stopped("a part", mjpeg(&part, &[0]), LIMIT, limit);
    }
    is_stopped("headers of a part", mjpeg(b"--next\r\n", b"X-More: 1\r\n"), LIMIT, limit);
    is_stopped("empty lines before the first part", mjpeg(b"\r\n", b"\r\n"), LIMIT, limit);
}

#[test]
fn headers_without_end_are_stopped() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for line in ["X-More: 1\r\n", "Set-Cookie: a=b\r\n"] {
        let endless = Endless { scheme: "http", first: head.clone(), again: line.into() };
        is_stopped(line, endless, LIMIT / 2, "sent 16 MiB of headers, which is the limit");
    }
}

#[test]
fn what_is_no_mjpeg_is_stopped_while_it_is_found_out_what_it_is() {
    let text = http("Content-Type: text/plain\r\n", b"", b"no video\r\n");
    is_stopped("text", text, LIMIT, "not a video");
    let zeros = http("Content-Type: application/octet-stream\r\n", b"", &[0; 1000]);
    is_stopped("zeros", zeros, LIMIT, "not a video");
    let film =
        [&[0, 0, 0, 0x14][..], b"ftypisom\0\0\x02\0isom", &[0x7f, 0xff, 0xff, 0], b"mdat"].concat();
    is_stopped("a film", http("Content-Type: video/mp4\r\n", &film, &[0; 1000]), LIMIT, "32 MiB");
    let list = http(
        "Content-Type: application/vnd.apple.mpegurl\r\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n",
        b"#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
    );
    is_stopped("a playlist", list, LIMIT, "32 MiB");
}

#[test]
fn a_part_without_end_is_stopped_behind_whole_ones() {
    let mut pictures = painted("320x180@30");
    let mut part = || {
        let jpeg = pictures.next().unwrap();
        let head = format!("--next\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        [head.as_bytes(), &jpeg, b"\r\n"].concat()
    };
    let whole = [part(), part(), part(), b"--next\r\n\r\n".to_vec(), JPEG_BEGINS.to_vec()].concat();
    let (reason, bytes) = failure(mjpeg(&whole, &[0]));
    assert!(reason.contains("more than the 16777216 bytes"), "{reason}");
    assert!(bytes < LIMIT + IN_THE_KERNEL, "{bytes} bytes were taken");
}

#[test]
fn a_description_of_two_gigabytes_is_not_read() {
    let first = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n";
    let endless = Endless { scheme: "rtsp", first: first.to_vec(), again: b"a=x\r\n".to_vec() };
    // FFmpeg does not say that memory was refused to it.
    is_stopped("a description", endless, LIMIT, "refused: 127.0.0.1");
}

#[test]
fn a_command_that_writes_without_end_is_stopped() {
    for (command, reason) in [
        ("printf '\\377\\330\\377\\332\\0\\2'; cat /dev/zero", "more than the 16777216 bytes"),
        ("printf -- '--next\\r\\n'; yes", "no JPEG begins within"),
        ("printf '\\0\\0\\0\\1\\147'; yes", "more than 16777216 bytes"),
    ] {
        let capture = capture(&[&format!("cam=exec:{command}")]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let why = viewer.until_offline("cam").reason;
        assert!(why.contains(reason), "{command}: {why}");
    }
}
