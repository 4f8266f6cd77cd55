//! MJPEG over HTTP as cameras send it: all that browsers show is shown, and the reason says why the rest is not.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use fanlight_protocol::{StreamEntry, StreamState};

use crate::harness::{SOON, capture, make_clip_as, painted, timecode, viewer};

const MULTIPART: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";

/// A host that answers each request in a thread of its own.
struct Host {
    port: u16,
    requests: Receiver<String>,
}

/// Starts a host. `answer` gets the head of a request, and writes the response until the client leaves.
fn host(answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = mpsc::channel();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (answer, sender, mut connection) =
                (answer.clone(), sender.clone(), connection.unwrap());
            thread::spawn(move || {
                let request = head_of(&connection)?;
                // The test may have ended.
                sender.send(request.clone()).unwrap_or_default();
                answer(&request, &mut connection)
            });
        }
    });
    Host { port, requests }
}

impl Host {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Waits for the next request.
    fn request(&self) -> String {
        self.requests.recv_timeout(SOON).expect("a request")
    }
}

/// Reads the head of a request. A connection that only checks the availability has none.
fn head_of(connection: &TcpStream) -> io::Result<String> {
    let (mut lines, mut head) = (BufReader::new(connection), String::new());
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn plain(jpeg: &[u8]) -> Vec<u8> {
    let head =
        format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    [head.as_bytes(), jpeg, b"\r\n"].concat()
}

/// Sends the test picture, each JPEG as `part` writes it.
fn film(
    to: &mut TcpStream,
    mode: &str,
    first: &[u8],
    part: fn(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    to.write_all(first)?;
    painted(mode).try_for_each(|jpeg| to.write_all(&part(&jpeg)))
}

/// The ways in which multipart streams begin and continue: their name, what comes first, and each part.
type Way = (&'static str, Vec<u8>, fn(&[u8]) -> Vec<u8>);

fn ways() -> [Way; 5] {
    let picture = painted("320x180@30").next().unwrap();
    [
        ("plain", Vec::new(), plain),
        ("headers-first", Vec::new(), |jpeg| {
            let head =
                format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
            [head.as_bytes(), jpeg, b"\r\n--123456789000000000000987654321\r\n"].concat()
        }),
        ("preamble", b"This is a message in many parts.\r\n".to_vec(), plain),
        ("dashless", Vec::new(), |jpeg| {
            [b"frame\r\nContent-Type: image/jpeg\r\n\r\n", jpeg, b"\r\n"].concat()
        }),
        ("picture-first", [&picture[..], b"\r\n"].concat(), plain),
    ]
}

#[test]
fn multipart_streams_are_read_however_they_begin() {
    let host = host(|request, to| {
        let (_, first, part) =
            ways().into_iter().find(|(name, ..)| request.contains(name)).unwrap();
        let is_bare = request.contains("bare");
        to.write_all(if is_bare { b"" } else { MULTIPART.as_bytes() })?;
        film(to, "320x180@10", &first, part)
    });
    let streams: Vec<String> = (ways().iter())
        .flat_map(|(name, ..)| {
            [
                format!("{name}={}", host.url(name)),
                format!("{name}-bare={}", host.url(&format!("{name}?bare"))),
            ]
        })
        // Without a head, only a boundary, a header or a picture shows what the response is.
        .filter(|stream| {
            !stream.starts_with("preamble-bare") && !stream.starts_with("dashless-bare")
        })
        .collect();
    let capture = capture(&streams.iter().map(String::as_str).collect::<Vec<_>>());
    let mut viewer = viewer(&capture);
    for stream in &streams {
        let (name, _) = stream.split_once('=').unwrap();
        viewer.watch(name);
        let frames = viewer.frames(name, 3);
        assert!(frames.iter().all(|frame| timecode(frame).is_some()), "{name}");
        viewer.unwatch(name);
    }
}

#[test]
fn the_same_streams_are_read_from_commands() {
    let folder = tempfile::tempdir().unwrap();
    let streams = ways().map(|(name, first, part)| {
        let path = folder.path().join(name);
        let parts = painted("320x180@30").take(3).flat_map(|jpeg| part(&jpeg));
        fs::write(&path, first.into_iter().chain(parts).collect::<Vec<u8>>()).unwrap();
        format!("{name}=exec:cat {}; sleep 1000", path.display())
    });
    let capture = capture(&streams.each_ref().map(String::as_str));
    let mut viewer = viewer(&capture);
    for (name, ..) in ways() {
        viewer.watch(name);
        assert!(timecode(&viewer.frames(name, 1)[0]).is_some(), "{name}");
        viewer.unwatch(name);
    }
}

#[test]
fn chunks_and_missing_end_markers_do_not_matter() {
    let host = host(|request, to| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n";
        if request.contains("chunks") {
            to.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            return film(to, "320x180@10", b"", |jpeg| {
                let part = plain(jpeg);
                let (start, end) = part.split_at(70);
                let chunk = |bytes: &[u8]| {
                    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
                };
                [chunk(start), chunk(end)].concat()
            });
        }
        to.write_all(format!("{head}\r\n").as_bytes())?;
        match request.contains("length") {
            true => film(to, "320x180@10", b"", |jpeg| plain(&jpeg[..jpeg.len() - 2])),
            false => film(to, "320x180@10", b"", |jpeg| {
                [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", &jpeg[..jpeg.len() - 2], b"\r\n"]
                    .concat()
            }),
        }
    });
    let names = ["chunks", "open-length", "open"];
    let streams = names.map(|name| format!("{name}={}", host.url(name)));
    let capture = capture(&streams.each_ref().map(String::as_str));
    let mut viewer = viewer(&capture);
    for name in names {
        viewer.watch(name);
        for frame in viewer.frames(name, 3) {
            assert!(timecode(&frame).is_some() && frame.payload.ends_with(&[0xff, 0xd9]), "{name}");
        }
        viewer.unwatch(name);
    }
}

#[test]
fn no_range_is_requested() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    make_clip_as(&clip, 30, &["-c:v", "libx264", "-bf", "0"]);
    let clip = fs::read(clip).unwrap();
    let host = host(move |request, to| {
        if request.to_ascii_lowercase().contains("\r\nrange:") {
            return to
                .write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
        }
        if request.contains("mjpeg") {
            to.write_all(MULTIPART.as_bytes())?;
            return film(to, "320x180@10", b"", plain);
        }
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")?;
        to.write_all(&clip)
    });
    let streams = ["mjpeg", "clip"].map(|name| format!("{name}={}", host.url(name)));
    let capture = capture(&streams.each_ref().map(String::as_str));
    let mut viewer = viewer(&capture);
    for name in ["mjpeg", "clip"] {
        viewer.watch(name);
        assert_eq!(viewer.frames(name, 2)[1].meta.size(), (320, 180), "{name}");
    }
}

const LOGIN: &str = "Authorization: Basic YWRtaW46c2VjcmV0IHB3";

#[test]
fn redirections_keep_the_login_on_the_same_host_only() {
    let other = host(|_, to| {
        to.write_all(MULTIPART.as_bytes())?;
        film(to, "320x180@10", b"", plain)
    });
    let elsewhere = format!("http://localhost:{}/video", other.port);
    let host = host(move |request, to| {
        let moved = |to: &mut TcpStream, location: &str| {
            to.write_all(
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
                    .as_bytes(),
            )
        };
        let port = to.local_addr()?.port();
        match request.split(' ').nth(1).unwrap() {
            "/relative" => moved(to, "../a/video"),
            "/absolute" => moved(to, &format!("http://127.0.0.1:{port}/a/video")),
            "/elsewhere" if !request.contains(LOGIN) => {
                to.write_all(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n")
            }
            "/elsewhere" => moved(to, &elsewhere),
            "/round" => moved(to, "/round"),
            _ if !request.contains(LOGIN) => {
                to.write_all(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n")
            }
            _ => {
                to.write_all(MULTIPART.as_bytes())?;
                film(to, "320x180@10", b"", plain)
            }
        }
    });
    let names = ["relative", "absolute", "elsewhere", "round"];
    let url = |name| format!("http://admin:secret%20pw@127.0.0.1:{}/{name}", host.port);
    let streams = names.map(|name| format!("{name}={}", url(name)));
    let capture = capture(&streams.each_ref().map(String::as_str));
    let mut viewer = viewer(&capture);
    for name in ["relative", "absolute", "elsewhere"] {
        viewer.watch(name);
        viewer.frames(name, 2);
    }
    let request = other.request();
    assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
    let reason = viewer.until_offline("round").reason;
    let at = format!("127.0.0.1:{}", host.port);
    let expected = format!("refused: {at} redirects without an end (redirected by {at})");
    assert_eq!(reason, expected);
}

#[test]
fn a_login_by_digest_is_answered() {
    let host = host(|request, to| {
        if !request.contains("Authorization: Digest username=\"admin\", realm=\"cam\", nonce=\"n\"")
        {
            return to.write_all(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"cam\"\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"n\", qop=\"auth\"\r\n\r\n");
        }
        to.write_all(MULTIPART.as_bytes())?;
        film(to, "320x180@10", b"", plain)
    });
    let capture = capture(&[&format!("cam=http://admin:pw@127.0.0.1:{}/", host.port)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 2);
    assert!(!host.request().contains("Authorization"), "the host is asked first");
}

#[test]
fn a_login_that_ffmpeg_cannot_answer_is_answered_for_video_that_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.ts");
    make_clip_as(&path, 30, &["-c:v", "libx264", "-bf", "0"]);
    let clip = fs::read(path).unwrap();
    let digest = |algorithm| {
        format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"n\", algorithm={algorithm}\r\n")
    };
    // FFmpeg answers the last Digest only.
    for (challenges, answered) in
        [(digest("SHA-256"), "SHA-256"), (digest("MD5") + &digest("SHA-512-256"), "MD5")]
    {
        let clip = clip.clone();
        let host = host(move |request, to| {
            let is_answered = request.contains("Authorization: Digest")
                && request.contains(&format!("algorithm={answered}\r\n"));
            if !is_answered {
                let refusal = format!("HTTP/1.1 401 No\r\n{challenges}Content-Length: 0\r\n\r\n");
                return to.write_all(refusal.as_bytes());
            }
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")?;
            to.write_all(&clip)
        });
        let capture = capture(&[&format!("cam=http://admin:pw@127.0.0.1:{}/", host.port)]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        assert_eq!(viewer.frames("cam", 2)[1].meta.size(), (320, 180), "{answered}");
    }
}

#[test]
fn a_camera_that_sends_a_picture_every_few_seconds_is_shown() {
    let host = host(|request, to| {
        to.write_all(MULTIPART.as_bytes())?;
        match request.contains("length") {
            true => film(to, "320x180@0.16", b"", plain),
            false => film(to, "320x180@0.16", b"", |jpeg| {
                [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", jpeg, b"\r\n"].concat()
            }),
        }
    });
    let names = ["length", "none"];
    let streams = names.map(|name| format!("{name}={}", host.url(name)));
    let capture = capture(&streams.each_ref().map(String::as_str));
    let mut viewer = viewer(&capture);
    names.iter().for_each(|name| viewer.watch(name));
    for name in names {
        let frames = viewer.frames(name, 2);
        let micros = frames[1].meta.captured_at().micros_from(frames[0].meta.captured_at());
        assert!(
            micros > 5_000_000,
            "{name}: the second picture is of the same connection: {micros}"
        );
    }
    viewer.until("none", StreamState::Live);
}

#[test]
fn a_camera_that_ends_every_connection_stays_live_and_is_opened_again_without_growing_waits() {
    let (sender, ends) = mpsc::channel();
    let host = host(move |_, to| {
        to.write_all(MULTIPART.as_bytes())?;
        let until = Instant::now() + Duration::from_millis(1500);
        painted("320x180@10")
            .take_while(|_| Instant::now() < until)
            .try_for_each(|jpeg| to.write_all(&plain(&jpeg)))?;
        sender.send(Instant::now()).unwrap_or_default();
        Ok(())
    });
    let capture = capture(&[&format!("cam={}", host.url("video"))]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.until("cam", StreamState::Live);
    let mut ended: Vec<Instant> = Vec::new();
    viewer.wait("six connections", |viewer| {
        let StreamEntry { state, reason, .. } = viewer.entry("cam");
        assert_eq!(*state, StreamState::Live, "{reason}");
        ended.extend(ends.try_iter());
        ended.len() >= 6
    });
    let waits: Vec<Duration> = ended.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The waits would be 0.25, 0.5, 1, 2 and 4 s.
    assert!(waits[4] < Duration::from_millis(1500 + 1500), "{waits:?}");
}

#[test]
fn the_reason_names_the_cause() {
    let jpeg = painted("320x180@30").next().unwrap();
    let host = host(move |request, to| {
        let ok = |kind: &str, more: &str| {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}\r\n").into_bytes()
        };
        let length = format!("Content-Length: {}\r\n", jpeg.len());
        let status =
            |text: &str| format!("HTTP/1.1 {text}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let response = match request.split(' ').nth(1).unwrap() {
            "/one-length" => [ok("image/jpeg", &length), jpeg.clone()].concat(),
            "/one" => [ok("image/jpeg", ""), jpeg.clone()].concat(),
            "/one-open" => [ok("image/jpg", ""), jpeg[..jpeg.len() - 2].to_vec()].concat(),
            "/h264" => [
                MULTIPART.as_bytes().to_vec(),
                b"--frame\r\nContent-Type: video/x-h264\r\nContent-Length: 9\r\n\r\n\0\0\0\x01\x67\x42\0\x1f\0\r\n".to_vec(),
            ]
            .concat(),
            "/page" => [ok("text/html", ""), b"<html><body>Camera</body></html>".to_vec()].concat(),
            "/none" => MULTIPART.as_bytes().to_vec(),
            "/busy" => status("503 Service Unavailable"),
            "/forbidden" => status("403 Forbidden"),
            "/wrong" => b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n\r\n".to_vec(),
            "/windows" => b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\n\r\n".to_vec(),
            _ => status("418 Teapot"),
        };
        to.write_all(&response)
    });
    let at = format!("127.0.0.1:{}", host.port);
    let cases = [
        (
            "one-length",
            "",
            "not a video: AT returns a single picture at this path: use the address",
        ),
        ("one", "", "not a video: AT returns a single picture at this path: use the address"),
        ("one-open", "", "not a video: AT returns a single picture at this path: use the address"),
        ("h264", "", "not a video: the parts of the stream are H.264, not JPEG"),
        ("page", "", "not a video: AT returns a web page at this path"),
        ("none", "", "closed: AT closed the connection before the first picture"),
        ("busy", "", "busy: AT serves no further viewer at present (503)"),
        ("forbidden", "", "not permitted: AT denies access (403)"),
        ("teapot", "", "refused: AT rejects the request (418)"),
        ("wrong", "", "login required: AT requires a user and password: write them into the URL"),
        ("wrong", "u:hunter2@", "login failed: AT rejects the user and password"),
        (
            "windows",
            "u:hunter2@",
            "not supported: AT requires a login by NTLM, which is not supported",
        ),
    ];
    let streams: Vec<String> = (cases.iter().enumerate())
        .map(|(number, (path, user, _))| format!("c{number}=http://{user}{at}/{path}"))
        .collect();
    let capture = capture(&streams.iter().map(String::as_str).collect::<Vec<_>>());
    let mut viewer = viewer(&capture);
    for (number, (path, _, expected)) in cases.iter().enumerate() {
        let reason = viewer.until_offline(&format!("c{number}")).reason;
        let expected = expected.replace("AT", &at);
        assert!(reason.starts_with(&expected), "{path}: {reason}");
    }
}

#[test]
fn a_command_that_writes_h264_in_parts_is_named() {
    let command =
        "printf -- '--f\\r\\nContent-Type: video/h264\\r\\n\\r\\n\\0\\0\\0\\1\\147'; sleep 1000";
    let capture = capture(&[&format!("cam=exec:{command}")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    let reason = viewer.until_offline("cam").reason;
    assert!(reason.starts_with("not a video: the parts of the stream are H.264"), "{reason}");
}
