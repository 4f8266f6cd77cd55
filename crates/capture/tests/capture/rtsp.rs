//! Network cameras over RTSP: the transport, the login, and where their keyframes are.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::thread;

use fanlight_protocol::StreamState;

use crate::harness::{capture, capture_with, decoded, viewer, viewer_at};
use crate::program::program;
use crate::rtsp_camera::{Endless, Film, RtspCamera, Running, encode, split_parameter_sets};

/// Encoded frames with a keyframe in each second.
fn usual() -> RtspCamera {
    RtspCamera::new(encode(25, &["-g", "25"]))
}

#[test]
fn a_camera_that_refuses_tcp_is_read_over_udp() {
    let camera = RtspCamera { tcp: false, udp: true, ..usual() }.start();
    let capture = capture(&[&format!("cam=RTSP://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    for track in ["cam", "cam/full.h264"] {
        viewer.watch(track);
        let frames = viewer.frames(track, 5);
        assert_eq!(frames[0].meta.size(), (320, 180));
    }
    let set_ups = camera.requests.try_iter().filter(|line| line.starts_with("SETUP"));
    let set_ups: Vec<String> = set_ups.take(2).collect();
    assert!(set_ups[0].contains("TCP") && set_ups[1].contains("client_port"), "{set_ups:?}");
}

#[test]
fn a_refused_transport_is_the_reason() {
    let tcp = usual().start();
    let udp = RtspCamera { tcp: false, udp: true, ..usual() }.start();
    let none = RtspCamera { tcp: false, ..usual() }.start();
    let capture = capture(&[
        &format!("tcp=rtsp://{}/x#transport=udp", tcp.address),
        &format!("udp=rtsp://{}/x#transport=tcp", udp.address),
        &format!("none=rtsp://{}/x", none.address),
    ]);
    let mut viewer = viewer(&capture);
    for (stream, words) in [
        ("tcp", "over UDP (461): remove #transport=udp"),
        ("udp", "over TCP (461): remove #transport=tcp"),
        ("none", "over TCP and over UDP (461)"),
    ] {
        let reason = viewer.until_offline(stream).reason;
        assert!(reason.starts_with("not supported") && reason.contains(words), "{reason}");
    }
}

#[test]
fn a_camera_that_offers_no_video_is_not_reported_as_one_that_refuses() {
    let camera = RtspCamera { media: "audio", ..usual() }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/microphone", camera.address)]);
    let reason = viewer(&capture).until_offline("cam").reason;
    let expected = format!("not a video: {} offers no video at this path", camera.address);
    assert!(reason.starts_with(&expected), "{reason}");
}

#[test]
fn a_chosen_transport_is_used_and_a_path_is_percent_encoded() {
    let camera = RtspCamera { udp: true, ..usual() }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/Tür 1#transport=udp", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    assert_eq!(viewer.frames("cam", 3).len(), 3);
    let requests: Vec<String> = camera.requests.try_iter().collect();
    assert!(requests.iter().any(|line| line.contains("/T%C3%BCr%201 RTSP/1.0")), "{requests:?}");
    assert!(!requests.iter().any(|line| line.contains("TCP")), "{requests:?}");
}

#[test]
fn two_parameter_sets_that_are_sent_once_serve_late_viewers() {
    let clip = |id: u32| {
        let set = format!("sps-id={id}:scenecut=0");
        encode(20, &["-g", "10", "-x264-params", &set])
    };
    let mut units = [clip(0), clip(1)].concat();
    let parameter_sets = split_parameter_sets(&mut units);
    assert_eq!(parameter_sets.len(), 4);
    let camera = RtspCamera { parameter_sets, ..RtspCamera::new(units) }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    // Both sets are in use within 40 frames.
    assert_eq!(viewer.frames("cam", 45).len(), 45);
    for _ in 0..3 {
        viewer.watch("cam/full.h264");
        let frames = viewer.frames("cam/full.h264", 45);
        viewer.unwatch("cam/full.h264");
        assert_eq!(decoded(&frames).len(), 45);
        viewer.frames("cam", 7);
    }
}

#[test]
fn a_user_without_a_password_logs_in_and_a_refused_login_says_why() {
    let basic = "Basic realm=\"cam\"";
    let md5 = "Digest realm=\"cam\", nonce=\"1\"";
    let sha = "Digest realm=\"cam\", nonce=\"1\", algorithm=SHA-256";
    let camera = |challenges: &[&'static str], accepted| {
        RtspCamera { login: Some((challenges.to_vec(), accepted)), ..usual() }.start()
    };
    // `admin:` in Base64.
    let open = camera(&[basic], "Basic YWRtaW46");
    let digest = |order: &[&'static str]| camera(order, "Digest username=\"admin\"");
    let (first, last, only) = (digest(&[sha, md5]), digest(&[md5, sha]), digest(&[sha]));
    let negotiate = "Negotiate realm=\"cam\"";
    let (wrong, other, none) =
        (camera(&[md5, sha], "-"), camera(&[negotiate], "-"), camera(&[], "-"));
    let udp = RtspCamera { login: Some((vec![sha], "Digest")), udp: true, ..usual() }.start();
    let capture = capture(&[
        &format!("colon=rtsp://admin:@{}/x", open.address),
        &format!("user=rtsp://admin@{}/x", open.address),
        &format!("first=rtsp://admin@{}/x", first.address),
        &format!("last=rtsp://admin@{}/x", last.address),
        &format!("only=rtsp://admin@{}/x", only.address),
        &format!("missing=rtsp://{}/x", wrong.address),
        &format!("wrong=rtsp://admin:hunter2@{}/x", wrong.address),
        &format!("other=rtsp://admin:hunter2@{}/x", other.address),
        &format!("none=rtsp://admin:hunter2@{}/x", none.address),
        &format!("udp=rtsp://admin:hunter2@{}/x#transport=udp", udp.address),
    ]);
    let mut viewer = viewer(&capture);
    for stream in ["colon", "user", "first", "last", "only"] {
        viewer.watch(stream);
        assert_eq!(viewer.frames(stream, 2).len(), 2);
    }
    for (stream, reason) in [
        ("missing", format!("login required: {} requires a user and password", wrong.address)),
        ("wrong", format!("login failed: {} rejects the user and password", wrong.address)),
        ("other", format!("not supported: {} asks for a login that is not", other.address)),
        ("none", format!("not supported: {} asks for a login that is not", none.address)),
        ("udp", format!("not supported: {} asks for a login that FFmpeg cannot", udp.address)),
    ] {
        let entry = viewer.until_offline(stream);
        assert!(entry.reason.starts_with(&reason), "{stream}: {}", entry.reason);
        assert!(!entry.reason.contains("hunter2"));
    }
    assert!(viewer.until_offline("udp").reason.contains("Digest with SHA-256"));
}

#[test]
fn a_camera_that_begins_within_a_long_gop_waits_for_a_keyframe_and_says_so() {
    // The keyframe comes once in 20 s, and never within these openings.
    let mut units = encode(500, &["-g", "1000", "-x264-params", "scenecut=0"]);
    let parameter_sets = split_parameter_sets(&mut units);
    let camera = RtspCamera { parameter_sets, first: 10, ..RtspCamera::new(units) }.start();
    let capture = capture_with(&[&format!("cam=rtsp://{}/live", camera.address)], &["--keep-open"]);
    for track in ["cam", "cam/full.h264"] {
        let mut viewer = viewer(&capture);
        viewer.watch(track);
        let so = |reason: &str| reason.starts_with("waiting for a keyframe for ");
        viewer.until_so("cam", "the wait", |entry| {
            entry.state == StreamState::Offline && so(&entry.reason)
        });
        viewer.unwatch(track);
    }
}

#[test]
fn a_wrong_password_is_tried_once_in_each_attempt() {
    for options in ["", "#transport=udp"] {
        let camera = RtspCamera { udp: true, ..locked("-") }.start();
        let capture = capture(&[&format!("cam=rtsp://admin:pw@{}/live{options}", camera.address)]);
        let reason = viewer(&capture).until_offline("cam").reason;
        assert!(reason.starts_with("login failed"), "{reason}");
        capture.stop();
        let requests = requests(&camera);
        let is_try = |line: &&String| line.contains("Digest");
        // Each attempt begins with a request without a login.
        let attempts = requests.iter().filter(|line| !is_try(line)).count();
        let tries = requests.iter().filter(is_try).count();
        assert!((1..=attempts).contains(&tries), "{requests:?}");
    }
}

/// A camera that accepts this login only.
fn locked(login: &'static str) -> RtspCamera {
    RtspCamera { login: Some((vec!["Digest realm=\"cam\", nonce=\"1\""], login)), ..usual() }
}

fn requests(camera: &Running) -> Vec<String> {
    camera.requests.try_iter().collect()
}

#[test]
fn a_redirection_within_a_camera_keeps_the_login() {
    for options in ["", "#transport=udp"] {
        let location = Some(("/old", "/new?x=1".to_owned()));
        let camera = RtspCamera { location, udp: true, ..locked("Digest") }.start();
        let capture = capture(&[&format!("cam=rtsp://admin:pw@{}/old{options}", camera.address)]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        assert_eq!(viewer.frames("cam", 3).len(), 3);
    }
}

#[test]
fn a_redirection_to_another_host_or_port_does_not_get_the_login() {
    for options in ["", "#transport=udp"] {
        let open = RtspCamera { udp: true, ..usual() }.start();
        let closed = RtspCamera { udp: true, ..locked("-") }.start();
        let to = |target: &Running| {
            let location = Some(("/", format!("rtsp://{}/live", target.address)));
            RtspCamera { location, ..locked("Digest") }.start()
        };
        let (to_open, to_closed) = (to(&open), to(&closed));
        let capture = capture(&[
            &format!("open=rtsp://admin:pw@{}/live{options}", to_open.address),
            &format!("closed=rtsp://admin:pw@{}/live{options}", to_closed.address),
        ]);
        let mut viewer = viewer(&capture);
        viewer.watch("open");
        assert_eq!(viewer.frames("open", 3).len(), 3);
        let reason = viewer.until_offline("closed").reason;
        assert!(reason.starts_with("login required"), "{reason}");
        for camera in [&open, &closed] {
            let requests = requests(camera);
            assert!(!requests.is_empty());
            assert!(!requests.iter().any(|line| line.contains("Digest")), "{requests:?}");
        }
    }
}

#[test]
fn a_redirection_from_http_is_read_by_retina_with_the_login() {
    let camera = locked("Digest").start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let location = format!("Location: rtsp://{}/live", camera.address);
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close";
            // The capture may close the connection first.
            let _ = connection.read(&mut [0; 4096]);
            let _ = write!(connection, "{head}\r\n{location}\r\n\r\n");
        }
    });
    let capture = capture(&[&format!("cam=http://admin:pw@{address}/video")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    assert_eq!(viewer.frames("cam", 3).len(), 3);
    let requests = requests(&camera);
    assert!(!requests.iter().any(|line| line.starts_with("OPTIONS")), "{requests:?}");
}

#[test]
fn redirections_without_an_end_are_refused() {
    let location = Some(("/", "/again".to_owned()));
    let camera = RtspCamera { location, ..usual() }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let reason = viewer(&capture).until_offline("cam").reason;
    assert!(reason.contains("redirects without an end"), "{reason}");
}

#[test]
fn a_camera_without_viewers_is_disconnected() {
    let camera = usual().start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 3);
    viewer.unwatch("cam");
    viewer.wait("the end of the connection", |_| camera.open.load(Ordering::Relaxed) == 0);
}

#[test]
fn a_camera_on_which_retina_fails_is_read_by_ffmpeg_and_harms_no_other_stream() {
    // A line without a letter and `=`, and a space behind the session's name.
    let junk = RtspCamera { junk: "junk\r\n", ..usual() }.start();
    let spaced = RtspCamera { session: "1 ;timeout=60", ..usual() }.start();
    let capture = capture(&[
        &format!("junk=rtsp://{}/live", junk.address),
        &format!("spaced=rtsp://{}/live", spaced.address),
        "test=test:320x180@30",
    ]);
    let mut viewer = viewer(&capture);
    for stream in ["junk", "spaced", "test"] {
        viewer.watch(stream);
        assert_eq!(viewer.frames(stream, 3).len(), 3);
    }
}

#[test]
fn a_camera_is_read_at_an_address_of_ipv6() {
    let camera = RtspCamera { host: "::1", ..usual() }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    assert_eq!(viewer.frames("cam", 3).len(), 3);
}

#[test]
fn what_a_camera_sends_without_an_end_is_not_kept() {
    for (endless, expected) in [
        (Endless::Response, "without an end"),
        (Endless::Headers, "without an end"),
        (Endless::Frame, "exceeds the limit of 16777216 bytes"),
    ] {
        let film = Film { endless: Some((10, endless)), ..Film::default() };
        let camera = RtspCamera { film, ..usual() }.start();
        let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let reason = viewer.until_offline("cam").reason;
        assert!(reason.contains(expected), "{endless:?}: {reason}");
    }
}

#[test]
fn a_camera_that_retina_cannot_read_to_the_end_is_read_by_ffmpeg_then() {
    let film = Film { other_source: Some(30), ..Film::default() };
    let camera = RtspCamera { film, ..usual() }.start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    assert_eq!(viewer.frames("cam/full.h264", 80).len(), 80);
    // Only FFmpeg asks for the methods of a camera first.
    assert!(requests(&camera).iter().any(|line| line.starts_with("OPTIONS")));
}

#[test]
fn the_log_names_the_reader_once_with_the_reason() {
    let (tcp, udp) = (usual().start(), RtspCamera { tcp: false, udp: true, ..usual() }.start());
    let other = RtspCamera { session: "1;more=x", ..usual() }.start();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
    let streams = [
        format!("--stream=tcp=rtsp://admin:hunter2@{}/live?token=hunter2", tcp.address),
        format!("--stream=udp=rtsp://{}/live", udp.address),
        format!("--stream=other=rtsp://{}/live", other.address),
    ];
    let mut command = program(&["--publish", &endpoint, "--log-level", "trace"]);
    let mut child = command.args(streams).stderr(Stdio::piped()).spawn().unwrap();
    let mut viewer = viewer_at(&endpoint);
    // Each stream is opened at least twice: at the start, and for its viewer.
    for stream in ["tcp", "udp", "other"] {
        viewer.until(stream, StreamState::Idle);
        viewer.watch(stream);
        viewer.frames(stream, 3);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for text in [
        "read by retina",
        "read by FFmpeg: the camera refuses TCP (461)",
        "read by FFmpeg: retina cannot read the response to SETUP",
    ] {
        assert_eq!(log.matches(text).count(), 1, "{text}: {log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
}
