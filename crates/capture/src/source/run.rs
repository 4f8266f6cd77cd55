//! The life of one source: opened while it is watched, read, paused when no viewer watches, and opened again when it fails.

use std::time::{Duration, Instant};

use fanlight_clock as clock;

use crate::backoff::Backoff;
use crate::frame::latest::Buffers;
use crate::frame::{CaptureTimes, RawFrame};
use crate::source::{Grabbed, Source, SourceError, SourceFactory};
use crate::stall;
use crate::status::Status;
use crate::threads::watchdog::Watchdog;

/// Timeout for closing a camera or connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Timeout for opening a source, which includes all timeouts of its own.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// A source that delivers only damaged frames for this long is offline, whatever its frame rate.
const DAMAGED_FOR: Duration = Duration::from_secs(5);

/// Receiver of a source's frames.
pub trait FrameSink {
    /// Returns whether a viewer watches.
    fn is_watched(&self) -> bool;
    /// Waits for a viewer or for the end, until `timeout` at the latest.
    fn wait_for_viewer(&self, timeout: Duration);
    /// Returns the used buffers for pixels.
    fn buffers(&self) -> &Buffers;
    /// Takes a frame.
    ///
    /// # Errors
    /// Fails if the frame is damaged, or if the source must be opened again.
    fn push(&self, frame: RawFrame) -> Result<(), PushError>;
    /// Releases what is kept for the next frame, because no viewer watches. If the source is not `closed`, its next frame
    /// follows the last one.
    fn pause(&self, closed: bool);
    /// Counts a damaged frame.
    fn count_damaged(&self);
    /// Counts frames that the source dropped because this process was late.
    fn count_dropped(&self, count: u64);
}

/// The reason why a frame was not taken.
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

