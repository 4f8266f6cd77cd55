//! Discovery of captures by relays, and resistance to foreign peers.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use fanlight_tests::site::{CAPTURE, RELAY, free_port};
use fanlight_tests::{Relay, Site, eventually, note, zmtp};

#[test]
fn streams_of_new_captures_appear_without_configuration() {
    let site = Site::new();
    let relay = site.relay(&[]);
    assert_eq!(relay.get("/readyz").status, 503);
    site.camera("one");
    relay.viewer("one").frame();
    assert_eq!(relay.get("/readyz").status, 200);
    site.camera("two");
    relay.viewer("two").frame();
    assert_eq!(relay.stream("one")["name"], "one");
}

#[test]
fn the_first_capture_keeps_a_name_until_it_ends_and_the_second_takes_over() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let first = site.capture(&["--stream", "cam=test:320x180@30"]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    site.capture(&["--stream", "cam=test:160x90@30"]);
    relay.program().says("second publisher");
    let width = |jpeg: &[u8]| image::load_from_memory(jpeg).expect("a JPEG").width();
    assert!(viewer.frames(30).iter().all(|frame| width(&frame.payload) == 320));
    first.kill();
    let taken_over = (0..300).any(|_| width(&viewer.frame().payload) == 160);
    assert!(taken_over, "the second capture's pictures arrive");
}

#[test]
fn a_relay_subscribes_to_a_capture_over_tcp() {
    let site = Site::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    // The relay starts before the capture.
    let relay = site.relay(&["--subscribe", &endpoint]);
    assert_eq!(relay.get("/readyz").status, 503);
    site.capture(&["--publish", &endpoint, "--stream", "cam=test:320x180@30"]);
    relay.viewer("cam").frames(30);
    assert_eq!(relay.get("/readyz").status, 200);
}

#[test]
fn invalid_bytes_on_the_bus_disturb_neither_capture_nor_relay() {
    let site = Site::new();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let capture = site.capture(&["--publish", &endpoint, "--stream", "cam=test:320x180@30"]);
    let relay = site.relay(&["--subscribe", &endpoint]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    // After a valid greeting and handshake, the capture parses the bytes that follow.
    let (greeting, ready) = (zmtp::greeting("NULL"), zmtp::ready("XSUB"));
    let user_message = zmtp::message;
    for rubbish in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 65536],
        greeting.clone(),
        [&greeting[..], &[0xff; 4096]].concat(),
        [
            &greeting[..],
            &ready,
            &user_message(b"\x02"),
            &user_message(&[2; 200]),
            &user_message(&[9; 99]),
        ]
        .concat(),
        // A subscription to everything, and the head of a message of 2^63 - 1 bytes.
        [
            &greeting[..],
            &ready,
            &user_message(b"\x01"),
            &[2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ]
        .concat(),
    ] {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).expect("the capture listens");
        // The capture may close the connection at any byte.
        let _ = stranger.write_all(&rubbish);
        viewer.frames(5);
    }
    assert!(capture.ended().is_none() && relay.program().ended().is_none());
    viewer.frames(30);
}

#[test]
fn a_capture_that_ends_leaves_nothing_behind() {
    let site = Site::new();
    let capture = site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frame();
    capture.terminate();
    assert_eq!(capture.end().0, Some(0));
    let left: Vec<_> = fs::read_dir(site.path("fanlight")).expect("both programs use it").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn without_a_runtime_folder_both_programs_use_the_temporary_folder() {
    let site = Site::new();
    let start = |program: &str, arguments: &[&str]| {
        let mut command = site.command(program, arguments);
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", site.path(""));
        site.start(command)
    };
    start(CAPTURE, &["--stream", "cam=test:320x180@30"]);
    let relay = Relay::new(start(RELAY, &["--listen", "127.0.0.1:0", "--log", "json"]));
    relay.viewer("cam").frame();
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let site = Site::new();
    let folder = site.path("fanlight");
    fs::create_dir(&folder).expect("the site's folder is ours");
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("it is ours");
    for (program, arguments) in
        [(CAPTURE, ["--stream", "cam=test"]), (RELAY, ["--listen", "127.0.0.1:0"])]
    {
        let refused = site.run(program, &arguments);
        assert!(refused.code.is_some_and(|code| code > 0), "{refused:?}");
        assert!(refused.stderr.contains("chmod 700"), "{}", refused.stderr);
    }
}

#[test]
fn nothing_is_encoded_without_viewers() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    let before = viewer.frame();
    relay.wait_until("cam", &["live"]);
    drop(viewer);
    relay.wait_until("cam", &["idle"]);
    eventually("no frames arrive at the relay", || {
        (relay.stream("cam")["tracks"][0]["fps"] == 0.0).then_some(())
    });
    let mut viewer = relay.viewer("cam");
    // The first frame may be the last one that was encoded for the previous viewer.
    let after = viewer.frames(5).pop().expect("five");
    let made = u64::from(after.timecode().number - before.timecode().number);
    let published = after.sequence - before.sequence;
    note(format!("{made} pictures later, {published} were encoded"));
    assert!(published + 15 < made, "{made} pictures, {published} of them encoded");
}
