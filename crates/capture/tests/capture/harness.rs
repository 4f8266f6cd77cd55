//! The vocabulary of the tests: a capture that runs, and a viewer of it on the bus.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser;
use fanlight_bus::{Event, IncomingFrame, PublisherId, Subscriber, SubscriberOptions};
use fanlight_capture::StreamSettings;
use fanlight_capture::encode::jpeg::{JpegEncoder, Quality};
use fanlight_capture::hand_over::Buffers;
use fanlight_capture::picture::{Picture, Taken};
use fanlight_capture::source::Opener;
use fanlight_capture::source::Source;
use fanlight_capture::source::test_picture::TestPicture;
use fanlight_capture::{Options, Settings};
use fanlight_program::stop::Shutdown;
use fanlight_protocol::{Codec, StreamEntry, StreamState, Topic, TrackName};
use fanlight_stamp::Stamp;
use opencv::core::{MatTraitConst, MatTraitConstManual, Vector};
use opencv::imgcodecs::{IMREAD_GRAYSCALE, imdecode};
use tempfile::TempDir;

/// What is waited for comes within this time, or never. Far longer than on any machine that works.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A capture that runs until it is dropped.
pub(crate) struct Capture {
    stop: Shutdown,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    endpoint: String,
    _folder: TempDir,
}

/// Starts a capture of these streams, each `NAME=SOURCE`.
pub(crate) fn capture(streams: &[&str]) -> Capture {
    start(streams, fanlight_capture::run)
}

/// Starts a capture of these streams, whose sources are opened by others.
pub(crate) fn capture_from(
    streams: &[&str],
    openers: impl Fn(&StreamSettings) -> Box<dyn Opener + Send> + Send + 'static,
) -> Capture {
    start(streams, move |settings, stop| fanlight_capture::run_with(settings, &openers, stop))
}

fn start(
    streams: &[&str],
    run: impl FnOnce(Settings, &Shutdown) -> anyhow::Result<()> + Send + 'static,
) -> Capture {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/capture.ipc", folder.path().display());
    let mut arguments = vec!["fanlight-capture".to_owned(), "--publish".into(), endpoint.clone()];
    arguments.extend(streams.iter().map(|stream| format!("--stream={stream}")));
    let settings = Settings::try_from(Options::parse_from(arguments)).unwrap();
    let stop = Shutdown::new();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || run(settings, &stop)
    });
    Capture { stop, thread: Some(thread), endpoint, _folder: folder }
}

impl Capture {
    /// Waits until it ends by itself; returns why.
    pub(crate) fn failure(mut self) -> String {
        let ended = self.thread.take().unwrap().join().expect("no panic");
        format!("{:#}", ended.expect_err("a failure"))
    }

    /// Stops it; returns how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let asked = Instant::now();
        self.end();
        asked.elapsed()
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

/// Follows one capture over the bus.
pub(crate) struct Viewer {
    subscriber: Subscriber,
    events: Receiver<Event>,
    publisher: Option<PublisherId>,
    streams: HashMap<String, StreamEntry>,
}

/// Starts to follow a capture.
pub(crate) fn viewer(capture: &Capture) -> Viewer {
    viewer_at(&capture.endpoint)
}

/// Starts to follow whoever publishes there.
pub(crate) fn viewer_at(endpoint: &str) -> Viewer {
    let (tell, events) = mpsc::channel();
    let endpoints = vec![endpoint.parse().unwrap()];
    let options = SubscriberOptions { endpoints, folder: None };
    let subscriber = Subscriber::start(options, move |event| drop(tell.send(event))).unwrap();
    Viewer { subscriber, events, publisher: None, streams: HashMap::new() }
}

impl Viewer {
    /// Waits until a stream is in this state; returns its entry.
    pub(crate) fn until(&mut self, stream: &str, state: StreamState) -> StreamEntry {
        let reached =
            |viewer: &Self| viewer.streams.get(stream).is_some_and(|entry| entry.state == state);
        self.wait(&format!("{stream} {}", state.as_str()), reached);
        self.streams[stream].clone()
    }

    /// Waits until a stream is offline for a reason; returns its entry.
    pub(crate) fn until_offline(&mut self, stream: &str) -> StreamEntry {
        let failed =
            |entry: &StreamEntry| entry.state == StreamState::Offline && entry.reason != "opening";
        self.wait(&format!("{stream} offline"), |viewer| {
            viewer.streams.get(stream).is_some_and(failed)
        });
        self.streams[stream].clone()
    }

