//! The life of a scripted source.

use super::*;
use crate::frame::FrameData;
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
    fn retrieve(&mut self, _: &Buffers) -> Result<FrameData, SourceError> {
        match self.damaged {
            true => Err(SourceError::NotAVideo("damaged".into())),
            false => Ok(FrameData::Jpeg(Vec::new())),
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
    pushed: Cell<u64>,
    log: RefCell<Vec<&'static str>>,
    status: SourceStatus,
    watchdog: Watchdog,
}

impl FrameReceiver for FakeSink {
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
    fn opened(&self, _: &About) {}
    fn push(&self, _: RawFrame) -> Result<(), PushError> {
        self.pushed.set(self.pushed.get() + 1);
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
    opens_at_start: bool,
    sink: Rc<FakeSink>,
}

impl SourceFactory for Script {
    fn opens_at_start(&self) -> bool {
        self.opens_at_start
    }
    fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let actions = self.openings.next().ok_or(SourceError::Stopped)?.into_iter();
        let (about, pauses, sink) = (About::default(), self.pauses, self.sink.clone());
        Ok(Box::new(Scripted { actions, about, damaged: false, pauses, sink }))
    }
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }
    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        unreachable!("no thread is stuck here")
    }
}

fn sink() -> Rc<FakeSink> {
    Rc::new(FakeSink {
        watched: Cell::new(true),
        buffers: Buffers::default(),
        damaged: Cell::default(),
        reopen: Cell::default(),
        pushed: Cell::default(),
        log: RefCell::default(),
        status: SourceStatus::new("cam".parse().unwrap(), &"script", Signal::default()),
        watchdog: Watchdog::default(),
    })
}

/// Plays the actions of one opening after another.
fn play(sink: &Rc<FakeSink>, openings: Vec<Vec<Action>>, pauses: bool, keep_open: bool) {
    let openings = openings.into_iter();
    let mut script = Script { openings, pauses, opens_at_start: true, sink: sink.clone() };
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
    assert_eq!(sink.pushed.get(), 1);
}

#[test]
fn a_source_that_fails_is_offline_with_the_reason_and_opened_again() {
    let sink = played(vec![vec![Action::Frame, Action::Fail]]);
    let report = sink.status.report(true);
    assert_eq!(
        (report.state, report.reason.as_str()),
        (StreamState::Offline, "unplugged: /dev/video0")
    );
    let sink = played(vec![vec![Action::Frame, Action::Fail], vec![Action::Frame, Action::End]]);
    assert_eq!(sink.status.report(true).state, StreamState::Ended);
    assert_eq!(*sink.log.borrow(), ["closed", "closed"], "released before it is opened again");
}

#[test]
fn a_damaged_frame_is_counted_and_dropped() {
    let sink = played(vec![vec![Action::Frame, Action::Damaged, Action::Frame, Action::End]]);
    assert_eq!((sink.pushed.get(), sink.damaged.get()), (2, 1));
    assert_eq!(sink.status.report(true).state, StreamState::Ended);
}

#[test]
fn a_source_whose_frames_are_of_no_use_is_opened_again_with_the_reason() {
    let sink = sink();
    sink.reopen.set(true);
    play(&sink, vec![vec![Action::Frame, Action::Frame]], false, false);
    let report = sink.status.report(true);
    assert_eq!((report.state, report.reason.as_str()), (StreamState::Offline, "no keyframe"));
    assert_eq!((sink.pushed.get(), sink.damaged.get()), (1, 0));
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
    assert_eq!(sink.pushed.get(), 2, "an unwatched frame is not even retrieved");
}

#[test]
fn a_source_that_is_not_opened_at_the_start_is_opened_for_a_viewer_only() {
    let sink = sink();
    sink.watched.set(false);
    let leaves = vec![Action::Frame, Action::Leave, Action::Fail];
    let openings = vec![leaves, vec![Action::Frame, Action::End]].into_iter();
    let mut script = Script { openings, pauses: false, opens_at_start: false, sink: sink.clone() };
    let policy = RetryPolicy { backoff: Backoff::none(), keep_open: false };
    run(&mut script, policy, &*sink, &sink.status, &sink.watchdog);
    assert_eq!(*sink.log.borrow(), ["waited", "closed", "waited", "closed"]);
}

#[test]
fn a_source_that_can_pause_stays_open_and_resumes() {
    let sink = sink();
    play(&sink, vec![vec![Action::Frame, Action::Leave, Action::Frame, Action::End]], true, false);
    assert_eq!(*sink.log.borrow(), ["waited", "resumed", "closed"]);
}

#[test]
fn a_source_that_is_kept_open_is_read_without_a_viewer() {
    let sink = sink();
    play(&sink, vec![vec![Action::Frame, Action::Leave, Action::Leave, Action::End]], false, true);
    assert_eq!(*sink.log.borrow(), ["closed"]);
    assert_eq!(sink.pushed.get(), 1);
}
