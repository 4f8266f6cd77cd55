//! The life of one source: opened while it is watched, read, paused when no viewer watches, and opened again when it
//! fails.

use std::time::{Duration, Instant};

use fanlight_clock as clock;

use crate::backoff::{self, Backoff};
use crate::frame::latest::Buffers;
use crate::frame::source_clock::SourceClock;
use crate::frame::{CaptureTimes, RawFrame};
use crate::source::{About, Grabbed, Source, SourceError, SourceFactory};
use crate::stall;
use crate::status::SourceStatus;
use crate::threads::watchdog::Watchdog;

/// Timeout for closing a camera or connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Timeout for opening a source, which includes all timeouts of its own.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// A source that delivers only damaged frames for this long is offline, or for its stall limit if that is shorter, as it
/// is above one frame a second.
const DAMAGED_FOR: Duration = Duration::from_secs(5);

/// Receiver of a source's frames.
pub trait FrameReceiver {
    /// Returns whether a viewer watches.
    fn is_watched(&self) -> bool;
    /// Waits for a viewer or for the end, until `timeout` at the latest.
    fn wait_for_viewer(&self, timeout: Duration);
    /// Returns the used buffers for pixels.
    fn buffers(&self) -> &Buffers;
    /// Notes that the source was opened.
    fn opened(&self, about: &About);
    /// Takes a frame.
    ///
    /// # Errors
    /// Fails if the frame is damaged, or if the source must be opened again.
    fn push(&self, frame: RawFrame) -> Result<(), PushError>;
    /// Releases what is kept for the next frame, because no viewer watches. If the source is not `closed`, its next
    /// frame follows the last one.
    fn pause(&self, closed: bool);
    /// Counts a damaged frame.
    fn count_damaged(&self);
    /// Counts frames that the source dropped because this process was late.
    fn count_dropped(&self, count: u64);
}

/// The reason why a frame was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The frame is damaged; the next one may be intact.
    #[error(transparent)]
    Damaged(#[from] SourceError),
    /// The frames after this one are of no use either: the source must be opened again.
    #[error("{0}")]
    Reopen(SourceError),
}

/// The rule for retries, and for times without viewers.
#[derive(Debug, Default)]
pub struct RetryPolicy {
    /// Waits after failures.
    pub backoff: Backoff,
    /// Keep the source open while no viewer watches.
    pub keep_open: bool,
}

/// Opens a source and passes its frames to `sink`, again after each failure, until the source ends or the thread is
/// stopped.
pub fn run(
    factory: &mut dyn SourceFactory,
    mut policy: RetryPolicy,
    sink: &impl FrameReceiver,
    status: &SourceStatus,
    watchdog: &Watchdog,
) {
    while !watchdog.is_stopped() {
        let keep_open = policy.keep_open;
        let mut attempt = Attempt { factory, keep_open, sink, status, watchdog, first_frame: None };
        let reason = match attempt.wait_until_needed().and_then(|()| attempt.open_and_read()) {
            Ok(Finish::Unwatched) => match attempt.pause(true) {
                Ok(()) => continue,
                Err(gone) => gone,
            },
            // Another thread reads the source now and reports its state.
            _ if watchdog.is_stopped() => return,
            Ok(Finish::Ended) => return status.ended(),
            Err(SourceError::Stopped) => return,
            Err(reason) => reason,
        };
        if watchdog.is_stopped() {
            return;
        }
        let healthy_for = attempt.first_frame.map_or(Duration::ZERO, |first| first.elapsed());
        match reason {
            // Some cameras end every connection after a few seconds. The next one follows before a viewer notices.
            SourceError::Closed(_) if backoff::has_worked(healthy_for) => {
                status.interrupted(&reason.to_string());
            }
            reason => status.failed(&reason.to_string()),
        }
        watchdog.idle();
        watchdog.shutdown().wait_timeout(policy.backoff.wait(healthy_for, fastrand::f64()));
    }
}

/// The reason why a source that did not fail delivers no more frames.
enum Finish {
    /// The source has ended.
    Ended,
    /// The source was closed because no viewer watches.
    Unwatched,
}

/// One attempt to open and read a source, from the wait before it to its failure or end.
struct Attempt<'a, S> {
    factory: &'a mut dyn SourceFactory,
    keep_open: bool,
    sink: &'a S,
    status: &'a SourceStatus,
    watchdog: &'a Watchdog,
    /// Time of the first frame.
    first_frame: Option<Instant>,
}

