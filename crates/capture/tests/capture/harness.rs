//! The harness of these tests: a capture that runs, and a viewer of it on the bus.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser;
use fanlight_bus::{IncomingFrame, PublisherEvent, PublisherId, Subscriber, SubscriberOptions};
use fanlight_capture::StreamSettings;
use fanlight_capture::encode::jpeg::{JpegEncoder, Quality};
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::frame::{CaptureTimes, FrameData};
use fanlight_capture::source::Source;
use fanlight_capture::source::SourceFactory;
use fanlight_capture::source::test_picture::TestPicture;
use fanlight_capture::{Options, Parts, Settings};
use fanlight_cli::stop::Shutdown;
use fanlight_protocol::{Codec, Request, StreamEntry, StreamState, Topic, TrackName};
use fanlight_timecode::Timecode;
use opencv::core::{MatTraitConst, MatTraitConstManual, Vector};
use opencv::imgcodecs::{IMREAD_GRAYSCALE, imdecode};
use tempfile::TempDir;

/// Timeout of every wait: far longer than any working machine needs.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A capture that runs until it is dropped.
pub(crate) struct Capture {
    stop: Shutdown,
    ended: Receiver<()>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    endpoint: String,
    _folder: TempDir,
}

/// Starts a capture of these streams, each `NAME=SOURCE`.
pub(crate) fn capture(streams: &[&str]) -> Capture {
    start(streams, fanlight_capture::run)
}

/// Starts a capture of these streams with these flags.
pub(crate) fn capture_with(streams: &[&str], flags: &[&str]) -> Capture {
    start_with(streams, flags, fanlight_capture::run)
}

/// Starts a capture of these streams with other sources.
pub(crate) fn capture_from(
    streams: &[&str],
    sources: impl Fn(&StreamSettings) -> Box<dyn SourceFactory + Send> + Send + 'static,
) -> Capture {
    start(streams, move |settings, stop| fanlight_capture::run_with(settings, &sources, stop))
}

/// Starts a capture of these streams with other parts.
pub(crate) fn capture_on(
    streams: &[&str],
    flags: &[&str],
    parts: impl FnOnce() -> Parts<'static> + Send + 'static,
) -> Capture {
    start_with(streams, flags, move |settings, stop| {
        fanlight_capture::run_on(settings, &parts(), stop)
    })
}

fn start(
    streams: &[&str],
    run: impl FnOnce(Settings, &Shutdown) -> anyhow::Result<()> + Send + 'static,
) -> Capture {
    start_with(streams, &[], run)
}

fn start_with(
    streams: &[&str],
    flags: &[&str],
    run: impl FnOnce(Settings, &Shutdown) -> anyhow::Result<()> + Send + 'static,
) -> Capture {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/capture.ipc", folder.path().display());
    let mut arguments = vec!["fanlight-capture".to_owned(), "--publish".into(), endpoint.clone()];
    arguments.extend(streams.iter().map(|stream| format!("--stream={stream}")));
    arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let settings = Settings::try_from(Options::parse_from(arguments)).unwrap();
    let stop = Shutdown::new();
    let (end, ended) = mpsc::channel();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let result = run(settings, &stop);
            // Only a test of a capture that exits by itself waits for this.
            end.send(()).unwrap_or_default();
            result
        }
    });
    Capture { stop, ended, thread: Some(thread), endpoint, _folder: folder }
}

impl Capture {
    /// Waits until it exits by itself. Returns the reason.
    pub(crate) fn failure(mut self) -> String {
        self.ended.recv_timeout(SOON).expect("it exits by itself");
        let ended = self.thread.take().unwrap().join().expect("no panic");
        format!("{:#}", ended.expect_err("a failure"))
    }

    /// Stops it. Returns the time until it has ended.
    pub(crate) fn stop(mut self) -> Duration {
        let requested = Instant::now();
        self.end();
        requested.elapsed()
    }

