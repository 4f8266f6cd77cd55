//! Users and passwords: a camera receives them unchanged, and no output contains them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use fanlight_protocol::StreamEntry;

use crate::harness::{painted, viewer_at};
use crate::program::program;

/// `admin` and `p@ss/w#rd` in HTTP Basic authentication.
const LOGIN: &str = "authorization: basic YWRtaW46cEBzcy93I3Jk";

/// Starts a camera that answers each request by `answer`; returns its address.
fn camera(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
            let head: Vec<String> = head.collect();
            // The capture may close the connection first.
            let _ = answer(&head.join("\n"), &mut connection);
        }
    });
    address
}

/// Starts a camera that requires a login as `admin` with `p@ss/w#rd`; returns its address.
fn locked_camera() -> String {
    camera(|head, connection| {
        let (before, after) = LOGIN.split_at("authorization: basic ".len());
        let login = head
            .lines()
            .any(|line| line.to_ascii_lowercase().starts_with(before) && line.ends_with(after));
        if !login {
            let login = "WWW-Authenticate: Basic realm=\"cam\"\r\nContent-Length: 0\r\n";
            return write!(
                connection,
                "HTTP/1.1 401 Unauthorized\r\n{login}Connection: close\r\n\r\n"
            );
        }
        film(connection)
    })
}

/// Sends a test picture, until the capture closes the connection.
fn film(connection: &mut TcpStream) -> std::io::Result<()> {
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=next";
    write!(connection, "HTTP/1.1 200 OK\r\n{kind}\r\n\r\n")?;
    for jpeg in painted("320x180@30") {
        let length = jpeg.len();
        write!(connection, "--next\r\nContent-Length: {length}\r\n\r\n")?;
        connection.write_all(&[&jpeg[..], b"\r\n"].concat())?;
    }
    Ok(())
}

fn redirect(connection: &mut TcpStream, location: &str) -> std::io::Result<()> {
    let head = "Content-Length: 0\r\nConnection: close";
    write!(connection, "HTTP/1.1 302 Found\r\nLocation: {location}\r\n{head}\r\n\r\n")
}

