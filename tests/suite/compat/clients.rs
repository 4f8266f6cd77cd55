//! Clients of other servers.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanlight_tests::tools::{self, python, tool};
use fanlight_tests::{eventually, picture};

use super::{DOOR, WALL, YARD, exchange, has_head, site, size, started, status, with_table};

#[test]
fn mainsail_reads_streams_and_polls_snapshots() {
    let (_site, relay) = site(&["--allow-origin", "http://printer.local"]);
    relay.wait_for("yard");
    // Its worker fetches the stream with CORS, and finds pictures by the Content-Length of each part.
    let request = "GET /?action=stream&stream=yard&timestamp=1764550000000 HTTP/1.1\r\n\
         Host: 127.0.0.1\r\nOrigin: http://printer.local\r\nSec-Fetch-Mode: cors\r\n\
         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: empty\r\nAccept: */*\r\n\r\n";
    let answer = exchange(&relay, request, |answer| parts(answer).len() >= 3);
    let head = String::from_utf8_lossy(&answer[..400]).to_lowercase();
    assert!(head.contains("access-control-allow-origin: http://printer.local\r\n"), "{head}");
    for part in parts(&answer) {
        assert_eq!(size(&part), YARD);
    }
    // An <img> of the adaptive streamer.
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")];
    for bypass in 1..5 {
        let path = format!("/?action=snapshot&stream=yard&bypassCache={bypass}");
        assert_eq!(relay.get_with(&path, &image).status, 200);
    }
}

/// Returns the whole pictures in an answer, found as Mainsail's worker does: a head that ends with the start of a JPEG
/// and has its length.
fn parts(answer: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = answer;
    while let Some(start) = rest.windows(2).position(|two| two == [0xff, 0xd8]) {
        let head = String::from_utf8_lossy(&rest[..start]).to_lowercase();
        let length = head.lines().rev().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.expect("a length").trim().parse().expect("a number");
        // It shows a picture when a byte after it arrives.
        let Some(picture) = rest.get(start..=start + length) else { break };
        parts.push(picture[..length].to_vec());
        rest = &rest[start + length..];
    }
    parts
}

#[test]
fn home_assistant_checks_an_address_and_then_shows_it() {
    let (_site, relay) = with_table();
    let basic = STANDARD.encode(format!("homeassistant:{WALL}"));
    // Its set-up, with requests: it reads the status of each address and closes the connection.
    for path in ["/?action=stream", "/?action=snapshot"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: python-requests/2.34.2\r\n\
             Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\
             Authorization: Basic {basic}\r\n\r\n"
        );
        assert_eq!(status(&exchange(&relay, &request, has_head)), "200", "{path}");
        let wrong = request.replace(&basic, &STANDARD.encode("homeassistant:wrong-token-42"));
        assert_eq!(status(&exchange(&relay, &wrong, has_head)), "401", "{path}");
    }
    // Its camera, with aiohttp: it forwards the answer as it is, with its Content-Type.
    let request = format!(
        "GET /stream?stream=yard HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\
         Accept-Encoding: gzip, deflate\r\nUser-Agent: Python/3.11 aiohttp/3.14.5\r\n\
         Authorization: Basic {basic}\r\n\r\n"
    );
    let answer = exchange(&relay, &request, |answer| parts(answer).len() >= 2);
    let head = String::from_utf8_lossy(&answer[..400]).to_lowercase();
    assert!(head.contains("content-type: multipart/x-mixed-replace; boundary="), "{head}");
    assert!(!head.contains("content-encoding"), "{head}");
    assert_eq!(size(&parts(&answer)[1]), YARD);
}

#[test]
fn octoprint_takes_snapshots_with_and_without_a_login() {
    let (_site, relay) = with_table();
    let basic = STANDARD.encode(format!("octoprint:{WALL}"));
    for authorization in [format!("Basic {basic}"), format!("Bearer {WALL}")] {
        let request = format!(
            "GET /?action=snapshot&stream=door HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
             Connection: keep-alive\r\nAuthorization: {authorization}\r\n\r\n"
        );
        let whole = |answer: &[u8]| {
            let text = String::from_utf8_lossy(answer).to_lowercase();
            let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.expect("a length").parse().expect("a number");
            let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
            answer.len() >= end + length
        };
        let answer = exchange(&relay, &request, whole);
        assert_eq!(status(&answer), "200");
        let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        assert_eq!(size(&answer[end..]), DOOR);
    }
}

