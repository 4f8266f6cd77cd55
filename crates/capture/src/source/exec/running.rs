//! A running command and its output.

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
use crate::source::error::SourceError;

/// The time that a command has to end after SIGTERM, so that it can close a camera or a connection.
const GRACE: Duration = Duration::from_secs(2);
/// The same during a shutdown of this program, which must take less than two seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// The time that a command has to exit after it closed its output, so that its exit status is known.
const EXIT_TIMEOUT: Duration = Duration::from_millis(500);
/// The interval at which waits check for the end of the command, and for a shutdown.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// The most bytes of one read from stderr.
const STDERR_CHUNK: usize = 4096;

/// A command that runs until this value is dropped.
#[derive(Debug)]
pub(super) struct RunningCommand {
    stream: StreamName,
    group: Group,
    /// `None` after its end.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    lines: StderrLines,
    stop: Shutdown,
}

/// The result of reading from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// This number of bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The end of its output.
    End,
}

impl RunningCommand {
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
        let lines = StderrLines::default();
        Ok(Self { stream: stream.clone(), group, stdout, stderr, lines, stop })
    }

    /// Reads output into `bytes`, waiting at most `timeout`. Lines on stderr are logged.
    pub(super) fn read(&mut self, bytes: &mut [u8], timeout: Duration) -> io::Result<Output> {
        let (has_output, has_lines) = self.wait(timeout)?;
        if has_lines {
            self.log_stderr()?;
        }
        match &mut self.stdout {
            None => Ok(Output::End),
            Some(_) if !has_output => Ok(Output::Nothing),
            Some(stdout) => match stdout.read(bytes)? {
                0 => {
                    self.stdout = None;
                    Ok(Output::End)
                }
                count => Ok(Output::Bytes(count)),
            },
        }
    }

    /// Returns why the command ended after output that caused `unknown`: an exit status other than 0 says more.
    pub(super) fn reason_after(&mut self, unknown: SourceError) -> SourceError {
        let reason = self.reason();
        let succeeded = self.group.ended().is_none_or(|status| status.success());
        if succeeded && reason != SourceError::Stopped { unknown } else { reason }
    }

    /// Returns why the command ended.
    pub(super) fn reason(&mut self) -> SourceError {
        let until = Instant::now() + EXIT_TIMEOUT;
        while !(self.group.ended().is_some() && self.stderr.is_none()) && Instant::now() < until {
            if self.stop.is_requested() {
                return SourceError::Stopped;
            }
            self.drain();
        }
        let last = self.lines.last();
        exit_status::reason(self.group.ended(), last.as_deref())
    }

    /// Waits until stdout or stderr is readable. Returns whether each of them is.
    fn wait(&self, timeout: Duration) -> io::Result<(bool, bool)> {
        let files = [self.stdout.as_ref().map(AsFd::as_fd), self.stderr.as_ref().map(AsFd::as_fd)];
        let mut waiting: Vec<PollFd<'_>> = files.into_iter().flatten().map(readable).collect();
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, false)),
            Err(error) => return Err(error.into()),
        }
        // A pipe is readable at its end too.
        let mut ready = waiting.iter().map(|file| !file.revents().is_empty());
        let mut is_ready =
            |file: Option<BorrowedFd<'_>>| file.is_some() && ready.next() == Some(true);
        Ok((is_ready(files[0]), is_ready(files[1])))
    }

    /// Reads stderr, and logs its lines.
    fn log_stderr(&mut self) -> io::Result<()> {
        let Some(stderr) = &mut self.stderr else { return Ok(()) };
        let mut chunk = [0; STDERR_CHUNK];
        let count = stderr.read(&mut chunk)?;
        if count == 0 {
            self.stderr = None;
        }
        for line in self.lines.feed(&chunk[..count]) {
            match line.is_progress {
                true => {
                    tracing::debug!(stream = %self.stream, "stderr of the command: {}", line.text);
                }
                false => {
                    tracing::info!(stream = %self.stream, "stderr of the command: {}", line.text);
                }
            }
        }
        Ok(())
    }

    /// Reads and discards output for a moment, so that the command does not block while writing.
    fn drain(&mut self) {
        if self.read(&mut [0; STDERR_CHUNK], CHECK_EVERY).is_err() {
            (self.stdout, self.stderr) = (None, None);
        }
    }

    /// Returns whether the command has ended and no process of it holds its output open.
    fn is_over(&mut self) -> bool {
        self.stdout.is_none() && self.group.ended().is_some()
    }
}

fn readable(file: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(file, PollFlags::IN)
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let mut until = Instant::now() + GRACE;
        self.group.terminate();
        while !self.is_over() && Instant::now() < until {
            if self.stop.is_requested() {
                until = until.min(Instant::now() + SHUTDOWN_GRACE);
            }
            self.drain();
        }
        self.group.kill();
    }
}
