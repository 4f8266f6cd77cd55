//! Counts and measurements of viewers.

use std::io::{self, Write as _};
use std::time::Duration;

use super::program::{bench, bench_interrupted, short};
use super::server::{Guest, frame, h264_frame, message, now, serve, state, track};

/// Half a minute in microseconds: long compared with every delay of a busy machine.
const OLD: u64 = 30_000_000;

/// More than kernels buffer for a connection.
const MORE_THAN_BUFFERS: usize = 64 * 1024 * 1024;

fn assert_old(age_ms: f64) {
    assert!((29_900.0..60_000.0).contains(&age_ms), "{age_ms} ms are not about 30 s");
}

#[test]
fn fanlight_v1_has_ages_gaps_and_states() {
    let server = serve(true, |_, guest| {
        assert!(guest.request.starts_with("GET /ws?token=s3cret HTTP/1.1\r\n"));
        assert!(guest.request.contains("Sec-WebSocket-Protocol: fanlight.v1"));
        guest.upgrade(Some("fanlight.v1"))?;
        guest.repeat()?;
        guest.send([message(1, br#"{"type":"hello"}"#), track(), state("live")].concat())?;
        // Every third sequence is missing. Before the next frames the track restarts, which is no gap.
        guest.send_for_ever(|number| match number % 2 {
            0 => [state("slow"), frame(3 * (number / 2), OLD, 100_000)].concat(),
            _ => [frame(3 * (number / 2) + 2, OLD, 0), track()].concat(),
        })
    });
    let more = ["--stream", "cam", "--viewers", "4", "--token", "s3cret", "--threads", "2"];
    let ran = short(&server.url("ws", "/ws"), &more);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains("s3cret"));
    let frames = ran.number("/frames");
    let missing = ran.number("/normal/missing");
    assert!(frames > 8 && missing > 0, "{ran:?}");
    // One frame is missing before every second one, for each of four viewers.
    assert!((frames / 2).abs_diff(missing) <= 4, "{frames} {missing}");
    assert_old(ran.figure("/normal/age/p50_ms"));
    assert!(ran.figure("/normal/since_sent/p50_ms") < 20_000.0);
    assert_eq!(ran.number("/states/live"), 4);
    assert!(ran.number("/states/slow") > 4);
    assert_eq!((ran.number("/connected"), ran.number("/refused/count")), (4, 0));
    assert_eq!(ran.number("/not_frames"), 0);
    let watch = server.told.recv().unwrap();
    assert_eq!(watch, r#"{"type":"watch","id":1,"stream":"cam"}"#);
}

#[test]
fn every_complete_frame_is_acknowledged() {
    const FRAMES: u64 = 50;
    let server = serve(true, |_, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.repeat()?;
        guest.send(track())?;
        for sequence in 0..FRAMES {
            guest.send(frame(sequence, 0, 70_000))?;
            // The next frame is sent only afterwards.
            guest.repeat()?;
        }
        guest.send(message(8, b"\x03\xe8"))
    });
    let ran = short(&server.url("ws", "/ws"), &["--stream", "cam", "--ack"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = server.all_told();
    assert!(told[0].contains(r#""ack":true"#), "{told:?}");
    assert_eq!(told.len() as u64, FRAMES + 1);
    assert_eq!(told[50], r#"{"type":"ack","id":1,"sequence":49}"#);
}

#[test]
fn keyframes_and_broken_references_are_counted() {
    let server = serve(true, |_, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.repeat()?;
        guest.send(track())?;
        // Of ten frames the first is a keyframe; the sixth is missing, and the four after it refer to it.
        guest.send_for_ever(|number| match number % 10 {
            5 => Vec::new(),
            place => h264_frame(number, place == 0),
        })
    });
    let ran = short(&server.url("ws", "/ws"), &["--stream", "cam", "--codec", "h264"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (frames, keyframes) = (ran.number("/normal/frames"), ran.number("/normal/keyframes"));
    let broken = ran.number("/normal/broken");
    assert!(keyframes > 2 && (frames / 9).abs_diff(keyframes) <= 1, "{frames} {keyframes}");
    assert!((4 * keyframes).abs_diff(broken) <= 4, "{keyframes} {broken}");
    assert!(server.told.recv().unwrap().contains(r#""codec":"h264""#));
}

#[test]
fn a_plain_websockets_timestamp_is_found_and_pings_are_answered() {
    let server = serve(true, |_, guest| {
        guest.upgrade(None)?;
        guest.repeat()?;
        guest.send(message(9, b"there?"))?;
        let (opcode, pong) = guest.message()?;
        guest.tell(format!("{opcode} {}", String::from_utf8_lossy(&pong)));
        guest.send_for_ever(|_| {
            let payload = [&[0; 16], &(now() - OLD).to_le_bytes()[..], &[0; 70_000]].concat();
            [message(1, b"not a frame"), message(2, &payload)].concat()
        })
    });
    let more = ["--send", r#"{"give":"frames"}"#, "--subprotocol", "x", "--timestamp-at", "16"];
    let ran = short(&server.url("ws", "/any"), &more);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let frames = ran.number("/frames");
    assert_eq!(ran.number("/bytes"), frames * 70_024);
    assert_eq!(ran.number("/normal/age/samples"), frames);
    assert_old(ran.figure("/normal/age/p50_ms"));
    assert!(ran.number("/texts") > 0);
    assert_eq!(server.told.recv().unwrap(), r#"{"give":"frames"}"#);
    assert_eq!(server.told.recv().unwrap(), "10 there?");
}

fn part(payload: &[u8], with_length: bool) -> Vec<u8> {
    let taken_at = now() - OLD;
    let mut part = format!(
        "Content-Type: image/jpeg\r\nX-Timestamp: {}.{:06}\r\n",
        taken_at / 1_000_000,
        taken_at % 1_000_000
    );
    if with_length {
        part += &format!("Content-Length: {}\r\n", payload.len());
    }
    part += "\r\n";
    [part.as_bytes(), payload, b"\r\n--b\r\n"].concat()
}

#[test]
fn mjpeg_is_decoded_with_and_without_chunks_and_lengths() {
    let server = serve(true, |_, guest| {
        let chunked = guest.request.contains(" HTTP/1.1\r\n");
        let with_length = guest.request.starts_with("GET /with");
        let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
        guest.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n{coding}\r\n"
        ))?;
        let mut begin = Some(b"--b\r\n".to_vec());
        guest.send_for_ever(move |_| {
            let part = part(&[b'\r'; 70_000], with_length);
            let bytes = [begin.take().unwrap_or_default(), part].concat();
            if !chunked {
                return bytes;
            }
            // Chunks are independent of parts.
            let chunk = |chunk: &[u8]| {
                [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()
            };
            bytes.chunks(9_999).flat_map(chunk).collect()
        })
    });
    for path in ["/with", "/without"] {
        for more in [&[][..], &["--http10"]] {
            let ran = short(&server.url("http", path), &[&["--viewers", "3"], more].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let frames = ran.number("/frames");
            assert!(frames > 3);
            assert_eq!(ran.number("/bytes"), frames * 70_000);
            assert_old(ran.figure("/normal/age/p50_ms"));
        }
    }
}

#[test]
fn length_prefixed_messages_are_counted_and_costs_are_measured() {
    let server = serve(false, |_, guest| {
        guest.send_for_ever(|_| {
            let payload = [&(now() - OLD).to_le_bytes()[..], &[0; 1000]].concat();
            [&(payload.len() as u32).to_be_bytes()[..], &payload].concat()
        })
    });
    let pid = std::process::id().to_string();
    let more = ["--viewers", "5", "--timestamp-at", "0", "--pid", &pid];
    let ran = short(&server.url("tcp", ""), &more);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let frames = ran.number("/frames");
    assert_eq!(ran.number("/bytes"), frames * 1008);
    assert_old(ran.figure("/normal/age/p50_ms"));
    assert!(ran.figure("/normal/fps_min") > 0.0);
    assert!(ran.figure("/server/cpu_us_per_frame") > 0.0);
    assert!(ran.number("/server/rss_peak_bytes") >= ran.number("/server/rss_last_bytes"));
    assert!(ran.figure("/own/cpu_seconds") > 0.0);
}

/// Sends until the connection accepts nothing for a while, or far more than kernels buffer. Returns how much was sent.
fn fill(guest: &mut Guest, frame: &[u8]) -> io::Result<usize> {
    let stream = guest.stream.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let mut taken = 0;
    while taken < MORE_THAN_BUFFERS {
        match stream.write(frame) {
            Ok(written) => taken += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

#[test]
fn stalled_viewers_send_a_request_and_then_never_read() {
    let server = serve(true, |_, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.message()?;
        let taken = fill(guest, &frame(0, 0, 100_000))?;
        guest.tell(if taken < MORE_THAN_BUFFERS { "stalled" } else { "reads" });
        guest.wait_for_its_end();
        Ok(())
    });
    let url = server.url("ws", "/ws");
    let args =
        ["--stream", "cam", "--viewers", "2", "--stalled", "2", "--json", "--seconds", "600"];
    let ran = bench_interrupted(&[&[&*url], &args[..]].concat(), || {
        assert_eq!(server.told.recv().unwrap(), "stalled");
        assert_eq!(server.told.recv().unwrap(), "stalled");
    });
    // No viewer was supposed to read, so a run without frames is a success.
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((ran.number("/frames"), ran.number("/stalled/viewers")), (0, 2));
}

#[test]
fn trickling_viewers_read_at_their_rate_and_are_counted_separately() {
    const RATE: u64 = 200_000;
    let server = serve(true, |_, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.message()?;
        guest.send(track())?;
        let mut sequence = 0;
        guest.send_for_ever(|_| {
            sequence += 1;
            frame(sequence, OLD, 10_000)
        })
    });
    let more = ["--stream", "cam", "--viewers", "3", "--trickle", "2@200000"];
    let ran = short(&server.url("ws", "/ws"), &more);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((ran.number("/normal/viewers"), ran.number("/trickling/viewers")), (1, 2));
    // The rest from connecting, and the tenth of a second that may accumulate, are added.
    let at_most =
        (2 * RATE) as f64 * (ran.figure("/seconds") + ran.figure("/connecting_seconds") + 1.0);
    let bytes = ran.number("/trickling/bytes");
    assert!(bytes > 0 && (bytes as f64) < at_most, "{bytes} {at_most}");
    assert_old(ran.figure("/trickling/age/p50_ms"));
    assert_eq!(
        ran.number("/frames"),
        ran.number("/normal/frames") + ran.number("/trickling/frames")
    );
}

#[test]
fn a_trickling_viewer_with_a_high_rate_gets_every_frame() {
    let server = serve(false, |_, guest| {
        guest.send_for_ever(|_| [&10_000u32.to_be_bytes()[..], &[0; 10_000]].concat())
    });
    let ran = short(&server.url("tcp", ""), &["--viewers", "2", "--trickle", "1@1000000000"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // It polls 20 times a second for 200 frames a second.
    let (normal, trickling) = (ran.number("/normal/frames"), ran.number("/trickling/frames"));
    assert!(trickling > normal / 4, "{trickling} of {normal}");
}

#[test]
fn a_closed_viewer_reconnects_with_the_option_reconnect() {
    let server = serve(true, |number, guest| {
        guest.upgrade(Some("fanlight.v1"))?;
        guest.message()?;
        guest.tell(format!("viewer {number}"));
        guest.send([track(), frame(1000 * number as u64, 0, 10)].concat())?;
        if number == 0 {
            return guest.send(message(8, b"\x03\xe9restart"));
        }
        guest.wait_for_its_end();
        Ok(())
    });
    let url = server.url("ws", "/ws");
    let args = ["--stream", "cam", "--reconnect", "--json", "--seconds", "600"];
    let ran = bench_interrupted(&[&[&*url], &args[..]].concat(), || {
        assert_eq!(server.told.recv().unwrap(), "viewer 0");
        assert_eq!(server.told.recv().unwrap(), "viewer 1");
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((ran.number("/connected"), ran.number("/reconnects")), (2, 1));
    assert_eq!((ran.number("/closed/count"), ran.number("/normal/missing")), (1, 0));
    assert_eq!(ran.report()["interrupted"], true);
}

#[test]
fn the_default_output_is_a_table() {
    let server = serve(false, |_, guest| {
        guest.send_for_ever(|_| [&4u32.to_be_bytes()[..], b"four"].concat())
    });
    let url = server.url("tcp", "");
    let ran = bench(&[&url, "--seconds", "0.3", "--warm-up", "0", "--viewers", "2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in ["length-prefixed", "2 connected", "fps each", "gap", "this program"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert!(ran.stderr.is_empty(), "{ran:?}");
}