#[test]
fn moonraker_timelapse_saves_a_frame_with_wget() {
    let (site, relay) = started();
    let file = site.path("frame000001.jpg");
    let url = relay.url("/?action=snapshot");
    let mut command = tool("wget", &[url.as_str(), "-O"]);
    command.arg(&file);
    tools::run("wget", command);
    assert_eq!(size(&fs::read(file).expect("wget has written it")), DOOR);
}

#[test]
fn curl_reads_every_snapshot() {
    let (_site, relay) = started();
    for path in ["/?action=snapshot", "/snapshot?topic=/yard/image", "/api/frame.jpeg?src=yard"] {
        let command = tool("curl", &["-sS", "--fail", &relay.url(path)]);
        picture::timecode_of(&tools::feed("curl", command, std::iter::empty()));
    }
}

#[test]
fn ffmpeg_and_opencv_read_every_mjpeg() {
    let (_site, relay) = started();
    let program = "
import cv2, sys
for url in sys.argv[1:]:
    video = cv2.VideoCapture(url)
    for _ in range(3):
        there, picture = video.read()
        print(there, picture.shape)
";
    let paths =
        ["/?action=stream&stream=yard", "/api/stream.mjpeg?src=yard", "/stream?topic=/yard/i"];
    let urls: Vec<String> = paths.iter().map(|path| relay.url(path)).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let said = python("python3-opencv", program, &urls);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["True (360, 640, 3)"; 9]);
    for url in urls {
        let mut command = tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-i", url]);
        command.args(["-frames:v", "3", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
        let pixels = tools::feed("ffmpeg", command, std::iter::empty());
        assert_eq!(pixels.len(), 3 * 640 * 360, "{url}");
    }
}

#[test]
fn gstreamer_reads_mjpeg() {
    let (_site, relay) = started();
    let program = "
import sys, gi
gi.require_version('Gst', '1.0')
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(
    f'souphttpsrc location={sys.argv[1]} is-live=true ! multipartdemux ! jpegdec ! fakesink num-buffers=5 name=end')
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
print('nothing' if message is None else message.type.first_value_nick)
caps = pipeline.get_by_name('end').get_static_pad('sink').get_current_caps().get_structure(0)
print(caps.get_value('width'), caps.get_value('height'))
pipeline.set_state(Gst.State.NULL)
";
    let said = python("gstreamer1.0-plugins-good", program, &[&relay.url("/?action=stream_1")]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["eos", "640 360"]);
}

/// A user without rights: VLC refuses to run as root, as in a container.
const NOBODY: u32 = 65534;

#[test]
fn vlc_shows_pictures() {
    let (site, relay) = started();
    let folder = tempfile::tempdir().expect("a folder for the pictures");
    let arguments = ["cvlc", "--no-audio", "--vout", "dummy", "--video-filter", "scene"];
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("we may");
            let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            tool("setpriv", &[&user[..], &["--clear-groups".to_owned()]].concat())
        }
        false => tool("env", &[""; 0]),
    };
    command.args(arguments).args(["--scene-ratio", "1", "--scene-format", "jpg", "--scene-path"]);
    command.arg(folder.path()).arg(relay.url("/?action=stream&stream=yard"));
    command.env("HOME", folder.path());
    site.start(command);
    // VLC's filter rounds the height up to whole blocks.
    let is_picture = |path: &Path| {
        let picture = fs::read(path).ok().and_then(|jpeg| image::load_from_memory(&jpeg).ok());
        picture.is_some_and(|picture| picture.width() == YARD.0)
    };
    eventually("VLC has saved what it shows", || {
        let files = fs::read_dir(folder.path()).expect("the folder is ours");
        let whole = files.flatten().filter(|file| is_picture(&file.path())).count();
        (whole >= 3).then_some(())
    });
}

#[test]
fn node_reads_mjpeg() {
    let (_site, relay) = started();
    let program = "
const request = require('http').get(process.argv[1], (answer) => {
  let bytes = Buffer.alloc(0);
  answer.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const head = /Content-Length: (\\d+)[^]*?\\r\\n\\r\\n/.exec(bytes.toString('latin1'));
      if (!head || bytes.length < head.index + head[0].length + Number(head[1])) return;
      const start = head.index + head[0].length;
      const jpeg = bytes.subarray(start, start + Number(head[1]));
      console.log(jpeg.subarray(0, 2).toString('hex'), jpeg.subarray(-2).toString('hex'));
      bytes = bytes.subarray(start + jpeg.length);
      if ((request.seen = (request.seen ?? 0) + 1) === 3) process.exit(0);
    }
  });
});
";
    let said =
        tools::run("nodejs", tool("node", &["-e", program, &relay.url("/stream?stream=yard")]));
    assert_eq!(said.lines().collect::<Vec<_>>(), ["ffd8 ffd9"; 3]);
}
