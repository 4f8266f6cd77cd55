//! A command that runs, and what it writes.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_protocol::StreamName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::command_line::CommandLine;
use super::exit_status;
use super::group::Group;
use super::stderr::StderrLines;
use crate::source::SourceError;

/// A command that is asked to end may take so long: time to let go of a camera, or to say goodbye to one.
const GRACE: Duration = Duration::from_secs(2);
/// While the program itself ends, which is to take less than two seconds: so long.
const SHORT_GRACE: Duration = Duration::from_millis(500);
/// After its output has ended, a command may take so long to end itself and so to say how.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(500);
/// How often to look whether it has ended, and whether the program is about to.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Read of stderr at once.
const SAYINGS: usize = 4096;

/// A command that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    stream: StreamName,
    group: Group,
    /// Until it ends.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    sayings: StderrLines,
    stop: Shutdown,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// It writes no more.
    End,
}

impl Running {
    /// Starts a command.
    pub(super) fn start(
        command: &CommandLine,
        stream: &StreamName,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let (group, stdout, stderr) = Group::start(command.expose()).map_err(|error| {
            SourceError::Other(format!("the command cannot be started: {error}"))
        })?;
        let (stdout, stderr) = (Some(stdout), Some(stderr));
        let sayings = StderrLines::default();
        Ok(Self { stream: stream.clone(), group, stdout, stderr, sayings, stop })
    }

    /// Waits for what it writes, at most so long, and puts it into `bytes`. What it says meanwhile goes to the log.
    pub(super) fn read(&mut self, bytes: &mut [u8], at_most: Duration) -> io::Result<Heard> {
        let (written, said) = self.wait(at_most)?;
        if said {
            self.listen()?;
        }
        match &mut self.stdout {
            None => Ok(Heard::End),
            Some(_) if !written => Ok(Heard::Nothing),
            Some(stdout) => match stdout.read(bytes)? {
                0 => {
                    self.stdout = None;
                    Ok(Heard::End)
                }
                count => Ok(Heard::Bytes(count)),
            },
        }
    }

    /// Why it writes no more.
    pub(super) fn reason(&mut self) -> SourceError {
        let until = Instant::now() + LAST_WORDS_WITHIN;
        while !(self.group.ended().is_some() && self.stderr.is_none()) && Instant::now() < until {
            if self.stop.is_requested() {
                return SourceError::Stopped;
            }
            self.drain();
        }
        let last = self.sayings.last();
        exit_status::reason(self.group.ended(), last.as_deref())
    }

    /// Waits until there is something to read; whether there is on stdout and on stderr.
    fn wait(&self, at_most: Duration) -> io::Result<(bool, bool)> {
        let files = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let mut waiting: Vec<PollFd<'_>> = files.into_iter().flatten().map(wish).collect();
        let at_most = Timespec::try_from(at_most).ok();
        match poll(&mut waiting, at_most.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, false)),
            Err(error) => return Err(error.into()),
        }
        // The end of a pipe is something to read as well.
        let mut ready = waiting.iter().map(|file| !file.revents().is_empty());
        let mut is_ready =
            |file: Option<BorrowedFd<'_>>| file.is_some() && ready.next() == Some(true);
        Ok((is_ready(files[0]), is_ready(files[1])))
    }

    /// Reads what it says.
    fn listen(&mut self) -> io::Result<()> {
        let Some(stderr) = &mut self.stderr else { return Ok(()) };
        let mut said = [0; SAYINGS];
        let count = stderr.read(&mut said)?;
        if count == 0 {
            self.stderr = None;
        }
        for saying in self.sayings.hear(&said[..count]) {
            match saying.fleeting {
                true => tracing::debug!(stream = %self.stream, "the command says: {}", saying.text),
                false => tracing::info!(stream = %self.stream, "the command says: {}", saying.text),
            }
        }
        Ok(())
    }

    /// Reads on for a moment, so that it is not stuck writing, and forgets what it writes.
    fn drain(&mut self) {
        if self.read(&mut [0; SAYINGS], LOOK_EVERY).is_err() {
            (self.stdout, self.stderr) = (None, None);
        }
    }

    /// Whether all of it seems to have ended: nobody holds its output any more.
    fn is_over(&mut self) -> bool {
        self.stdout.is_none() && self.group.ended().is_some()
    }
}

fn wish(file: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(file, PollFlags::IN)
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut until = Instant::now() + GRACE;
        self.group.ask_to_end();
        while !self.is_over() && Instant::now() < until {
            if self.stop.is_requested() {
                until = until.min(Instant::now() + SHORT_GRACE);
            }
            self.drain();
        }
        self.group.kill();
    }
}
