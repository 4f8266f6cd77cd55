//! Lines on stderr, as text for people or JSON for machines; a repeated one at most once in ten seconds.
//!
//! Two events are the same if they have the same place in the code, the same message and the same text fields. Numbers
//! are not compared, because most of them are counters. Write a field that distinguishes events (a stream, an address)
//! as text: `tracing::warn!(stream = %name, lost, "frames were lost")`. Values in braces in the message are text.
//!
//! All texts also pass through [`mask_url`](crate::secret::mask_url), and characters that could forge a line or hide a
//! part of one are escaped.
//!
//! Logging never waits for stderr: a [`writer`] thread does, and drops lines when its queue is full.

mod escape;
mod layer;
mod line;
mod repeats;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use layer::Lines;
use line::Style;
use writer::Writer;

/// Longest wait for the last lines to be written when the program exits.
const FLUSH: Duration = Duration::from_millis(300);

/// The writer for stderr; contains `None` if its thread could not be started.
static WRITER: OnceLock<Option<Writer>> = OnceLock::new();

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Failures and warnings.
    Warn,
    /// Changes of state, too.
    #[default]
    Info,
    /// Details for developers, too.
    Debug,
    /// Everything, including events of libraries.
    Trace,
}

impl LogLevel {
    fn own(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    /// Returns the level for libraries: warnings, unless the user asked for everything or for errors only.
    fn libraries(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Trace => LevelFilter::TRACE,
            _ => LevelFilter::WARN,
        }
    }
}

/// Sends all events of this process to stderr from now on, including panics. A second call changes nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let style = match format {
        LogFormat::Json => Style::Json,
        LogFormat::Text if io::stderr().is_terminal() => Style::Colour,
        LogFormat::Text => Style::Plain,
    };
    let targets = Targets::new()
        .with_target("fanlight", level.own())
        // The RTSP library prints URLs, which may contain passwords. The capture reports its failures without them.
        .with_target("retina", LevelFilter::OFF)
        .with_default(level.libraries());
    WRITER.get_or_init(|| start_writer(style).ok());
    let lines = Lines::new(style, to_stderr, std::time::Instant::now);
    if tracing_subscriber::registry().with(targets).with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Waits until all lines are written, for at most 0.3 s. Called before the program exits.
pub fn flush() {
    if let Some(Some(writer)) = WRITER.get() {
        writer.flush(FLUSH);
    }
}

/// Starts the writer on its own descriptor: the lock of `std::io::stderr` must not be held while a write blocks.
fn start_writer(style: Style) -> io::Result<Writer> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    Writer::start(stderr, move |count| line::notice(count, style))
}

/// Queues a line. Ignores a failed write, because no other place is left to report it.
fn to_stderr(line: String) {
    match WRITER.get() {
        Some(Some(writer)) => writer.push(line),
        _ => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Logs a panic, and with `RUST_BACKTRACE=1` its backtrace.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("without a message");
    let trace = Backtrace::capture();
    tracing::error!(
        target: "fanlight",
        thread = thread.name().unwrap_or("unnamed"),
        place,
        "a defect in this program: {message}"
    );
    if trace.status() == BacktraceStatus::Captured {
        for line in trace.to_string().lines() {
            tracing::error!(target: "fanlight", "{line}");
        }
    }
    // The process may exit with this thread.
    flush();
}