    /// Asks for the pictures of a track, `STREAM` or `STREAM/RENDITION`.
    pub(crate) fn watch(&mut self, track: &str) {
        let topic = topic(track);
        let stream = topic.stream.as_str();
        self.wait("a catalog", |viewer| viewer.streams.contains_key(stream));
        self.subscriber.watch(self.publisher.unwrap(), topic);
    }

    /// Asks for them no more.
    pub(crate) fn unwatch(&self, track: &str) {
        self.subscriber.unwatch(self.publisher.unwrap(), topic(track));
    }

    /// The next pictures of a track that is watched.
    pub(crate) fn frames(&mut self, track: &str, count: usize) -> Vec<IncomingFrame> {
        let wanted = topic(track);
        let mut frames = Vec::new();
        while frames.len() < count {
            match self.next(&format!("picture {} of {count}", frames.len() + 1)) {
                Event::Frame { topic, frame, .. } if *topic == wanted => frames.push(frame),
                _ => {}
            }
        }
        frames
    }

    /// What the catalog says of a stream once something is so.
    pub(crate) fn until_so(
        &mut self,
        stream: &str,
        what: &str,
        so: impl Fn(&StreamEntry) -> bool,
    ) -> StreamEntry {
        self.wait(what, |viewer| viewer.streams.get(stream).is_some_and(&so));
        self.streams[stream].clone()
    }

    /// Waits until this is so; looked at whenever something is heard, at least once a second.
    pub(crate) fn wait(&mut self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        while !reached(self) {
            self.next(what);
        }
    }

    fn next(&mut self, what: &str) -> Event {
        let event = self.events.recv_timeout(SOON);
        let event =
            event.unwrap_or_else(|_| panic!("waited in vain for {what}: {:?}", self.streams));
        if let Event::Catalog { publisher, catalog } = &event {
            self.publisher = Some(*publisher);
            let named = |entry: &StreamEntry| (entry.name.to_string(), entry.clone());
            self.streams = catalog.streams.iter().map(named).collect();
        }
        event
    }
}

fn topic(track: &str) -> Topic {
    let (stream, rendition) = track.split_once('/').unwrap_or((track, "full"));
    let track = TrackName { rendition: rendition.parse().unwrap(), codec: Codec::Jpeg };
    Topic { stream: stream.parse().unwrap(), track }
}

/// The stamp painted into a picture.
pub(crate) fn stamp(frame: &IncomingFrame) -> Option<Stamp> {
    let picture = imdecode(&Vector::from_slice(&frame.payload), IMREAD_GRAYSCALE).unwrap();
    let (width, height) = (picture.cols() as usize, picture.rows() as usize);
    let luma = picture.data_bytes().unwrap();
    Stamp::read(width, height, |x, y| luma[y * width + x])
}

/// The test picture as JPEGs, each when its time has come.
pub(crate) fn painted(mode: &str) -> impl Iterator<Item = Vec<u8>> {
    let (name, mode) = ("camera".parse().unwrap(), mode.parse().unwrap());
    let mut camera = TestPicture::new(&name, mode, Shutdown::new()).unwrap();
    let mut encoder = JpegEncoder::new(Quality::default());
    std::iter::from_fn(move || {
        let captured_at = camera.grab().unwrap().unwrap().captured_at;
        let Picture::Pixels(pixels) = camera.retrieve(&Buffers::default()).unwrap() else {
            panic!("a test picture is painted");
        };
        let taken = Taken { captured_at, read_at: captured_at };
        Some(encoder.encode(&pixels, taken).unwrap().payload)
    })
}

/// How much older than its stamp each picture claims to be, in microseconds, the median of them.
pub(crate) fn claimed_off(frames: &[IncomingFrame]) -> i64 {
    let off = |frame: &IncomingFrame| frame.captured_at.micros_from(stamp(frame).unwrap().time);
    let mut off: Vec<i64> = frames.iter().map(off).collect();
    off.sort_unstable();
    off[off.len() / 2]
}

/// A clip of so many pictures at 10 a second, in a folder that goes with it.
pub(crate) fn clip(pictures: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    make_clip(&path, pictures);
    (folder, path)
}

/// Makes a clip of so many pictures at 10 a second.
pub(crate) fn make_clip(path: &Path, pictures: u32) {
    make_clip_as(path, pictures, &["-c:v", "libx264", "-bf", "2"]);
}

/// Makes a clip of so many pictures at 10 a second, with these options of ffmpeg.
pub(crate) fn make_clip_as(path: &Path, pictures: u32, options: &[&str]) {
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
        .arg(pictures.to_string())
        .args(options)
        .arg(path)
        .status();
    assert!(made.expect("the ffmpeg command is installed").success());
}