    fn end(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("no error");
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// A viewer that subscribes to one capture on the bus.
pub(crate) struct Viewer {
    subscriber: Subscriber,
    sender: Sender<Received>,
    received: Receiver<Received>,
    publisher: Option<PublisherId>,
    streams: HashMap<String, StreamEntry>,
}

/// A message from the bus.
enum Received {
    PublisherEvent(PublisherEvent),
    Frame(Topic, IncomingFrame),
}

/// Subscribes to a capture.
pub(crate) fn viewer(capture: &Capture) -> Viewer {
    viewer_at(&capture.endpoint)
}

/// Subscribes to the publisher at this endpoint.
pub(crate) fn viewer_at(endpoint: &str) -> Viewer {
    let (sender, received) = mpsc::channel();
    let events = sender.clone();
    let endpoints = vec![endpoint.parse().unwrap()];
    let options = SubscriberOptions { endpoints, ..SubscriberOptions::default() };
    let on_event = move |event| drop(events.send(Received::PublisherEvent(event)));
    let subscriber = Subscriber::start(options, on_event).unwrap();
    Viewer { subscriber, sender, received, publisher: None, streams: HashMap::new() }
}

impl Viewer {
    /// Waits until a stream is in this state. Returns its entry.
    pub(crate) fn until(&mut self, stream: &str, state: StreamState) -> StreamEntry {
        let reached =
            |viewer: &Self| viewer.streams.get(stream).is_some_and(|entry| entry.state == state);
        self.wait(&format!("{stream} {}", state.as_str()), reached);
        self.streams[stream].clone()
    }

    /// Waits until a stream is offline with a reason. Returns its entry.
    pub(crate) fn until_offline(&mut self, stream: &str) -> StreamEntry {
        let failed =
            |entry: &StreamEntry| entry.state == StreamState::Offline && entry.reason != "opening";
        self.wait(&format!("{stream} offline"), |viewer| {
            viewer.streams.get(stream).is_some_and(failed)
        });
        self.streams[stream].clone()
    }

    /// Watches a track: `STREAM`, `STREAM/RENDITION` or `STREAM/RENDITION.CODEC`.
    pub(crate) fn watch(&mut self, track: &str) {
        let topic = topic(track);
        let stream = topic.stream.as_str();
        self.wait("a catalog", |viewer| viewer.streams.contains_key(stream));
        let (sender, of) = (self.sender.clone(), topic.clone());
        let sink = move |frame| drop(sender.send(Received::Frame(of.clone(), frame)));
        self.subscriber.watch(self.publisher.unwrap(), topic, sink);
    }

    /// Stops watching a track.
    pub(crate) fn unwatch(&self, track: &str) {
        self.subscriber.unwatch(self.publisher.unwrap(), topic(track));
    }

    /// Requests a keyframe of a track.
    pub(crate) fn ask_for_keyframe(&self, track: &str) {
        let Topic { stream, track } = topic(track);
        self.subscriber.request(self.publisher.unwrap(), Request::Keyframe { stream, track });
    }

    /// Returns the next frames of a watched track.
    pub(crate) fn frames(&mut self, track: &str, count: usize) -> Vec<IncomingFrame> {
        let wanted = topic(track);
        let (mut frames, mut until) = (Vec::new(), Instant::now() + SOON);
        while frames.len() < count {
            match self.next(&format!("frame {} of {count}", frames.len() + 1), until) {
                Received::Frame(topic, frame) if topic == wanted => {
                    frames.push(frame);
                    until = Instant::now() + SOON;
                }
                _ => {}
            }
        }
        frames
    }

    /// Waits until a stream's entry meets a condition. Returns the entry.
    pub(crate) fn until_so(
        &mut self,
        stream: &str,
        what: &str,
        so: impl Fn(&StreamEntry) -> bool,
    ) -> StreamEntry {
        self.wait(what, |viewer| viewer.streams.get(stream).is_some_and(&so));
        self.streams[stream].clone()
    }

    /// Returns the newest entry of a stream.
    pub(crate) fn entry(&self, stream: &str) -> &StreamEntry {
        &self.streams[stream]
    }

    /// Waits until a condition is met. It is checked at every event, at least once a second.
    pub(crate) fn wait(&mut self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + SOON;
        while !reached(self) {
            self.next(what, until);
        }
    }

    /// Returns the next message. A catalog arrives every second, so every wait has a deadline of its own.
    fn next(&mut self, what: &str, until: Instant) -> Received {
        let received = self.received.recv_timeout(until.saturating_duration_since(Instant::now()));
        let received = received
            .unwrap_or_else(|_| panic!("timeout while waiting for {what}: {:?}", self.streams));
        if let Received::PublisherEvent(PublisherEvent::Catalog { publisher, catalog }) = &received
        {
            self.publisher = Some(*publisher);
            let named = |entry: &StreamEntry| (entry.name.to_string(), entry.clone());
            self.streams = catalog.streams.iter().map(named).collect();
        }
        received
    }
}

fn topic(track: &str) -> Topic {
    let (stream, track) = track.split_once('/').unwrap_or((track, "full"));
    let (rendition, codec) = track.split_once('.').unwrap_or((track, Codec::Jpeg.as_str()));
    let track = TrackName { rendition: rendition.parse().unwrap(), codec: codec.parse().unwrap() };
    Topic { stream: stream.parse().unwrap(), track }
}

/// Decodes H.264 with ffmpeg, which must report no error. Returns the luma of each frame.
pub(crate) fn decoded(frames: &[IncomingFrame]) -> Vec<Vec<u8>> {
    let (width, height) = (frames[0].meta.width as usize, frames[0].meta.height as usize);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "warning", "-flags", "+low_delay", "-f", "h264", "-i", "pipe:0"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the ffmpeg command is installed");
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.to_vec()).collect();
    let mut input = ffmpeg.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let output = ffmpeg.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "ffmpeg: {errors}");
    output.stdout.chunks(width * height).map(<[u8]>::to_vec).collect()
}