impl<S: FrameReceiver> Attempt<'_, S> {
    /// Waits for the first viewer if the source opens on demand only.
    fn wait_until_needed(&self) -> Result<(), SourceError> {
        match self.factory.opens_at_start() || self.keep_open || self.sink.is_watched() {
            true => Ok(()),
            false => self.pause(true),
        }
    }

    /// Opens, reads and closes the source.
    fn open_and_read(&mut self) -> Result<Finish, SourceError> {
        self.watchdog.begin("opening", OPEN_TIMEOUT);
        let mut source = self.factory.open(self.watchdog.shutdown())?;
        let finish = self.read(source.as_mut());
        self.watchdog.begin("closing", CLOSE_TIMEOUT);
        drop(source);
        self.watchdog.idle();
        finish
    }

    /// Reads frames until the source ends or no viewer watches.
    fn read(&mut self, source: &mut dyn Source) -> Result<Finish, SourceError> {
        let mut about = source.about().clone();
        self.status.opened(&about.description, about.stall_limit());
        self.sink.opened(&about);
        let mut last_intact = Instant::now();
        let mut source_clock = SourceClock::default();
        loop {
            // A recording may wait until its next frame is due.
            let wait = about.interval.unwrap_or_default() * 3;
            self.watchdog.begin("reading", self.factory.frame_timeout() + wait);
            let Some(grabbed) = source.grab()? else { return Ok(Finish::Ended) };
            if self.watchdog.is_stopped() {
                return Err(SourceError::Stopped);
            }
            if let Some(own_time) = source.own_time() {
                self.status.set_clock_fault(source_clock.note(own_time, clock::now()));
            }
            match self.pass_on(source, grabbed) {
                Ok(()) => last_intact = Instant::now(),
                Err(PushError::Reopen(reason)) => return Err(reason),
                Err(PushError::Damaged(damage)) => {
                    self.tolerate(damage, last_intact.elapsed(), about.interval)?;
                    continue;
                }
            }
            self.first_frame.get_or_insert_with(Instant::now);
            if source.about().interval != about.interval {
                about.interval = source.about().interval;
                self.status.interval_changed(about.interval);
            }
            self.status.frame_read(&about.description);
            if !self.sink.is_watched() && !self.keep_open {
                if !source.can_pause() {
                    return Ok(Finish::Unwatched);
                }
                self.pause(false)?;
                source.resume();
                source_clock = SourceClock::default();
                last_intact = Instant::now();
            }
        }
    }

    /// Counts a damaged frame.
    ///
    /// # Errors
    /// Fails with the damage if no frame was intact for [`DAMAGED_FOR`], or for the time that a stall takes, if that is
    /// shorter.
    fn tolerate(
        &self,
        damage: SourceError,
        none_intact_for: Duration,
        interval: Option<Duration>,
    ) -> Result<(), SourceError> {
        if none_intact_for > stall::limit(interval).min(DAMAGED_FOR) {
            return Err(damage);
        }
        self.sink.count_damaged();
        tracing::debug!(stream = %self.status.name(), %damage, "dropped a damaged frame");
        Ok(())
    }

    /// Retrieves a frame and passes it to the sink. While no viewer watches, only the first frame is retrieved, for its
    /// size.
    fn pass_on(&self, source: &mut dyn Source, grabbed: Grabbed) -> Result<(), PushError> {
        if !self.sink.is_watched() && self.first_frame.is_some() && !source.needs_every_frame() {
            return Ok(());
        }
        if grabbed.skipped > 0 {
            self.sink.count_dropped(grabbed.skipped);
        }
        let data = source.retrieve(self.sink.buffers())?;
        let times = CaptureTimes { captured_at: grabbed.captured_at, read_at: clock::now() };
        self.sink.push(RawFrame { data, times })
    }

    /// Waits for a viewer. From time to time it checks that the source still exists.
    fn pause(&self, closed: bool) -> Result<(), SourceError> {
        if self.watchdog.is_stopped() {
            return Err(SourceError::Stopped);
        }
        self.status.idle();
        self.sink.pause(closed);
        while !self.sink.is_watched() {
            self.watchdog.idle();
            self.sink.wait_for_viewer(self.factory.check_interval());
            if self.watchdog.is_stopped() {
                return Err(SourceError::Stopped);
            }
            if !self.sink.is_watched() {
                self.watchdog.begin("looking for", OPEN_TIMEOUT);
                self.factory.check()?;
            }
        }
        self.status.resuming();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
