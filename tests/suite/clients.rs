//! Third-party clients.

use fanlight_tests::tools::{python, tool};
use fanlight_tests::{Site, picture, tools};
use fanlight_timecode::Timecode;

#[test]
fn ffmpeg_reads_mjpeg() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let url = relay.url("/streams/cam/mjpeg");
    let mut command = tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-i", &url]);
    command.args(["-frames:v", "10", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let pixels = tools::feed("ffmpeg", command, std::iter::empty());
    let pictures = pixels.chunks_exact(320 * 180);
    let numbers: Vec<u32> = pictures
        .map(|luma| {
            Timecode::read(320, 180, |x, y| luma[y * 320 + x])
                .expect("a timecode in every picture")
                .number
        })
        .collect();
    assert_eq!(numbers.len(), 10);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn curl_reads_snapshots_and_mjpeg() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let snapshot = tool("curl", &["-sS", "--fail", &relay.url("/streams/cam/snapshot")]);
    picture::timecode_of(&tools::feed("curl", snapshot, std::iter::empty()));
    // curl would read forever and ends by its own time limit, so its exit code does not matter.
    let url = relay.url("/streams/cam/mjpeg");
    let mjpeg = tool("curl", &["-sS", "-N", "-i", "--max-time", "2", &url]).output();
    let mjpeg = mjpeg.expect("the package curl").stdout;
    let text = String::from_utf8_lossy(&mjpeg).to_lowercase();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    for line in [
        "http/1.1 200",
        "content-type: multipart/x-mixed-replace; boundary=",
        "x-accel-buffering: no",
        "cache-control: no-store",
    ] {
        assert!(head.contains(line), "{line:?} is not in {head}");
    }
    assert!(body.matches("content-type: image/jpeg").count() > 10, "pictures arrive");
    let status = |path: &str| {
        let options = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"];
        tools::run("curl", tool("curl", &[&options[..], &[&relay.url(path)]].concat()))
    };
    assert_eq!(status("/streams/gate/mjpeg"), "404");
    assert_eq!(status("/"), "200");
}

#[test]
fn opencv_for_python_reads_mjpeg() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let program = "
import cv2, sys
video = cv2.VideoCapture(sys.argv[1])
for _ in range(5):
    there, picture = video.read()
    print(there, picture.shape)
";
    let said = python("python3-opencv", program, &[&relay.url("/streams/cam/mjpeg")]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["True (180, 320, 3)"; 5]);
}

#[test]
fn ten_lines_of_python_read_a_websocket() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let program = "
import sys, websocket
socket = websocket.create_connection(sys.argv[1])
for _ in range(5):
    jpeg = socket.recv()
    print(jpeg[:2].hex(), jpeg[-2:].hex())
socket.close()
";
    let url = relay.url("/streams/cam/ws").replace("http://", "ws://");
    let said = python("python3-websocket", program, &[&url]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["ffd8 ffd9"; 5]);
}