/// Reads the timecode from the luma of a frame of this size.
pub(crate) fn timecode_in(luma: &[u8], (width, height): (u32, u32)) -> Option<Timecode> {
    let (width, height) = (width as usize, height as usize);
    Timecode::read(width, height, |x, y| luma[y * width + x])
}

/// Reads the timecode from a JPEG.
pub(crate) fn timecode(frame: &IncomingFrame) -> Option<Timecode> {
    let picture = imdecode(&Vector::from_slice(&frame.payload), IMREAD_GRAYSCALE).unwrap();
    let (width, height) = (picture.cols() as usize, picture.rows() as usize);
    let luma = picture.data_bytes().unwrap();
    Timecode::read(width, height, |x, y| luma[y * width + x])
}

/// Returns the test picture as JPEGs, each at its time.
pub(crate) fn painted(mode: &str) -> impl Iterator<Item = Vec<u8>> {
    let (name, mode) = ("camera".parse().unwrap(), mode.parse().unwrap());
    let mut camera = TestPicture::new(&name, mode, Shutdown::new()).unwrap();
    let mut encoder = JpegEncoder::new(Quality::default());
    std::iter::from_fn(move || {
        let captured_at = camera.grab().unwrap().unwrap().captured_at;
        let FrameData::Pixels(pixels) = camera.retrieve(&Buffers::default()).unwrap() else {
            panic!("a test picture is painted");
        };
        let times = CaptureTimes { captured_at, read_at: captured_at };
        Some(encoder.encode(&pixels, times).unwrap().payload)
    })
}

/// Returns by how much the times of capture differ from the timecodes: the median, in microseconds.
pub(crate) fn claimed_off(frames: &[IncomingFrame]) -> i64 {
    let off =
        |frame: &IncomingFrame| frame.meta.captured_at().micros_from(timecode(frame).unwrap().time);
    let mut off: Vec<i64> = frames.iter().map(off).collect();
    off.sort_unstable();
    off[off.len() / 2]
}

/// Encodes a clip of this many frames at 10 a second, in a temporary folder.
pub(crate) fn clip(frames: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    make_clip(&path, frames);
    (folder, path)
}

/// Encodes a clip of this many frames at 10 a second.
pub(crate) fn make_clip(path: &Path, frames: u32) {
    make_clip_as(path, frames, &["-c:v", "libx264", "-bf", "2"]);
}

/// Encodes a clip of this many frames at 10 a second, with these options of ffmpeg.
pub(crate) fn make_clip_as(path: &Path, frames: u32, options: &[&str]) {
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x180:rate=10",
            "-frames:v",
        ])
        .arg(frames.to_string())
        .args(options)
        .arg(path)
        .status();
    assert!(made.expect("the ffmpeg command is installed").success());
}
