//! Keeps one source going: opens it when it is watched, hands its pictures over, lets it rest when nobody watches any more,
//! and tries again when it fails.

use std::time::{Duration, Instant};

use fanlight_clock as clock;

use crate::backoff::Backoff;
use crate::frame::latest::Buffers;
use crate::frame::{CaptureTimes, RawFrame};
use crate::source::{Grabbed, Source, SourceError, SourceFactory};
use crate::stall;
use crate::status::Status;
use crate::threads::watchdog::Watchdog;

/// To let go of a camera or connection may take so long.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// A source all of whose pictures are damaged for so long is offline, however slow it is.
const DAMAGED_FOR: Duration = Duration::from_secs(5);
/// To open one, with all its time-outs.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// What a source's pictures are for.
pub trait FrameSink {
    /// Whether anybody wants them now.
    fn is_watching(&self) -> bool;
    /// Waits until somebody does, at most so long, or until all is over.
    fn wait(&self, at_most: Duration);
    /// Used buffers for pixels.
    fn buffers(&self) -> &Buffers;
    /// Takes a picture.
    ///
    /// # Errors
    /// Where it is damaged, or where the source must be opened again.
    fn take(&self, frame: RawFrame) -> Result<(), Refused>;
    /// Nobody wants them any more, for a while: what is kept for the next ones can go. Where the source is not closed, the
    /// next picture follows the last.
    fn rests(&self, closed: bool);
    /// A picture came damaged.
    fn damaged(&self);
    /// Pictures were passed over because this process came too late for them.
    fn dropped(&self, count: u64);
}

/// Why a picture was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is damaged, and the next one may be well.
    #[error(transparent)]
    Damaged(#[from] SourceError),
    /// Pictures that follow it are of no use either: the source must be opened again.
    #[error("{0}")]
    Reopen(SourceError),
}

/// How a source is kept.
#[derive(Debug, Default)]
pub struct RetryPolicy {
    /// Waits after failures.
    pub backoff: Backoff,
    /// Keep it open while nobody watches.
    pub open: bool,
}

/// Opens a source and hands its pictures over, as long as it is watched and again and again, until it ends or the shift does.
pub fn run(
    opener: &mut dyn SourceFactory,
    mut keeping: RetryPolicy,
    audience: &impl FrameSink,
    status: &Status,
    shift: &Watchdog,
) {
    while !shift.is_over() {
        let mut run = Run { opener, keep_open: keeping.open, audience, status, shift, began: None };
        let reason = match run.wait_until_wanted().and_then(|()| run.once()) {
            Ok(Finish::Unwatched) => match run.rest(true) {
                Ok(()) => continue,
                Err(gone) => gone,
            },
            // Somebody else has taken over, who knows better.
            _ if shift.is_over() => return,
            Ok(Finish::Ended) => return status.ended(),
            Err(SourceError::Stopped) => return,
            Err(reason) => reason,
        };
        if shift.is_over() {
            return;
        }
        let well_for = run.began.map_or(Duration::ZERO, |began| began.elapsed());
        status.failing(&reason.to_string());
        shift.rest();
        shift.over().wait_timeout(keeping.backoff.wait(well_for, fastrand::f64()));
    }
}

/// Why a source that did not fail gives no more pictures.
enum Finish {
    /// It came to its end.
    Ended,
    /// It was closed, because nobody watches.
    Unwatched,
}

/// From one opening to the next.
struct Run<'a, A> {
    opener: &'a mut dyn SourceFactory,
    keep_open: bool,
    audience: &'a A,
    status: &'a Status,
    shift: &'a Watchdog,
    /// When the first picture came.
    began: Option<Instant>,
}