/// Opens a source and passes its frames to `sink`, again after each failure, until the source ends or the thread is stopped.
pub fn run(
    factory: &mut dyn SourceFactory,
    mut policy: RetryPolicy,
    sink: &impl FrameSink,
    status: &Status,
    watchdog: &Watchdog,
) {
    while !watchdog.is_stopped() {
        let keep_open = policy.keep_open;
        let mut run = Run { factory, keep_open, sink, status, watchdog, first_frame: None };
        let reason = match run.wait_until_needed().and_then(|()| run.once()) {
            Ok(Finish::Unwatched) => match run.pause(true) {
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
        let healthy_for = run.first_frame.map_or(Duration::ZERO, |first| first.elapsed());
        status.failed(&reason.to_string());
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

/// One opening of a source, from the wait before it to the next one.
struct Run<'a, S> {
    factory: &'a mut dyn SourceFactory,
    keep_open: bool,
    sink: &'a S,
    status: &'a Status,
    watchdog: &'a Watchdog,
    /// Time of the first frame.
    first_frame: Option<Instant>,
}

impl<S: FrameSink> Run<'_, S> {
    /// Waits for the first viewer if the source opens on demand only.
    fn wait_until_needed(&self) -> Result<(), SourceError> {
        match self.factory.probes() || self.keep_open || self.sink.is_watched() {
            true => Ok(()),
            false => self.pause(true),
        }
    }

    /// Opens, reads and closes the source.
    fn once(&mut self) -> Result<Finish, SourceError> {
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
        self.status.opened(&about);
        let mut last_intact = Instant::now();
        loop {
            // A recording may wait until its next frame is due.
            let wait = about.interval.unwrap_or_default() * 3;
            self.watchdog.begin("reading", self.factory.patience() + wait);
            let Some(grabbed) = source.grab()? else { return Ok(Finish::Ended) };
            if self.watchdog.is_stopped() {
                return Err(SourceError::Stopped);
            }
            match self.pass_on(source, grabbed) {
                Ok(()) => last_intact = Instant::now(),
                Err(PushError::Reopen(reason)) => return Err(reason),
                Err(PushError::Damaged(damage))
                    if last_intact.elapsed() > stall::limit(about.interval).min(DAMAGED_FOR) =>
                {
                    return Err(damage);
                }
                Err(PushError::Damaged(damage)) => {
                    self.sink.count_damaged();
                    tracing::debug!(stream = %self.status.name(), %damage, "dropped a damaged frame");
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
                last_intact = Instant::now();
            }
        }
    }

    /// Retrieves a frame and passes it to the sink. While no viewer watches, only the first frame is retrieved, for its size.
    fn pass_on(&self, source: &mut dyn Source, grabbed: Grabbed) -> Result<(), PushError> {
        if !self.sink.is_watched() && self.first_frame.is_some() && !source.each_counts() {
            return Ok(());
        }
        if grabbed.skipped > 0 {
            self.sink.count_dropped(grabbed.skipped);
        }
        let picture = source.retrieve(self.sink.buffers())?;
        let taken = CaptureTimes { captured_at: grabbed.captured_at, read_at: clock::now() };
        self.sink.push(RawFrame { picture, taken })
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
            self.sink.wait_for_viewer(self.factory.look_every());
            if self.watchdog.is_stopped() {
                return Err(SourceError::Stopped);
            }
            if !self.sink.is_watched() {
                self.watchdog.begin("looking for", OPEN_TIMEOUT);
                self.factory.look()?;
            }
        }
        self.status.resuming();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Picture;
    use crate::source::About;
    use crate::threads::signal::Signal;
    use fanlight_cli::stop::Shutdown;
    use fanlight_protocol::{StreamState, Timestamp};
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    /// The next action of a scripted source.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Frame,
        Damaged,
        Fail,
        End,
        /// The last viewer leaves before this frame.
        Leave,
    }

    struct Scripted {
        actions: std::vec::IntoIter<Action>,
        about: About,
        damaged: bool,
        pauses: bool,
        sink: Rc<FakeSink>,
    }

    impl Source for Scripted {
        fn about(&self) -> &About {
            &self.about
        }
        fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
            match self.actions.next() {
                Some(action @ (Action::Frame | Action::Damaged | Action::Leave)) => {
                    self.damaged = action == Action::Damaged;
                    self.sink.watched.set(action != Action::Leave);
                    Ok(Some(Grabbed { captured_at: Timestamp::default(), skipped: 0 }))
                }
                Some(Action::Fail) => Err(SourceError::Unplugged("/dev/video0".into())),
                Some(Action::End) | None => Ok(None),
            }
        }
        fn retrieve(&mut self, _: &Buffers) -> Result<Picture, SourceError> {
            match self.damaged {
                true => Err(SourceError::NotAVideo("damaged".into())),
                false => Ok(Picture::Jpeg(Vec::new())),
            }
        }
        fn can_pause(&self) -> bool {
            self.pauses
        }
        fn resume(&mut self) {
            self.sink.log.borrow_mut().push("resumed");
        }
    }

    impl Drop for Scripted {
        fn drop(&mut self) {
            self.sink.log.borrow_mut().push("closed");
        }
    }

    /// The surroundings of a scripted source: a viewer, who returns as soon as the source waits for one, and a log.
    struct FakeSink {
        watched: Cell<bool>,
        buffers: Buffers,
        damaged: Cell<u64>,
        /// The source must be opened again after the next frame.
        reopen: Cell<bool>,
        taken: Cell<u64>,
        log: RefCell<Vec<&'static str>>,
        status: Status,
        watchdog: Watchdog,
    }

    impl FrameSink for FakeSink {
        fn is_watched(&self) -> bool {
            self.watched.get()
        }
        fn wait_for_viewer(&self, _: Duration) {
            assert_eq!(self.status.report(false).state, StreamState::Idle);
            self.log.borrow_mut().push("waited");
            self.watched.set(true);
        }
        fn buffers(&self) -> &Buffers {
            &self.buffers
        }
        fn push(&self, _: RawFrame) -> Result<(), PushError> {
            self.taken.set(self.taken.get() + 1);
            match self.reopen.take() {
                true => Err(PushError::Reopen(SourceError::Other("no keyframe".into()))),
                false => Ok(()),
            }
        }
        fn pause(&self, _: bool) {}
        fn count_damaged(&self) {
            self.damaged.set(self.damaged.get() + 1);
        }
        fn count_dropped(&self, _: u64) {}
    }

    struct Script {
        openings: std::vec::IntoIter<Vec<Action>>,
        pauses: bool,
        probes: bool,
        sink: Rc<FakeSink>,
    }

    impl SourceFactory for Script {
        fn probes(&self) -> bool {
            self.probes
        }
        fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
            let actions = self.openings.next().ok_or(SourceError::Stopped)?.into_iter();
            let (about, pauses, sink) = (About::default(), self.pauses, self.sink.clone());
            Ok(Box::new(Scripted { actions, about, damaged: false, pauses, sink }))
        }
        fn look(&self) -> Result<(), SourceError> {
            Ok(())
        }
        fn another(&self) -> Box<dyn SourceFactory + Send> {
            unreachable!("no thread is stuck here")
        }
    }

    fn sink() -> Rc<FakeSink> {
        Rc::new(FakeSink {
            watched: Cell::new(true),
            buffers: Buffers::default(),
            damaged: Cell::default(),
            reopen: Cell::default(),
            taken: Cell::default(),
            log: RefCell::default(),
            status: Status::new("cam".parse().unwrap(), &"script", Signal::default()),
            watchdog: Watchdog::default(),
        })
    }

    /// Plays the actions of one opening after another.
    fn play(sink: &Rc<FakeSink>, openings: Vec<Vec<Action>>, pauses: bool, keep_open: bool) {
        let openings = openings.into_iter();
        let mut script = Script { openings, pauses, probes: true, sink: sink.clone() };
        let policy = RetryPolicy { backoff: Backoff::none(), keep_open };
        run(&mut script, policy, &**sink, &sink.status, &sink.watchdog);
    }

    fn played(openings: Vec<Vec<Action>>) -> Rc<FakeSink> {
        let sink = sink();
        play(&sink, openings, false, false);
        sink
    }

    #[test]
    fn a_source_that_ends_is_reported_as_ended() {
        let sink = played(vec![vec![Action::Frame, Action::End]]);
        assert_eq!(sink.status.report(true).state, StreamState::Ended);
        assert_eq!(sink.taken.get(), 1);
    }

    #[test]
    fn a_source_that_fails_is_offline_with_the_reason_and_opened_again() {
        let sink = played(vec![vec![Action::Frame, Action::Fail]]);
        let report = sink.status.report(true);
        assert_eq!(
            (report.state, report.reason.as_str()),
            (StreamState::Offline, "unplugged: /dev/video0")
        );
        let sink =
            played(vec![vec![Action::Frame, Action::Fail], vec![Action::Frame, Action::End]]);
        assert_eq!(sink.status.report(true).state, StreamState::Ended);
        assert_eq!(*sink.log.borrow(), ["closed", "closed"], "released before it is opened again");
    }

    #[test]
    fn a_damaged_frame_is_counted_and_dropped() {
        let sink = played(vec![vec![Action::Frame, Action::Damaged, Action::Frame, Action::End]]);
        assert_eq!((sink.taken.get(), sink.damaged.get()), (2, 1));
        assert_eq!(sink.status.report(true).state, StreamState::Ended);
    }

    #[test]
    fn a_source_whose_frames_are_of_no_use_is_opened_again_with_the_reason() {
        let sink = sink();
        sink.reopen.set(true);
        play(&sink, vec![vec![Action::Frame, Action::Frame]], false, false);
        let report = sink.status.report(true);
        assert_eq!((report.state, report.reason.as_str()), (StreamState::Offline, "no keyframe"));
        assert_eq!((sink.taken.get(), sink.damaged.get()), (1, 0));
        sink.reopen.set(true);
        let openings = vec![vec![Action::Frame], vec![Action::Frame, Action::End]];
        play(&sink, openings, false, false);
        assert_eq!(sink.status.report(true).state, StreamState::Ended);
    }

    #[test]
    fn an_unwatched_source_is_closed_and_opened_for_the_next_viewer() {
        let leaves = vec![Action::Frame, Action::Leave];
        let sink = played(vec![leaves, vec![Action::Frame, Action::End]]);
        assert_eq!(*sink.log.borrow(), ["closed", "waited", "closed"]);
        assert_eq!(sink.taken.get(), 2, "an unwatched frame is not even retrieved");
    }

    #[test]
    fn a_source_that_is_not_probed_is_opened_for_a_viewer_only() {
        let sink = sink();
        sink.watched.set(false);
        let leaves = vec![Action::Frame, Action::Leave, Action::Fail];
        let openings = vec![leaves, vec![Action::Frame, Action::End]].into_iter();
        let mut script = Script { openings, pauses: false, probes: false, sink: sink.clone() };
        let policy = RetryPolicy { backoff: Backoff::none(), keep_open: false };
        run(&mut script, policy, &*sink, &sink.status, &sink.watchdog);
        assert_eq!(*sink.log.borrow(), ["waited", "closed", "waited", "closed"]);
    }

    #[test]
    fn a_source_that_can_pause_stays_open_and_resumes() {
        let sink = sink();
        play(
            &sink,
            vec![vec![Action::Frame, Action::Leave, Action::Frame, Action::End]],
            true,
            false,
        );
        assert_eq!(*sink.log.borrow(), ["waited", "resumed", "closed"]);
    }

    #[test]
    fn a_source_that_is_kept_open_is_read_without_a_viewer() {
        let sink = sink();
        play(
            &sink,
            vec![vec![Action::Frame, Action::Leave, Action::Leave, Action::End]],
            false,
            true,
        );
        assert_eq!(*sink.log.borrow(), ["closed"]);
        assert_eq!(sink.taken.get(), 1);
    }
}
