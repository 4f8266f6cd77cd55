//! Nothing is left behind, however often a source breaks.

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
use fanlight_capture::source::run::{self, FrameSink, PushError, RetryPolicy};
use fanlight_capture::source::{ConfiguredSource, Source, SourceError, SourceFactory};
use fanlight_capture::status::Status;
use fanlight_capture::threads::signal::Signal;
use fanlight_capture::threads::watchdog::Watchdog;
use fanlight_cli::stop::Shutdown;
use opencv::core::Mat;

use crate::harness::{capture, clip, viewer};

const TIMES: u64 = 1000;
/// By then everything that is kept for good is there.
const WARM: u64 = 200;
/// More than allocators waver, less than one page kept each time would be.
const MOST_GROWTH: i64 = (TIMES - WARM) as i64 * 4096;

/// A test's own program does other things at the same time, so leaks are looked for in a program that does nothing else.
fn alone(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ALONE", "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn is_alone() -> bool {
    std::env::var_os("ALONE").is_some()
}

/// Takes pictures and does nothing with them.
#[derive(Default)]
struct Wall {
    pictures: Cell<u64>,
    buffers: Buffers,
}

/// Opens a source, and ends the shift after it has done so often enough.
struct Counted {
    source: ConfiguredSource,
    openings: u64,
    before: Held,
    shift: Watchdog,
}

impl SourceFactory for Counted {
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        self.openings += 1;
        match self.openings {
            WARM => self.before = Held::now(),
            TIMES => self.shift.stop(),
            _ => {}
        }
        self.source.open(stop)
    }

    fn look(&self) -> Result<(), SourceError> {
        self.source.look()
    }

    fn another(&self) -> Box<dyn SourceFactory + Send> {
        self.source.another()
    }
}

/// What this process holds.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    files: usize,
    threads: usize,
    memory: i64,
}

impl Held {
    fn now() -> Self {
        let count = |folder: &str| fs::read_dir(folder).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = rss.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024;
        Self { files: count("/proc/self/fd"), threads: count("/proc/self/task"), memory }
    }

    /// Waits until it is `few`: the camera of the test closes its side of the last connections a little later. What
    /// leaked stays, however long one waits.
    fn once(few: impl Fn(&Self) -> bool) -> Self {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now();
            if few(&now) || Instant::now() >= patience {
                return now;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl FrameSink for Wall {
    fn is_watched(&self) -> bool {
        true
    }
    fn wait_for_viewer(&self, _: Duration) {}
    fn buffers(&self) -> &Buffers {
        &self.buffers
    }
    fn push(&self, _: RawFrame) -> Result<(), PushError> {
        self.pictures.set(self.pictures.get() + 1);
        Ok(())
    }
    fn pause(&self, _: bool) {}
    fn count_damaged(&self) {}
    fn count_dropped(&self, _: u64) {}
}

/// Opens a source again and again, each time for a few pictures.
fn opened_again_and_again(source: &str) {
    fanlight_capture::native::prepare();
    let name: fanlight_protocol::StreamName = "cam".parse().unwrap();
    let spec: fanlight_capture::source::SourceSpec = source.parse().unwrap();
    let status = Status::new(name.clone(), &spec, Signal::default());
    let shift = Watchdog::default();
    let wall = Wall::default();
    let source = ConfiguredSource::new(spec, name);
    let mut opener = Counted { source, openings: 0, before: Held::default(), shift: shift.clone() };
    while !shift.is_stopped() {
        let keeping = RetryPolicy { backoff: Backoff::none(), keep_open: false };
        run::run(&mut opener, keeping, &wall, &status, &shift);
    }
    assert!(wall.pictures.get() >= TIMES / 2, "{} pictures", wall.pictures.get());
    let before = opener.before;
    let after = Held::once(|now| now.files <= before.files && now.threads <= before.threads);
    assert!(after.files <= before.files && after.threads <= before.threads, "{before:?} {after:?}");
    assert!(after.memory - before.memory < MOST_GROWTH, "{before:?} {after:?}");
}

/// A camera that hangs up after three pictures.
fn fickle_camera() -> String {
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
            // Whoever hangs up first is not worth a word.
            let _ = connection.and_then(|connection| answer_once(connection, &answer));
        }
    });
    format!("http://{address}/")
}

fn answer_once(mut connection: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    // A request that was not read would make hanging up a reset, which takes the answer with it.
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    connection.write_all(answer)
}

#[test]
fn a_camera_that_hangs_up_a_thousand_times_leaves_nothing_behind() {
    match is_alone() {
        true => opened_again_and_again(&fickle_camera()),
        false => alone("leaks::a_camera_that_hangs_up_a_thousand_times_leaves_nothing_behind"),
    }
}

#[test]
fn a_file_that_is_opened_a_thousand_times_leaves_nothing_behind() {
    if !is_alone() {
        return alone("leaks::a_file_that_is_opened_a_thousand_times_leaves_nothing_behind");
    }
    let (_folder, clip) = clip(1);
    opened_again_and_again(&format!("{}?loop=0", clip.display()));
}

#[test]
fn an_encoder_that_nobody_watches_any_more_is_let_go_of() {
    if !is_alone() {
        return alone("leaks::an_encoder_that_nobody_watches_any_more_is_let_go_of");
    }
    // So large that x264 has threads of its own.
    let capture = capture(&["cam=test:2048x1152@10"]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 2);
    let without = Held::now().threads;
    viewer.watch("cam/full.h264");
    viewer.frames("cam/full.h264", 2);
    let with = Held::now().threads;
    assert!(with > without, "{with} {without}");
    viewer.unwatch("cam/full.h264");
    viewer.frames("cam", 2);
    let after = Held::once(|now| now.threads <= without).threads;
    assert!(after <= without, "{with} {without} {after}");
}
