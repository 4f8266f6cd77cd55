//! Third-party programs that publish, with the lines that their users write.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fanlight_tests::clip::{self, Encoding};
use fanlight_tests::picture::timecode_of;
use fanlight_tests::pusher::jpeg;
use fanlight_tests::tools::{PYTHON, python, run, tool};
use fanlight_tests::viewer::Frame;
use fanlight_tests::{Program, Relay, Site, h264};

fn url(relay: &Relay, stream: &str) -> String {
    relay.url(&format!("/streams/{stream}/publish"))
}

/// Writes a picture into a file; returns its path.
fn picture(site: &Site, number: u32) -> PathBuf {
    let path = site.path(&format!("{number}.jpg"));
    std::fs::write(&path, jpeg(number)).unwrap();
    path
}

fn newest(relay: &Relay, stream: &str) -> u32 {
    let snapshot = relay.get(&format!("/streams/{stream}/snapshot?max_age=60s"));
    assert_eq!(snapshot.status, 200, "{}", snapshot.text());
    timecode_of(&snapshot.body).number
}

/// Asserts that a viewer gets pictures of a clip, in order.
fn assert_shows_clip(relay: &Relay, stream: &str) {
    let frames = relay.viewer(stream).frames(30);
    let numbers: Vec<u32> = frames.iter().map(|frame| frame.timecode().number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

/// Starts ffmpeg, which publishes a clip in real time.
fn ffmpeg(site: &Site, relay: &Relay, clip: &Path, stream: &str, output: &[&str]) -> Arc<Program> {
    let mut command = tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-re", "-i"]);
    command.arg(clip).args(output).args(["-method", "POST"]).arg(url(relay, stream));
    site.start(command)
}

#[test]
fn ffmpeg_publishes_mjpeg() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let clip = site.path("clip.avi");
    clip::make(&clip, Encoding::Mjpeg, 300);
    let parts = ["-c", "copy", "-f", "mpjpeg"];
    let killed = ffmpeg(&site, &relay, &clip, "parts", &parts);
    ffmpeg(&site, &relay, &clip, "bytes", &["-c", "copy", "-f", "mjpeg"]);
    assert_shows_clip(&relay, "parts");
    assert_shows_clip(&relay, "bytes");
    assert_eq!(relay.metric("fanlight_publishers{transport=\"body\"}"), 2);
    killed.kill();
    relay.wait_until("parts", &["offline"]);
    ffmpeg(&site, &relay, &clip, "parts", &parts);
    assert_shows_clip(&relay, "parts");
    relay.wait_until("bytes", &["offline"]);
}

#[test]
fn ffmpeg_publishes_h264_and_late_joiners_can_decode_it() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let clip = site.path("clip.mp4");
    clip::make(&clip, Encoding::H264, 600);
    ffmpeg(
        &site,
        &relay,
        &clip,
        "copy",
        &["-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264"],
    );
    relay.viewer_with("copy", "\"codec\":\"h264\"").frames(5);
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "60"];
    let output = [&encoded[..], &["-pix_fmt", "yuv420p", "-f", "h264"]].concat();
    ffmpeg(&site, &relay, &clip, "film", &output);
    relay.wait_for("film");
    assert_eq!(relay.stream("film")["tracks"][0]["codec"], "h264");
    let mut first = relay.viewer_with("film", "\"codec\":\"h264\"");
    first.frames(20);
    // A viewer that joins in the middle of a GOP begins with its keyframe.
    let mut late = relay.viewer_with("film", "\"codec\":\"h264\"");
    let frames: Vec<Frame> = late.frames(40);
    assert!(frames[0].is_keyframe);
    let numbers: Vec<u32> =
        h264::timecodes(&frames, (320, 180)).iter().map(|read| read.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn curl_publishes_files() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let address = url(&relay, "cam");
    let curl = |arguments: &[&str]| {
        let arguments = [&["-sS", "--fail-with-body"], arguments, &[&address]].concat();
        run("curl", tool("curl", &arguments))
    };
    let path = |number| picture(&site, number).to_str().unwrap().to_owned();
    curl(&["-T", &path(1)]);
    assert_eq!(newest(&relay, "cam"), 1);
    curl(&["-X", "POST", "--data-binary", &format!("@{}", path(2))]);
    assert_eq!(newest(&relay, "cam"), 2);
    curl(&["-F", &format!("picture=@{}", path(3))]);
    assert_eq!(newest(&relay, "cam"), 3);
    // Several files over one connection.
    let files = [path(4), path(5)];
    let several = [&["-T", &files[0], &address, "-T"], &[files[1].as_str()][..]].concat();
    curl(&several);
    assert_eq!(newest(&relay, "cam"), 5);
    assert_eq!(relay.metric("fanlight_ingested_frames_total{transport=\"post\"}"), 5);
}

#[test]
fn python_publishes_over_a_websocket() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let program = "
import sys, websocket
socket = websocket.create_connection(sys.argv[1])
for name in sys.argv[2:]:
    socket.send_binary(open(name, 'rb').read())
socket.close()
print('sent')
";
    let path = picture(&site, 11);
    let address = url(&relay, "script").replace("http://", "ws://");
    let said = python("python3-websocket", program, &[&address, path.to_str().unwrap()]);
    assert_eq!(said.trim(), "sent");
    relay.wait_until("script", &["offline"]);
    assert_eq!(relay.metric("fanlight_ingested_frames_total{transport=\"ws\"}"), 1);
}

#[test]
fn node_publishes_with_fetch() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let program = "
const [url, file] = process.argv.slice(1)
const body = require('fs').readFileSync(file)
for (let n = 0; n < 3; n++) {
    const answer = await fetch(url, { method: 'PUT', body })
    console.log(answer.status)
}
";
    let path = picture(&site, 12);
    let mut command = tool("node", &["--input-type=module", "-e"]);
    let program = program.replace("require('fs')", "(await import('fs'))");
    command.arg(program).arg(url(&relay, "node")).arg(&path);
    assert_eq!(run("nodejs", command), "204\n204\n204\n");
    assert_eq!(newest(&relay, "node"), 12);
}

#[test]
fn gstreamer_publishes_jpeg_and_h264() {
    let site = Site::new();
    let relay = site.relay(&[]);
    let program = "
import sys, gi
gi.require_version('Gst', '1.0')
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1])
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(
    Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
print(message.type.value_nicks)
";
    let start = |stream: &str, encoder: &str| {
        let mut line =
            "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=20/1 "
                .to_owned();
        write!(line, "! {encoder} ! souphttpclientsink location={}", url(&relay, stream)).unwrap();
        let mut command = Command::new(PYTHON);
        command.args(["-c", program, &line]);
        site.start(command);
    };
    start("jpeg", "jpegenc");
    start("parts", "jpegenc ! multipartmux");
    // Without h264parse: the sink drops the buffers that it marks as headers, which are the keyframes.
    start(
        "film",
        "x264enc tune=zerolatency key-int-max=20 bframes=0 ! video/x-h264,stream-format=byte-stream",
    );
    relay.viewer("jpeg").frames(20);
    relay.viewer("parts").frames(20);
    relay.wait_for("film");
    let frames = relay.viewer_with("film", "\"codec\":\"h264\"").frames(20);
    h264::check(&frames);
}
