//! Options: programs report wrong ones before they start, and never print secrets.

use std::fs;

use fanlight_tests::program::{self, Finished};
use fanlight_tests::site::{CAPTURE, RELAY};
use fanlight_tests::{Site, note};
use serde_json::Value;

fn assert_refused(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is not in: {}", finished.stderr);
    }
}

#[test]
fn wrong_options_are_reported_with_their_rule() {
    let site = Site::new();
    let wrong: &[(&str, &[&str], &[&str])] = &[
        (CAPTURE, &[], &["--stream NAME=SOURCE"]),
        (CAPTURE, &["--stream", "cam"], &["cam", "NAME=SOURCE"]),
        (CAPTURE, &["--stream", "Cam=test"], &["Cam", "a-z"]),
        (CAPTURE, &["--stream", "cam=test", "--stream", "cam=test"], &["cam", "twice"]),
        (CAPTURE, &["--stream", "cam=ftp://host/"], &["ftp://", "rtsp://"]),
        (CAPTURE, &["--stream", "cam=test:1x1"], &["1x1", "WIDTHxHEIGHT@FPS"]),
        (CAPTURE, &["--stream", "cam=clip.mp4?loop=2"], &["clip.mp4?loop=2", "?loop=0"]),
        (CAPTURE, &["--stream", "cam=test", "--quality", "0"], &["--quality", "1 to 100"]),
        (CAPTURE, &["--stream", "cam=test", "--quality", "good"], &["--quality", "good"]),
        (
            CAPTURE,
            &["--stream", "cam=test", "--publish", "udp://x:1"],
            &["udp://x:1", "tcp://HOST:PORT"],
        ),
        (CAPTURE, &["--steam", "cam=test"], &["--steam", "--stream"]),
        (RELAY, &["--listen", "here"], &["--listen", "here"]),
        (RELAY, &["--subscribe", "tcp://host"], &["--subscribe", "tcp://host", "port"]),
        (RELAY, &["--max-viewers", "0"], &["--max-viewers", "1 to"]),
        (RELAY, &["--threads", "0"], &["--threads 0", "1 to 64"]),
        (RELAY, &["--threads", "65"], &["--threads 65", "1 to 64"]),
        (RELAY, &["--threads", "many"], &["--threads", "many"]),
        (RELAY, &["--congestion", "x y"], &["--congestion", "x y", "bbr", "system"]),
        (RELAY, &["--congestion", ""], &["--congestion", "1 to 15"]),
        (RELAY, &["--lan", "--listen", "127.0.0.1:8000"], &["--lan", "--listen 0.0.0.0:8000"]),
        (RELAY, &["--lan", "--insecure"], &["--lan", "--insecure"]),
        (RELAY, &["--token", "short"], &["--token", "8 to 512"]),
        (RELAY, &["--allow-origin", "wall"], &["wall", "https://NAME"]),
        (RELAY, &["--web", "/nowhere"], &["/nowhere", "index.html"]),
        (RELAY, &["--config", "missing.toml"], &["missing.toml"]),
        (RELAY, &["--log", "loud"], &["--log", "loud", "json"]),
        (RELAY, &["cam"], &["cam"]),
    ];
    for (program, arguments, words) in wrong {
        let refused = site.run(program, arguments);
        assert_refused(&refused, words);
        let lines = refused.stderr.lines().count();
        assert!(refused.stderr.starts_with("error: ") && lines < 10, "{}", refused.stderr);
        // `--check-config` reports the same.
        assert_refused(&site.run(program, &[arguments, &["--check-config"][..]].concat()), words);
    }
}

#[test]
fn a_wrong_key_in_a_file_is_reported_with_its_position() {
    let site = Site::new();
    for (program, text, words) in [
        (RELAY, "listen = '127.0.0.1:0'\nlissen = 1", &["relay.toml", "lissen"][..]),
        (RELAY, "max-viewers = 'many'", &["relay.toml", "max-viewers"]),
        (RELAY, "listen = ", &["relay.toml"]),
        (CAPTURE, "[streams]\ncam = 7", &["relay.toml", "cam"]),
        (CAPTURE, "[streams]\nCam = 'test'", &["Cam", "a-z"]),
        (CAPTURE, "[streams]\ncam = { source = 'test', quality = 101 }", &["cam", "1 to 100"]),
        (
            CAPTURE,
            "[streams]\ncam = 'rtsp://${NOBODY_HAS_SET_THIS}@host/'",
            &["NOBODY_HAS_SET_THIS"],
        ),
    ] {
        let file = site.path("relay.toml");
        fs::write(&file, text).expect("the site's folder is ours");
        let refused = site.run(program, &["--config", &file.to_string_lossy()]);
        note(refused.stderr.trim());
        assert_refused(&refused, words);
    }
}

#[test]
fn a_configuration_can_be_checked_without_starting_anything() {
    let site = Site::new();
    for (program, arguments) in [
        (CAPTURE, &["--stream", "cam=/dev/video99", "--check-config"][..]),
        (RELAY, &["--listen", "0.0.0.0:80", "--insecure", "--check-config"]),
    ] {
        let valid = site.run(program, arguments);
        assert_eq!((valid.code, valid.stderr.as_str()), (Some(0), ""), "{valid:?}");
        assert!(valid.stdout.contains("valid"), "{}", valid.stdout);
    }
}

