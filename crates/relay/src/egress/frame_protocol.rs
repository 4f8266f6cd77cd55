//! Saying what there is to say on a connection, whoever finds out that there is something.
//!
//! Most often that is the thread's dispatcher when a frame has come, without waking the connection's task. The task does what
//! needs waiting: it hears the client, writes what the kernel did not take, and speaks when its time has come.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::connection::{PacedWriter, Wait};
use crate::hub::{Frame, NextSend, Viewer};
use crate::stats::labels::CloseReason;
use crate::stats::labels::DropReason;
use crate::wake::{InlineHandler, Waker};

/// How long a message under way may take when the relay ends, before the connection is reset.
const GRACE: Duration = Duration::from_millis(500);

/// Whoever speaks on a connection. What it says must not wait; the writer keeps what the kernel does not take.
pub trait FrameProtocol: Send + 'static {
    /// Says what there is to say now, at most one frame of it. Called only when nothing said before is left.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    fn speak(&mut self, writer: &mut PacedWriter) -> io::Result<Turn>;

    /// The link was slower than what was said: it had to be waited for.
    fn waited(&mut self);

    /// The connection is closed, and why.
    fn closed(&mut self, why: CloseReason);

    /// Rings when there may be something to say.
    fn waker(&self) -> &Waker;
}

/// The turn of a connection's only viewer: its next frame, where the link has room for one.
///
/// # Errors
/// As [`FrameProtocol::speak`].
pub fn take_turn(
    viewer: &mut Viewer,
    writer: &mut PacedWriter,
    send: impl FnOnce(&mut PacedWriter, &Frame) -> io::Result<()>,
) -> io::Result<Turn> {
    let now = clock::now();
    match writer.wait(now, || viewer.has_due_frame(now))? {
        Wait::No => {}
        Wait::Until(later) => {
            viewer.set_drop_reason(DropReason::Link);
            return Ok(Turn::At(later));
        }
        Wait::Overdue => viewer.mark_stuck(now),
    }
    match viewer.next(now) {
        NextSend::Frame { frame, has_newer: newer } => {
            send(writer, &frame)?;
            Ok(if newer { Turn::More } else { Turn::Done })
        }
        NextSend::At(due) => Ok(Turn::At(due)),
        NextSend::Nothing => Ok(Turn::Done),
    }
}

/// What a speaker has left to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Perhaps more at once, but others first: the client is to be heard meanwhile.
    More,
    /// Something at this moment, nothing before it unless the waker rings.
    At(Timestamp),
    /// Nothing until the waker rings.
    Done,
}

/// Who speaks and what with. The mutex is held to say something, never across a wait; both who take it live on the same
/// thread, so neither ever waits for it.
pub struct SendHandle<S>(Mutex<Spoken<S>>);

impl<S> fmt::Debug for SendHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHandle").finish_non_exhaustive()
    }
}

struct Spoken<S> {
    speaker: S,
    writer: PacedWriter,
    /// What went wrong while nobody waited for the result.
    failed: Option<io::Error>,
    /// Something is to be said at this moment already, and the task knows.
    until: Option<Timestamp>,
}

impl<S: FrameProtocol> SendHandle<S> {
    /// From now on frames are sent as they come. Everything else is up to the task that holds this.
    pub fn new(speaker: S, writer: PacedWriter) -> Arc<Self> {
        let waker = speaker.waker().clone();
        let spoken = Spoken { speaker, writer, failed: None, until: None };
        let handle = Arc::new(Self(Mutex::new(spoken)));
        waker.set_inline_handler(&handle);
        handle
    }

    /// Has the speaker do something else.
    pub fn with<T>(&self, act: impl FnOnce(&mut S, &mut PacedWriter) -> T) -> T {
        let Spoken { speaker, writer, .. } = &mut *self.open();
        act(speaker, writer)
    }

    /// Speaks once, and sees to it that the kernel has taken all of it. Returns when to speak again.
    ///
    /// # Errors
    /// When the connection is gone, the client took nothing for too long, or `stop` came in the middle of a message.
    pub async fn say(&self, stop: &CancellationToken) -> io::Result<Turn> {
        self.flush(stop).await?;
        let (turn, clear) = self.speak()?;
        if clear {
            return Ok(turn);
        }
        self.flush(stop).await?;
        // Whoever rang meanwhile was told that this goes on by itself.
        Ok(Turn::More)
    }

