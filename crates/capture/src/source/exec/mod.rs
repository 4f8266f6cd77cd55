//! Pictures that a command writes to its stdout: MJPEG, or H.264 as in its annex B.
//!
//! - [`CommandLine`]: the command as it was written;
//! - `group`: the command's processes, none of which outlives this one;
//! - `running`: what a running command writes, and its end;
//! - `sayings`: what it says on stderr; `ending`: why it ended, in words;
//! - `kind`: what it writes;
//! - `pictures`: from bytes to pictures; `access_units`: H.264 cut into pictures.
//!
//! H.264 is passed on as it is where its pictures come in the order in which they are shown.
//!
//! A picture counts as captured when its first byte arrived. A JPEG is given as soon as its last byte is there; a picture
//! of H.264 when the next one begins, an interval later (`access_units` says why). The command is started when somebody
//! watches. It runs with this program's rights, so it is taken from the command line, the environment and the file alone,
//! never from a network.

mod access_units;
mod command_line;
mod exit_status;
mod group;
mod kind;
mod pictures;
mod running;
mod stderr;

use std::fmt;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::StreamName;

use super::rhythm::Rhythm;
use super::{About, Grabbed, Source, SourceError};
use crate::frame::Picture;
use crate::frame::latest::Buffers;
pub use command_line::{CommandLine, InvalidCommand};
use kind::Kind;
use pictures::Pictures;
use running::{Heard, Running};

/// From its start to its first bytes a command may take so long: it may have to find a camera in a network first.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How often to look whether the program is about to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Read at once: as much as a pipe holds.
const PIPE: usize = 64 * 1024;

/// A running command as a source.
pub struct Exec {
    about: About,
    running: Running,
    pictures: Pictures,
    rhythm: Rhythm,
    chunk: Vec<u8>,
    stop: Shutdown,
}

impl Exec {
    /// Starts a command, and waits until it is known what it writes.
    ///
    /// # Errors
    /// With the reason in words, where it fails or writes something else.
    pub fn open(
        command: &CommandLine,
        stream: &StreamName,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let mut running = Running::start(command, stream, stop.clone())?;
        let mut chunk = vec![0; PIPE];
        let started = Instant::now();
        let mut first = Vec::new();
        let (kind, first_at) = loop {
            check(started, &stop)?;
            let heard = running.read(&mut chunk, LOOK_EVERY).map_err(unreadable)?;
            match heard {
                Heard::Bytes(count) => first.extend(&chunk[..count]),
                Heard::Nothing => continue,
                Heard::End => return Err(running.reason()),
            }
            let now = clock::now();
            if let Some(kind) = Kind::of(&first)? {
                break (kind, now);
            }
        };
        let mut pictures = Pictures::new(kind)?;
        pictures.feed(&first, first_at)?;
        let rhythm = Rhythm::new(Instant::now());
        let about = About {
            description: format!("{} of a command", kind.name()),
            interval: Some(rhythm.interval()),
            recorded: false,
        };
        Ok(Self { about, running, pictures, rhythm, chunk, stop })
    }

    /// Reads until a picture is there, and what waits behind it, so that the newest is given.
    fn wait_for_picture(&mut self) -> Result<(), SourceError> {
        let mut read_behind = 0;
        loop {
            let found = self.pictures.has_one();
            let heard = match found {
                true if read_behind >= PIPE || self.pictures.each_counts() => return Ok(()),
                true => self.running.read(&mut self.chunk, Duration::ZERO),
                false => self.running.read(&mut self.chunk, LOOK_EVERY),
            };
            match heard.map_err(unreadable)? {
                Heard::Bytes(count) => {
                    read_behind += if found { count } else { 0 };
                    self.pictures.feed(&self.chunk[..count], clock::now())?;
                }
                Heard::Nothing if found => return Ok(()),
                Heard::Nothing => {}
                Heard::End if found || self.pictures.finish() => return Ok(()),
                Heard::End => return Err(self.running.reason()),
            }
            if self.stop.is_requested() {
                return Err(SourceError::Stopped);
            }
            if let (false, Some(silent)) = (found, self.rhythm.stalled(Instant::now())) {
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
        self.wait_for_picture()?;
        self.rhythm.beat(Instant::now());
        self.about.interval = Some(self.rhythm.interval());
        Ok(self.pictures.grab())
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        self.pictures.retrieve(buffers)
    }

    fn each_counts(&self) -> bool {
        self.pictures.passes_h264()
    }
}

fn check(started: Instant, stop: &Shutdown) -> Result<(), SourceError> {
    match started.elapsed() {
        _ if stop.is_requested() => Err(SourceError::Stopped),
        silent if silent > START_WITHIN => {
            Err(SourceError::TimedOut("the command runs, and writes nothing".into()))
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