#[test]
fn the_examples_are_valid() {
    let site = Site::new();
    for (program, example) in [(CAPTURE, "capture.toml"), (RELAY, "relay.toml")] {
        let path = format!("{}/../config/{example}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).expect("it is in the repository");
        let mut command = site.command(program, &["--config", &path, "--check-config"]);
        // The variables that the examples read from the environment.
        command.env("FANLIGHT_TOKEN", "some-long-token");
        for piece in text.split("${").skip(1) {
            command.env(piece.split('}').next().unwrap_or_default(), "some-value");
        }
        let checked = program::run(command);
        assert_eq!(checked.code, Some(0), "{example}: {}", checked.stderr);
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let site = Site::new();
    for program in [CAPTURE, RELAY] {
        let help = site.run(program, &["--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        for option in ["--config", "--check-config", "--log", "Limits:"] {
            assert!(help.stdout.contains(option), "{option} is not in the help of {program}");
        }
        let version = site.run(program, &["--version"]);
        assert_eq!(version.code, Some(0));
        assert!(version.stdout.starts_with(program), "{}", version.stdout);
    }
    let devices = site.run(CAPTURE, &["--list-devices"]);
    assert_eq!((devices.code, devices.stderr.as_str()), (Some(0), ""));
    assert!(!devices.stdout.is_empty());
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let site = Site::new();
    let file = site.path("relay.toml");
    // Each value is wrong in its own way, so that the error shows which one was used.
    fs::write(&file, "max-viewers = 0\n").expect("the site's folder is ours");
    let config = file.to_string_lossy();
    let run = |environment: Option<&str>, flag: Option<&str>| {
        let mut arguments = vec!["--check-config", "--config", &config];
        arguments.extend(flag.iter().flat_map(|flag| ["--max-viewers", flag]));
        let mut command = site.command(RELAY, &arguments);
        if let Some(value) = environment {
            command.env("FANLIGHT_MAX_VIEWERS", value);
        }
        program::run(command)
    };
    assert_refused(&run(None, None), &["--max-viewers 0"]);
    assert_refused(&run(Some("1000001"), None), &["--max-viewers 1000001"]);
    assert_refused(&run(Some("1000001"), Some("2000002")), &["--max-viewers 2000002"]);
    assert_eq!(run(Some("1000001"), Some("5")).code, Some(0));
    assert_eq!(run(Some("5"), None).code, Some(0));
}

#[test]
fn the_obtained_congestion_control_is_reported() {
    let site = Site::new();
    let system = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").expect("Linux");
    // Every Linux kernel has reno. If the requested one is missing, the system's default remains.
    for (requested, obtained) in
        [("reno", "reno"), ("system", system.trim()), ("nosuch", system.trim())]
    {
        let relay = site.relay(&["--congestion", requested]);
        let line = relay.program().says("congestion control");
        let line: Value = serde_json::from_str(&line).expect("one JSON object a line");
        assert_eq!((&line["level"], &line["congestion"]), (&"info".into(), &obtained.into()));
        assert_eq!(relay.congestion(), obtained);
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let site = Site::new();
    let first = site.relay(&[]);
    let address = first.address().to_string();
    let second = site.run(RELAY, &["--listen", &address]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    assert!(
        second.stderr.contains(&address) && second.stderr.contains("--listen"),
        "{}",
        second.stderr
    );
}

#[test]
fn an_endpoint_in_use_is_reported() {
    let site = Site::new();
    let ipc = format!("ipc://{}", site.path("cam.ipc").display());
    let tcp = format!("tcp://127.0.0.1:{}", fanlight_tests::site::free_port());
    for endpoint in [&ipc, &tcp] {
        site.capture(&["--stream", "cam=test:160x90@5", "--publish", endpoint]);
        let second = site.run(CAPTURE, &["--stream", "cam=test:160x90@5", "--publish", endpoint]);
        note(second.stderr.trim());
        assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
        let place = endpoint.split("://").last().unwrap_or_default();
        assert!(second.stderr.contains(place), "{}", second.stderr);
    }
}

#[test]
fn a_password_is_never_printed() {
    let site = Site::new();
    let source = "rtsp://operator:hunter2@127.0.0.1:1/x";
    let file = site.path("capture.toml");
    fs::write(&file, "log-level = 'debug'\n[streams]\nyard = 'rtsp://${YARD_USER}:${YARD_PASSWORD}@127.0.0.1:1/y'\n")
        .expect("the site's folder is ours");
    let by_flag = site.capture(&["--stream", &format!("cam={source}"), "--log-level", "trace"]);
    let mut command =
        site.command(CAPTURE, &["--config", &file.to_string_lossy(), "--log", "json"]);
    command.env("YARD_USER", "operator").env("YARD_PASSWORD", "hunter2");
    let by_file = site.start(command);
    let relay = site.relay(&["--log-level", "trace"]);
    let mut viewer = relay.wall();
    viewer.send_text(r#"{"type":"list"}"#);
    for stream in ["cam", "yard"] {
        let mut reason = String::new();
        while !reason.contains("refused") {
            reason = relay.wait_until(stream, &["offline"]);
        }
        assert!(!reason.contains("hunter2") && !reason.contains("operator"), "{reason}");
        assert!(
            relay.stream(stream)["source"].as_str().is_some_and(|source| source.contains("***"))
        );
    }
    let listed = viewer.until("both streams", |word| {
        let text = serde_json::to_string(word).expect("it was received as JSON");
        (text.contains("cam") && text.contains("yard")).then_some(text)
    });
    let refused = site.run(CAPTURE, &["--stream", &format!("{source}={source}")]);
    assert_eq!(refused.code, Some(2));
    let list = relay.get("/api/streams").text();
    for text in
        [&by_flag.log(), &by_file.log(), &relay.program().log(), &list, &listed, &refused.stderr]
    {
        assert!(!text.contains("hunter2") && !text.contains("operator"), "{text}");
    }
    by_flag.says("***");
}