    /// Speaks once where all that was said before is with the kernel. Returns when to speak again; `None`: when what is left
    /// has been written ([`Self::flush`]).
    ///
    /// # Errors
    /// Fails if the connection is gone, or the client took nothing for too long.
    pub fn speak_once(&self) -> io::Result<Option<Turn>> {
        if !self.open().writer.is_clear() {
            return Ok(None);
        }
        let (turn, clear) = self.speak()?;
        Ok(clear.then_some(turn))
    }

    /// Whether the client may be heard: answers to it may have to wait behind a frame, but only a few.
    pub fn has_room_for_answers(&self) -> bool {
        self.open().writer.has_room_for_answers()
    }

    fn speak(&self) -> io::Result<(Turn, bool)> {
        let Spoken { speaker, writer, failed, until } = &mut *self.open();
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let turn = speaker.speak(writer)?;
        *until = match turn {
            Turn::At(due) => Some(due),
            Turn::More | Turn::Done => None,
        };
        Ok((turn, writer.is_clear()))
    }

    /// The connection is closed; every viewer of it is counted under the reason.
    pub fn close(&self, why: CloseReason) {
        self.with(|speaker, _| speaker.closed(why));
    }

    /// Writes what the kernel did not take when it was said.
    ///
    /// # Errors
    /// When the connection is gone, the client took nothing for too long, or `stop` came in the middle of a message.
    pub async fn flush(&self, stop: &CancellationToken) -> io::Result<()> {
        if self.open().writer.is_clear() {
            return Ok(());
        }
        tokio::select! {
            biased;
            flushed = poll_fn(|cx| self.open().writer.poll_flush(cx)) => flushed?,
            () = overtime(stop) => {
                return Err(io::Error::other("the relay ended in the middle of a message"));
            }
        }
        self.with(|speaker, writer| {
            if writer.has_waited() {
                speaker.waited();
            }
        });
        Ok(())
    }

    /// Ends the connection in the middle of whatever is under way; returns why that was.
    pub fn break_off(&self, stop: &CancellationToken) -> CloseReason {
        let writer = &self.open().writer;
        let why = match (writer.has_stalled(), stop.is_cancelled()) {
            (true, _) => CloseReason::Stalled,
            (false, true) => CloseReason::Ending,
            (false, false) => CloseReason::Left,
        };
        writer.reset();
        why
    }

    fn open(&self) -> MutexGuard<'_, Spoken<S>> {
        self.0.lock().expect("a speaker does not panic")
    }
}

impl<S: FrameProtocol> InlineHandler for SendHandle<S> {
    fn handle(&self) -> bool {
        let Spoken { speaker, writer, failed, until } = &mut *self.open();
        // Something is left from before: the task is at it, and will go on by itself.
        if !writer.is_clear() {
            return failed.is_none();
        }
        match speaker.speak(writer) {
            Ok(Turn::Done) => writer.is_clear(),
            Ok(Turn::At(due)) if writer.is_clear() && *until == Some(due) => true,
            Ok(_) => false,
            Err(error) => {
                *failed = Some(error);
                false
            }
        }
    }
}

async fn overtime(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Lets others of this thread go first.
pub async fn requeue() {
    let mut again = true;
    poll_fn(|cx| {
        if std::mem::take(&mut again) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// A timer that is set anew only where the moment has changed: most of the time it is the same far one.
#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Alarm {
    /// Set to this moment.
    pub fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at }
    }

    /// Waits until `turn` says so, or else until `latest`; false: until `latest`.
    pub async fn ring(&mut self, turn: Turn, latest: Instant) -> bool {
        let due = match turn {
            Turn::At(due) => Instant::now() + due.since(clock::now()),
            Turn::More | Turn::Done => latest,
        };
        let at = due.min(latest);
        if at != self.at {
            self.sleep.as_mut().reset(at);
            self.at = at;
        }
        self.sleep.as_mut().await;
        at < latest
    }
}