impl<A: FrameSink> Run<'_, A> {
    /// What is not to be opened for nobody waits for somebody.
    fn wait_until_wanted(&self) -> Result<(), SourceError> {
        match self.opener.probes() || self.keep_open || self.audience.is_watching() {
            true => Ok(()),
            false => self.rest(true),
        }
    }

    /// From opening the source to closing it.
    fn once(&mut self) -> Result<Finish, SourceError> {
        self.shift.begin("opening", OPEN_WITHIN);
        let mut source = self.opener.open(self.shift.over())?;
        let finish = self.pump(source.as_mut());
        self.shift.begin("closing", CLOSE_WITHIN);
        drop(source);
        self.shift.rest();
        finish
    }

    /// Hands pictures over until the source ends or nobody wants them.
    fn pump(&mut self, source: &mut dyn Source) -> Result<Finish, SourceError> {
        let mut about = source.about().clone();
        self.status.opened(&about);
        let mut whole_at = Instant::now();
        loop {
            // A recording may have to wait for its next picture's turn.
            let turn = about.interval.unwrap_or_default() * 3;
            self.shift.begin("reading", self.opener.patience() + turn);
            let Some(grabbed) = source.grab()? else { return Ok(Finish::Ended) };
            if self.shift.is_over() {
                return Err(SourceError::Stopped);
            }
            match self.hand_over(source, grabbed) {
                Ok(()) => whole_at = Instant::now(),
                Err(Refused::Reopen(reason)) => return Err(reason),
                Err(Refused::Damaged(damage))
                    if whole_at.elapsed() > stall::limit(about.interval).min(DAMAGED_FOR) =>
                {
                    return Err(damage);
                }
                Err(Refused::Damaged(damage)) => {
                    self.audience.damaged();
                    tracing::debug!(stream = %self.status.name(), %damage, "a picture was passed over");
                    continue;
                }
            }
            self.began.get_or_insert_with(Instant::now);
            if source.about().interval != about.interval {
                about.interval = source.about().interval;
                self.status.comes_every(about.interval);
            }
            self.status.picture(&about.description);
            if !self.audience.is_watching() && !self.keep_open {
                if !source.can_pause() {
                    return Ok(Finish::Unwatched);
                }
                self.rest(false)?;
                source.resume();
                whole_at = Instant::now();
            }
        }
    }

    /// Nobody watching, the picture is not even made; but the first one tells how large they are.
    fn hand_over(&self, source: &mut dyn Source, grabbed: Grabbed) -> Result<(), Refused> {
        if !self.audience.is_watching() && self.began.is_some() && !source.each_counts() {
            return Ok(());
        }
        if grabbed.skipped > 0 {
            self.audience.dropped(grabbed.skipped);
        }
        let picture = source.retrieve(self.audience.buffers())?;
        let taken = CaptureTimes { captured_at: grabbed.captured_at, read_at: clock::now() };
        self.audience.take(RawFrame { picture, taken })
    }

    /// Waits for somebody to watch. Now and then it looks whether the source is still there.
    fn rest(&self, closed: bool) -> Result<(), SourceError> {
        if self.shift.is_over() {
            return Err(SourceError::Stopped);
        }
        self.status.rests();
        self.audience.rests(closed);
        while !self.audience.is_watching() {
            self.shift.rest();
            self.audience.wait(self.opener.look_every());
            if self.shift.is_over() {
                return Err(SourceError::Stopped);
            }
            if !self.audience.is_watching() {
                self.shift.begin("looking", OPEN_WITHIN);
                self.opener.look()?;
            }
        }
        self.status.wakes();
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

    /// What a scripted source does next.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Act {
        Picture,
        Damaged,
        Fail,
        End,
        /// The last viewer leaves before this picture.
        Leave,
    }

    struct Scripted {
        acts: std::vec::IntoIter<Act>,
        about: About,
        damaged: bool,
        pauses: bool,
        stage: Rc<Stage>,
    }

    impl Source for Scripted {
        fn about(&self) -> &About {
            &self.about
        }
        fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
            match self.acts.next() {
                Some(act @ (Act::Picture | Act::Damaged | Act::Leave)) => {
                    self.damaged = act == Act::Damaged;
                    self.stage.watched.set(act != Act::Leave);
                    Ok(Some(Grabbed { captured_at: Timestamp::default(), skipped: 0 }))
                }
                Some(Act::Fail) => Err(SourceError::Unplugged("/dev/video0".into())),
                Some(Act::End) | None => Ok(None),
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
            self.stage.log.borrow_mut().push("resumed");
        }
    }

    impl Drop for Scripted {
        fn drop(&mut self) {
            self.stage.log.borrow_mut().push("closed");
        }
    }

    /// Where the script plays: viewers, who come back as soon as somebody waits for them, and what happened.
    struct Stage {
        watched: Cell<bool>,
        buffers: Buffers,
        damaged: Cell<u64>,
        /// The next picture is one after which the source must be opened again.
        useless: Cell<bool>,
        taken: Cell<u64>,
        log: RefCell<Vec<&'static str>>,
        status: Status,
        shift: Watchdog,
    }

    impl FrameSink for Stage {
        fn is_watching(&self) -> bool {
            self.watched.get()
        }
        fn wait(&self, _: Duration) {
            assert_eq!(self.status.report(false).state, StreamState::Idle);
            self.log.borrow_mut().push("waited");
            self.watched.set(true);
        }
        fn buffers(&self) -> &Buffers {
            &self.buffers
        }
        fn take(&self, _: RawFrame) -> Result<(), Refused> {
            self.taken.set(self.taken.get() + 1);
            match self.useless.take() {
                true => Err(Refused::Reopen(SourceError::Other("no keyframe".into()))),
                false => Ok(()),
            }
        }
        fn rests(&self, _: bool) {}
        fn damaged(&self) {
            self.damaged.set(self.damaged.get() + 1);
        }
        fn dropped(&self, _: u64) {}
    }

    struct Script {
        openings: std::vec::IntoIter<Vec<Act>>,
        pauses: bool,
        probes: bool,
        stage: Rc<Stage>,
    }

    impl SourceFactory for Script {
        fn probes(&self) -> bool {
            self.probes
        }
        fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
            let acts = self.openings.next().ok_or(SourceError::Stopped)?.into_iter();
            let (about, pauses, stage) = (About::default(), self.pauses, self.stage.clone());
            Ok(Box::new(Scripted { acts, about, damaged: false, pauses, stage }))
        }
        fn look(&self) -> Result<(), SourceError> {
            Ok(())
        }
        fn another(&self) -> Box<dyn SourceFactory + Send> {
            unreachable!("nobody is stuck here")
        }
    }

    fn stage() -> Rc<Stage> {
        Rc::new(Stage {
            watched: Cell::new(true),
            buffers: Buffers::default(),
            damaged: Cell::default(),
            useless: Cell::default(),
            taken: Cell::default(),
            log: RefCell::default(),
            status: Status::new("cam".parse().unwrap(), &"script", Signal::default()),
            shift: Watchdog::default(),
        })
    }

    /// Plays the acts of one opening after another.
    fn play(stage: &Rc<Stage>, openings: Vec<Vec<Act>>, pauses: bool, open: bool) {
        let openings = openings.into_iter();
        let mut script = Script { openings, pauses, probes: true, stage: stage.clone() };
        let keeping = RetryPolicy { backoff: Backoff::none(), open };
        run(&mut script, keeping, &**stage, &stage.status, &stage.shift);
    }

    fn played(openings: Vec<Vec<Act>>) -> Rc<Stage> {
        let stage = stage();
        play(&stage, openings, false, false);
        stage
    }

    #[test]
    fn a_source_that_ends_has_ended() {
        let stage = played(vec![vec![Act::Picture, Act::End]]);
        assert_eq!(stage.status.report(true).state, StreamState::Ended);
        assert_eq!(stage.taken.get(), 1);
    }

    #[test]
    fn a_source_that_fails_is_offline_with_the_reason_and_opened_again() {
        let stage = played(vec![vec![Act::Picture, Act::Fail]]);
        let report = stage.status.report(true);
        assert_eq!(
            (report.state, report.reason.as_str()),
            (StreamState::Offline, "unplugged: /dev/video0")
        );
        let stage = played(vec![vec![Act::Picture, Act::Fail], vec![Act::Picture, Act::End]]);
        assert_eq!(stage.status.report(true).state, StreamState::Ended);
        assert_eq!(*stage.log.borrow(), ["closed", "closed"], "released before it is opened again");
    }

    #[test]
    fn a_damaged_picture_is_counted_and_passed_over() {
        let stage = played(vec![vec![Act::Picture, Act::Damaged, Act::Picture, Act::End]]);
        assert_eq!((stage.taken.get(), stage.damaged.get()), (2, 1));
        assert_eq!(stage.status.report(true).state, StreamState::Ended);
    }

    #[test]
    fn a_source_whose_pictures_are_of_no_use_is_opened_again_with_the_reason() {
        let stage = stage();
        stage.useless.set(true);
        play(&stage, vec![vec![Act::Picture, Act::Picture]], false, false);
        let report = stage.status.report(true);
        assert_eq!((report.state, report.reason.as_str()), (StreamState::Offline, "no keyframe"));
        assert_eq!((stage.taken.get(), stage.damaged.get()), (1, 0));
        stage.useless.set(true);
        let openings = vec![vec![Act::Picture], vec![Act::Picture, Act::End]];
        play(&stage, openings, false, false);
        assert_eq!(stage.status.report(true).state, StreamState::Ended);
    }

    #[test]
    fn an_unwatched_source_is_closed_and_opened_for_the_next_viewer() {
        let leaves = vec![Act::Picture, Act::Leave];
        let stage = played(vec![leaves, vec![Act::Picture, Act::End]]);
        assert_eq!(*stage.log.borrow(), ["closed", "waited", "closed"]);
        assert_eq!(stage.taken.get(), 2, "what nobody watches is not even made");
    }

    #[test]
    fn one_that_is_not_probed_is_opened_for_a_viewer_alone() {
        let stage = stage();
        stage.watched.set(false);
        let leaves = vec![Act::Picture, Act::Leave, Act::Fail];
        let openings = vec![leaves, vec![Act::Picture, Act::End]].into_iter();
        let mut script = Script { openings, pauses: false, probes: false, stage: stage.clone() };
        let keeping = RetryPolicy { backoff: Backoff::none(), open: false };
        run(&mut script, keeping, &*stage, &stage.status, &stage.shift);
        assert_eq!(*stage.log.borrow(), ["waited", "closed", "waited", "closed"]);
    }

    #[test]
    fn one_that_can_pause_stays_open_and_goes_on() {
        let stage = stage();
        play(&stage, vec![vec![Act::Picture, Act::Leave, Act::Picture, Act::End]], true, false);
        assert_eq!(*stage.log.borrow(), ["waited", "resumed", "closed"]);
    }

    #[test]
    fn one_that_is_kept_open_goes_on_reading() {
        let stage = stage();
        play(&stage, vec![vec![Act::Picture, Act::Leave, Act::Leave, Act::End]], false, true);
        assert_eq!(*stage.log.borrow(), ["closed"]);
        assert_eq!(stage.taken.get(), 1);
    }
}
