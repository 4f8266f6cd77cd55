//! Leaks: a source that fails often leaves no files, threads or memory behind.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fanlight_capture::backoff::Backoff;
use fanlight_capture::frame::RawFrame;
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::source::lifecycle::{self, FrameReceiver, PushError, RetryPolicy};
use fanlight_capture::source::{About, ConfiguredSource, Source, SourceError, SourceFactory};
use fanlight_capture::status::SourceStatus;
use fanlight_capture::threads::signal::Signal;
use fanlight_capture::threads::watchdog::Watchdog;
use fanlight_cli::stop::Shutdown;
use opencv::core::Mat;

use crate::harness::{capture, clip, viewer};

const TIMES: u64 = 1000;
/// After this many openings, everything that is kept permanently exists.
const WARM: u64 = 200;
/// More than the noise of allocators, less than a leak of one page for each opening.
const MAX_GROWTH: i64 = (TIMES - WARM) as i64 * 4096;

/// Runs a test in a process of its own, because the other tests of this process open files and threads at the same
/// time.
fn alone(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ALONE", "yes")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_alone() -> bool {
    std::env::var_os("ALONE").is_some()
}

/// Accepts frames and discards them.
#[derive(Default)]
struct Discard {
    frames: Cell<u64>,
    buffers: Buffers,
}

/// Opens a source, and ends the run after [`TIMES`] openings.
struct Counted {
    source: ConfiguredSource,
    openings: u64,
    before: Resources,
    watchdog: Watchdog,
}

impl SourceFactory for Counted {
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        self.openings += 1;
        match self.openings {
            WARM => self.before = Resources::now(),
            TIMES => self.watchdog.stop(),
            _ => {}
        }
        self.source.open(stop)
    }

    fn check(&self) -> Result<(), SourceError> {
        self.source.check()
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        self.source.clone_box()
    }
}

/// The resources of this process.
#[derive(Debug, Clone, Copy, Default)]
struct Resources {
    files: usize,
    threads: usize,
    memory: i64,
}

impl Resources {
    fn now() -> Self {
        let count = |folder: &str| fs::read_dir(folder).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = rss.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024;
        Self { files: count("/proc/self/fd"), threads: count("/proc/self/task"), memory }
    }

    /// Waits until they satisfy `few`, because the test's camera closes the last connections a little later. A leak
    /// never does.
    fn once(few: impl Fn(&Self) -> bool) -> Self {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now();
            if few(&now) || Instant::now() >= until {
                return now;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl FrameReceiver for Discard {
    fn is_watched(&self) -> bool {
        true
    }
    fn wait_for_viewer(&self, _: Duration) {}
    fn buffers(&self) -> &Buffers {
        &self.buffers
    }
    fn opened(&self, _: &About) {}
    fn push(&self, _: RawFrame) -> Result<(), PushError> {
        self.frames.set(self.frames.get() + 1);
        Ok(())
    }
    fn pause(&self, _: bool) {}
    fn count_damaged(&self) {}
    fn count_dropped(&self, _: u64) {}
}

/// Opens a source many times, each time for a few frames.
fn open_repeatedly(source: &str) {
    fanlight_capture::native::prepare();
    let name: fanlight_protocol::StreamName = "cam".parse().unwrap();
    let spec: fanlight_capture::source::SourceSpec = source.parse().unwrap();
    let status = SourceStatus::new(name.clone(), &spec, Signal::default());
    let watchdog = Watchdog::default();
    let sink = Discard::default();
    let source = ConfiguredSource::new(spec, name);
    let before = Resources::default();
    let mut factory = Counted { source, openings: 0, before, watchdog: watchdog.clone() };
    while !watchdog.is_stopped() {
        let policy = RetryPolicy { backoff: Backoff::none(), keep_open: false };
        lifecycle::run(&mut factory, policy, &sink, &status, &watchdog);
    }
    assert!(sink.frames.get() >= TIMES / 2, "{} frames", sink.frames.get());
    let before = factory.before;
    let after = Resources::once(|now| now.files <= before.files && now.threads <= before.threads);
    assert!(after.files <= before.files && after.threads <= before.threads, "{before:?} {after:?}");
    assert!(after.memory - before.memory < MAX_GROWTH, "{before:?} {after:?}");
}

/// Starts a camera that closes each connection after three frames; returns its URL.
fn closing_camera() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let grey = Mat::new_rows_cols_with_default(
        48,
        64,
        opencv::core::CV_8UC3,
        opencv::core::Scalar::all(90.0),
    );
    let mut jpeg = opencv::core::Vector::<u8>::new();
    opencv::imgcodecs::imencode(".jpg", &grey.unwrap(), &mut jpeg, &Default::default()).unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n--next\r\n";
    let part = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    let part = [part.as_bytes(), jpeg.as_slice(), b"\r\n--next\r\n"].concat();
    let answer = [head.as_bytes(), &part, &part, &part].concat();
    thread::spawn(move || {
        for connection in listener.incoming() {
            // The capture may close the connection first.
            let _ = connection.and_then(|connection| answer_once(connection, &answer));
        }
    });
    format!("http://{address}/")
}

fn answer_once(mut connection: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    // Closing with an unread request would reset the connection, which discards the response.
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    connection.write_all(answer)
}

#[test]
fn a_camera_that_closes_a_thousand_connections_causes_no_leak() {
    match is_alone() {
        true => open_repeatedly(&closing_camera()),
        false => alone("leaks::a_camera_that_closes_a_thousand_connections_causes_no_leak"),
    }
}

#[test]
fn a_file_that_is_opened_a_thousand_times_causes_no_leak() {
    if !is_alone() {
        return alone("leaks::a_file_that_is_opened_a_thousand_times_causes_no_leak");
    }
    let (_folder, clip) = clip(1);
    open_repeatedly(&format!("{}?loop=0", clip.display()));
}

#[test]
fn an_encoder_without_viewers_is_released() {
    if !is_alone() {
        return alone("leaks::an_encoder_without_viewers_is_released");
    }
    // At this size, x264 has threads of its own.
    let capture = capture(&["cam=test:2048x1152@10"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 2);
    let without = Resources::now().threads;
    viewer.watch("cam/full.h264");
    viewer.frames("cam/full.h264", 2);
    let with = Resources::now().threads;
    assert!(with > without, "{with} {without}");
    viewer.unwatch("cam/full.h264");
    viewer.frames("cam", 2);
    let after = Resources::once(|now| now.threads <= without).threads;
    assert!(after <= without, "{with} {without} {after}");
}
