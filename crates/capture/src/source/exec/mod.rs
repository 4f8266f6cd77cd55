//! Commands that write video to stdout: MJPEG, or H.264 with start codes (annex B).
//!
//! - [`CommandLine`]: the command as the user wrote it;
//! - `group`: the command's processes, none of which outlives this one;
//! - `running`: a running command and its output; `stderr`: the lines it writes to stderr; `exit_status`: why it ended;
//! - `format`: the format of its output;
//! - `frames`: from its output to frames.
//!
//! A frame counts as captured when its first byte arrives. A JPEG is delivered when its last byte arrives, an access
//! unit of H.264 when the next one starts, one frame interval later (`fanlight_codec::h264` states why). The command is
//! started for a viewer. It runs with this program's rights, so it is accepted only from the command line, the
//! environment and the configuration file, never from a network.

mod command_line;
mod exit_status;
mod format;
mod frames;
mod group;
mod running;
mod stderr;

use std::fmt;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::StreamName;

use super::contract::{About, DecodedFrom, Grabbed, Source};
use super::error::SourceError;
use super::interval::{IntervalEstimate, KnownInterval};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
pub use command_line::{CommandLine, InvalidCommand};
use format::OutputFormat;
use frames::Frames;
use running::{Output, RunningCommand};

/// The timeout from the start of a command to its first bytes. It may have to find a camera on the network first.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// The interval at which waits check for a shutdown.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// The most bytes of one read: the capacity of a pipe.
const PIPE: usize = 64 * 1024;

/// A running command as a source.
pub struct Exec {
    about: About,
    running: RunningCommand,
    frames: Frames,
    estimate: IntervalEstimate,
    chunk: Vec<u8>,
    stop: Shutdown,
}

impl Exec {
    /// Starts a command, and waits until the format of its output is detected. `known`: what is known of the frame
    /// interval.
    ///
    /// # Errors
    /// Fails if the command fails or writes another format, with the reason.
    pub fn open(
        command: &CommandLine,
        stream: &StreamName,
        known: &KnownInterval,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let mut running = RunningCommand::start(command, stream, stop.clone())?;
        let mut chunk = vec![0; PIPE];
        let started = Instant::now();
        let mut first = Vec::new();
        let (format, first_at) = loop {
            check_start(started, &first, &stop)?;
            match running.read(&mut chunk, CHECK_EVERY).map_err(unreadable)? {
                Output::Bytes(count) => first.extend(&chunk[..count]),
                Output::Nothing => continue,
                Output::End if first.is_empty() => return Err(running.reason()),
                Output::End => return Err(running.reason_after(OutputFormat::unknown(&first))),
            }
            let now = clock::now();
            if let Some(format) = OutputFormat::detect(&first)? {
                break (format, now);
            }
        };
        let mut frames = Frames::new(format)?;
        frames.feed(&first, first_at)?;
        let estimate = IntervalEstimate::new(known, Instant::now());
        let about = About {
            description: format!("{} of a command", format.name()),
            interval: Some(estimate.interval()),
            recorded: false,
        };
        Ok(Self { about, running, frames, estimate, chunk, stop })
    }

    /// Waits for a frame, and reads the bytes that are available after it, so that the newest frame is grabbed.
    fn wait_for_frame(&mut self) -> Result<(), SourceError> {
        let mut read_after = 0;
        loop {
            let found = self.frames.is_ready();
            let output = match found {
                true if read_after >= PIPE || self.frames.needs_every_frame() => return Ok(()),
                true => self.running.read(&mut self.chunk, Duration::ZERO),
                false => self.running.read(&mut self.chunk, CHECK_EVERY),
            };
            match output.map_err(unreadable)? {
                Output::Bytes(count) => {
                    read_after += if found { count } else { 0 };
                    self.frames.feed(&self.chunk[..count], clock::now())?;
                }
                Output::Nothing if found => return Ok(()),
                Output::Nothing => {}
                Output::End if found || self.frames.finish() => return Ok(()),
                Output::End => return Err(self.running.reason()),
            }
            if self.stop.is_requested() {
                return Err(SourceError::Stopped);
            }
            if let (false, Some(silent)) = (found, self.estimate.stalled(Instant::now())) {
                self.estimate.stall();
                return Err(SourceError::Stalled(silent));
            }
        }
    }
}

impl Source for Exec {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        self.wait_for_frame()?;
        self.estimate.record(Instant::now());
        self.about.interval = Some(self.estimate.interval());
        Ok(self.frames.grab())
    }

    fn decoded_from(&self) -> Option<DecodedFrom> {
        self.frames.decoded_from()
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        self.frames.retrieve(buffers)
    }

    fn needs_every_frame(&self) -> bool {
        self.frames.passes_h264()
    }
}

/// Checks that a command may still start, given its first bytes.
fn check_start(started: Instant, first: &[u8], stop: &Shutdown) -> Result<(), SourceError> {
    match started.elapsed() {
        _ if stop.is_requested() => Err(SourceError::Stopped),
        silent if silent > START_TIMEOUT && !first.is_empty() => Err(OutputFormat::unknown(first)),
        silent if silent > START_TIMEOUT => {
            Err(SourceError::TimedOut("the command is running but writes nothing".into()))
        }
        _ => Ok(()),
    }
}

fn unreadable(error: std::io::Error) -> SourceError {
    SourceError::Other(format!("the command's output cannot be read: {error}"))
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").field("about", &self.about).finish_non_exhaustive()
    }
}