/// Returns a hash by a command of the system, such as `md5sum`.
fn hash(command: &str, text: &str) -> String {
    let mut child = Command::new(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it belongs to every system");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

/// Returns whether a request has the Digest of `admin` with this password, with one of these hashes.
fn has_digest(head: &str, password: &str) -> bool {
    let Some((_, digest)) = head.split_once("Authorization: Digest ") else { return false };
    let digest = digest.lines().next().unwrap_or_default();
    let field = |name: &str| {
        let found = digest.split(',').find_map(|field| {
            let (known, value) = field.trim().split_once('=')?;
            (known == name).then(|| value.trim_matches('"').to_owned())
        });
        found.unwrap_or_default()
    };
    let command = if field("algorithm") == "SHA-256" { "sha256sum" } else { "md5sum" };
    let secret = hash(command, &format!("admin:cam:{password}"));
    let request = hash(command, &format!("GET:{}", field("uri")));
    let (nonce, count, own) = (field("nonce"), field("nc"), field("cnonce"));
    let expected = hash(command, &format!("{secret}:{nonce}:{count}:{own}:auth:{request}"));
    field("response") == expected
}

/// A capture process, which ends when this value is dropped.
struct Running {
    child: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

fn start(streams: &[&str], environment: &[(&str, &str)]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/a.ipc", folder.path().display());
    let mut command = program(&["--publish", &endpoint, "--log-level", "trace"]);
    command.args(streams.iter().map(|stream| format!("--stream={stream}")));
    let child = command.envs(environment.iter().copied()).spawn().unwrap();
    Running { child, endpoint, _folder: folder }
}

impl Running {
    /// Waits until a stream is offline, and ends the capture. Returns the stream's entry, and the text of catalog and
    /// log.
    fn until_offline(mut self, stream: &str) -> (StreamEntry, String) {
        let entry = viewer_at(&self.endpoint).until_offline(stream);
        self.child.kill().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let all = format!("{entry:?} {log}");
        (entry, all)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_password_with_special_characters_works_from_the_environment_and_as_written() {
    let camera = locked_camera();
    let environment =
        [("CAM_USER", "admin"), ("CAM_PASSWORD", "p@ss/w#rd"), ("CAM_LOGIN", "admin:p@ss/w#rd")];
    for source in [
        format!("http://${{CAM_USER}}:${{CAM_PASSWORD}}@{camera}/video"),
        format!("http://${{CAM_LOGIN}}@{camera}/video"),
        format!("http://admin:p%40ss%2fw%23rd@{camera}/video#quality=70"),
        format!("http://admin:p%40ss/w#rd@{camera}/video#quality=70"),
    ] {
        let running = start(&[&format!("cam={source}")], &environment);
        let mut viewer = viewer_at(&running.endpoint);
        viewer.watch("cam");
        assert_eq!(viewer.frames("cam", 2).len(), 2, "{source}");
    }
}

#[test]
fn each_order_of_digests_is_answered_with_the_password_as_it_is() {
    let camera = camera(|head, connection| {
        if has_digest(head, "p@ss/w#rd") {
            return film(connection);
        }
        let digest = |algorithm: &str| {
            let challenge =
                "WWW-Authenticate: Digest realm=\"cam\", nonce=\"5f2b9c\", qop=\"auth\"";
            format!("{challenge}, algorithm={algorithm}\r\n")
        };
        let challenges = match head {
            _ if head.contains("/md5first") => digest("MD5") + &digest("SHA-256"),
            _ if head.contains("/shafirst") => digest("SHA-256") + &digest("MD5"),
            _ if head.contains("/sha") => digest("SHA-256"),
            _ => digest("MD5"),
        };
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close";
        write!(connection, "{head}\r\n{challenges}\r\n")
    });
    let environment = [("CAM_PASSWORD", "p@ss/w#rd")];
    for path in ["md5", "md5first", "shafirst", "sha?x=1"] {
        let source = format!("http://admin:${{CAM_PASSWORD}}@{camera}/{path}");
        let running = start(&[&format!("cam={source}")], &environment);
        let mut viewer = viewer_at(&running.endpoint);
        viewer.watch("cam");
        assert_eq!(viewer.frames("cam", 2).len(), 2, "{path}");
    }
    let source = format!("http://admin:hunter2@{camera}/md5first");
    let (entry, all) = start(&[&format!("cam={source}")], &[]).until_offline("cam");
    assert!(entry.reason.starts_with("login failed"), "{}", entry.reason);
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn a_redirection_keeps_user_and_password_on_the_same_host_only() {
    let locked = locked_camera();
    let (name, port) = locked.split_once(':').unwrap();
    let (here, there) = (locked.clone(), format!("localhost:{port}"));
    assert_eq!(name, "127.0.0.1");
    let moved = camera(move |head, connection| match head {
        _ if head.contains("authorization: basic") || head.contains("Authorization: Basic") => {
            write!(connection, "HTTP/1.1 400 It sends the password without being asked\r\n\r\n")
        }
        _ if head.contains("/away") => redirect(connection, &format!("http://{there}/video")),
        _ => redirect(connection, &format!("http://{here}/video")),
    });
    let login = "admin:p%40ss%2Fw%23rd";
    let running = start(&[&format!("cam=http://{login}@{moved}/moved")], &[]);
    let mut viewer = viewer_at(&running.endpoint);
    viewer.watch("cam");
    assert_eq!(viewer.frames("cam", 2).len(), 2);
    // The camera has one client at a time.
    drop(running);
    let (entry, _) =
        start(&[&format!("cam=http://{login}@{moved}/away")], &[]).until_offline("cam");
    let reason = format!("login required: {moved} redirects to localhost:{port}");
    assert!(entry.reason.starts_with(&reason), "{}", entry.reason);
}

#[test]
fn a_password_with_separators_is_read_and_not_shown_if_an_address_follows() {
    for source in [
        "http://admin:pa@hunter2/x@127.0.0.1:1/live",
        "http://rootuser:1234/56@127.0.0.1:1/live",
        "rtsp://admin:77#88@127.0.0.1:1/live",
    ] {
        let (entry, all) = start(&[&format!("cam={source}")], &[]).until_offline("cam");
        assert_eq!(entry.reason, "refused: no server listens at 127.0.0.1:1");
        for secret in ["hunter2", "rootuser", "1234", "admin", "77#88"] {
            assert!(!all.contains(secret), "{source}: {secret} in {all}");
        }
    }
}

#[test]
fn no_part_of_a_password_is_in_the_catalog_or_log_of_a_failed_source() {
    let away = camera(|_, connection| {
        let to = "Location: http://admin:hunter2@127.0.0.1:1/live?token=hunter2";
        write!(
            connection,
            "HTTP/1.1 302 Found\r\n{to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    });
    let locked = locked_camera();
    for (source, host) in [
        (format!("http://rootuser:hunter2@{locked}/live"), locked.as_str()),
        ("rtsp://rootuser:hunter2/x77@127.0.0.1:1/live".to_owned(), "127.0.0.1:1"),
        ("rtsp://rootuser:x77#hunter2=y88@camera.invalid/live".to_owned(), "camera.invalid:554"),
        ("http://${U}:${P}@127.0.0.1:1/${P}?k=${P}".to_owned(), "127.0.0.1:1"),
        (format!("http://{away}/live"), away.as_str()),
    ] {
        let environment = [("U", "rootuser"), ("P", "x77@hunter2/y88")];
        let (entry, all) = start(&[&format!("cam={source}")], &environment).until_offline("cam");
        assert!(entry.reason.contains(host), "{source}: {}", entry.reason);
        for secret in ["rootuser", "hunter2", "x77", "y88"] {
            assert!(!all.contains(secret), "{source}: {secret} in {all}");
        }
    }
}

#[test]
fn an_ambiguous_source_is_refused_and_not_shown() {
    let output = |stream: &str| {
        let Output { status, stderr, .. } =
            program(&["--check-config", "--stream", stream]).output().unwrap();
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    };
    for stream in [
        "cam=rtsp://admin:pa@hunter2/x@cam/live",
        "cam=rtsp://hunter2:1234/56@cam/live",
        "cam=rtsp://admin:77#88@hunter2/x@cam/live",
        "cam=http://cam/hunter2#hunter2",
        "cam=rtsp:/admin:hunter2@cam/live",
        "cam=admin:hunter2@cam/live",
        "cam=1234:hunter2@cam/live",
        "rtsp://admin:hunt=hunter2@cam/live",
        "rtsp://hunter2:12=34@cam/live",
    ] {
        let (code, text) = output(stream);
        assert_eq!(code, Some(2), "{stream}: {text}");
        for secret in ["hunter2", "hunt", "1234", "77", "88"] {
            assert!(!text.contains(secret), "{stream}: {text}");
        }
    }
    let (_, text) = output("cam=rtsp://admin:1234/56@cam/live");
    assert!(text.contains("--stream cam") && text.contains("'/' as %2F"), "{text}");
}
