//! Both halves of a socket at work, from the first word to goodbye.
//!
//! What is to be said is said at once, by whoever finds out that there is something: most often the thread's ringer when
//! a frame has come, without waking the socket's task. The task does what needs waiting: it hears the client, writes what
//! the kernel did not take, and speaks when its time has come.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Poll;
use std::time::Duration;

use fanlight_bus::clock;
use fanlight_protocol::Timestamp;
use futures_util::future::Either;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::frame::CloseCode;
use super::handshake::Upgraded;
use super::socket::{self, Heard, Reader, Writer};
use crate::closes::Why;
use crate::hub::{Bell, Quick};

/// How long a message under way may take when the relay ends, before the connection is reset.
const GRACE: Duration = Duration::from_millis(500);
/// How long the client may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a ping goes out, also when nothing else does.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Whoever speaks on a socket. What it says must not wait; the writer keeps what the kernel does not take.
pub trait Speaker: Send + 'static {
    /// Says the first word.
    ///
    /// # Errors
    /// When the connection is gone.
    fn begin(&mut self, writer: &mut Writer) -> io::Result<()>;

    /// Answers a text of the client.
    ///
    /// # Errors
    /// When the connection is gone.
    fn answer(&mut self, writer: &mut Writer, text: &str) -> io::Result<()>;

    /// Says what there is to say now, at most one frame of it. Called only when nothing said before is left.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    fn speak(&mut self, writer: &mut Writer) -> io::Result<Turn>;

    /// The link was slower than what was said: it had to be waited for.
    fn waited(&mut self);

    /// Rings when there may be something to say.
    fn bell(&self) -> &Bell;
}

/// What a speaker has left to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Perhaps more at once, but others first: the client is to be heard meanwhile.
    More,
    /// Something at this moment, nothing before it unless the bell rings.
    At(Timestamp),
    /// Nothing until the bell rings.
    Done,
}

/// How a conversation came to its end.
#[derive(Debug)]
enum Ending {
    /// Between messages, for this reason.
    Close(CloseCode, &'static str),
    /// The client is gone.
    Gone(Why),
}

/// Who speaks and what with. The mutex is held to say something, never across a wait; both who take it live on the same
/// thread, so neither ever waits for it.
struct Mouth<S>(Mutex<Spoken<S>>);

struct Spoken<S> {
    speaker: S,
    writer: Writer,
    /// What went wrong while nobody waited for the result.
    failed: Option<io::Error>,
    /// Something is to be said at this moment already, and the task knows.
    until: Option<Timestamp>,
}

impl<S: Speaker> Mouth<S> {
    fn open(&self) -> MutexGuard<'_, Spoken<S>> {
        self.0.lock().expect("a speaker does not panic")
    }
}

impl<S: Speaker> Quick for Mouth<S> {
    fn answer(&self) -> bool {
        let mut spoken = self.open();
        let Spoken { speaker, writer, failed, until } = &mut *spoken;
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

/// Runs a conversation; returns why it ended, for metrics and for people.
pub async fn converse(
    upgraded: Upgraded,
    stop: CancellationToken,
    speaker: impl Speaker,
) -> (Why, String) {
    let (mut reader, writer) = socket::split(upgraded);
    let bell = speaker.bell().clone();
    let spoken = Spoken { speaker, writer, failed: None, until: None };
    let mouth = Arc::new(Mouth(Mutex::new(spoken)));
    let weak = Arc::downgrade(&mouth);
    bell.be_quick(weak as Weak<dyn Quick>);
    let ended = talk(&mouth, &mut reader, &bell, &stop).await;
    let ended = match ended {
        Ok(Ending::Close(code, reason)) => {
            say_goodbye(&mouth, reader, code, reason).await;
            return match code {
                CloseCode::Normal => (Why::Left, "the viewer said goodbye".into()),
                CloseCode::GoingAway => (Why::Ending, reason.into()),
                _ => (Why::Broke, reason.into()),
            };
        }
        other => other,
    };
    let writer = &mouth.open().writer;
    match ended {
        Ok(Ending::Gone(why)) => (why, "the viewer left".into()),
        Ok(Ending::Close(..)) => unreachable!("answered above"),
        Err(error) => {
            let why = match (writer.has_stalled(), stop.is_cancelled()) {
                (true, _) => Why::Stalled,
                (false, true) => Why::Ending,
                (false, false) => Why::Left,
            };
            writer.reset();
            (why, error.to_string())
        }
    }
}

async fn say_goodbye(
    mouth: &Mouth<impl Speaker>,
    reader: Reader,
    code: CloseCode,
    reason: &'static str,
) {
    if mouth.open().writer.close(code, reason).is_err() {
        return;
    }
    if poll_fn(|cx| mouth.open().writer.poll_flush(cx)).await.is_err() {
        return;
    }
    mouth.open().writer.shut_down();
    // Reading on until the client closes: else our goodbye could be lost to a reset.
    let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
}

async fn talk(
    mouth: &Mouth<impl Speaker>,
    reader: &mut Reader,
    bell: &Bell,
    stop: &CancellationToken,
) -> io::Result<Ending> {
    {
        let Spoken { speaker, writer, .. } = &mut *mouth.open();
        speaker.begin(writer)?;
    }
    let mut stopped = pin!(stop.cancelled());
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut alarm = Alarm::new(next_ping);
    loop {
        flush(mouth, stop).await?;
        let turn = speak(mouth)?;
        if !mouth.open().writer.is_clear() {
            continue;
        }
        let until = match turn {
            Turn::At(due) => next_ping.min(Instant::now() + due.since(clock::now())),
            Turn::More | Turn::Done => next_ping,
        };
        let called = match turn {
            Turn::More => Either::Left(requeue()),
            Turn::At(_) | Turn::Done => Either::Right(bell.rung()),
        };
        let event = tokio::select! {
            biased;
            () = &mut stopped => Event::Stopped,
            heard = reader.next() => Event::Heard(heard),
            () = called => Event::News,
            () = alarm.ring(until) => Event::Alarm,
        };
        match event {
            Event::News => {}
            Event::Stopped => return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends")),
            Event::Heard(heard) => {
                if let Some(ending) = answer(mouth, heard)? {
                    return Ok(ending);
                }
            }
            Event::Alarm if until < next_ping => {}
            Event::Alarm if reader.is_silent() => return Ok(Ending::Gone(Why::Silent)),
            Event::Alarm => {
                next_ping = Instant::now() + PING_EVERY;
                mouth.open().writer.ping()?;
            }
        }
    }
}

/// What a conversation waits for.
enum Event {
    /// There may be something to say.
    News,
    /// The client said something.
    Heard(Heard),
    /// The moment has come that was waited for.
    Alarm,
    /// The relay ends.
    Stopped,
}

fn speak(mouth: &Mouth<impl Speaker>) -> io::Result<Turn> {
    let Spoken { speaker, writer, failed, until } = &mut *mouth.open();
    if let Some(error) = failed.take() {
        return Err(error);
    }
    let turn = speaker.speak(writer)?;
    *until = match turn {
        Turn::At(due) => Some(due),
        Turn::More | Turn::Done => None,
    };
    Ok(turn)
}

fn answer(mouth: &Mouth<impl Speaker>, heard: Heard) -> io::Result<Option<Ending>> {
    let Spoken { speaker, writer, .. } = &mut *mouth.open();
    match heard {
        Heard::Text(text) => speaker.answer(writer, &text)?,
        Heard::Ping(payload) => writer.pong(payload)?,
        Heard::Close => return Ok(Some(Ending::Close(CloseCode::Normal, ""))),
        Heard::Gone => return Ok(Some(Ending::Gone(Why::Left))),
        Heard::Broke(violation) => return Ok(Some(Ending::Close(violation.0, violation.1))),
    }
    Ok(None)
}

/// Writes what the kernel did not take when it was said.
async fn flush(mouth: &Mouth<impl Speaker>, stop: &CancellationToken) -> io::Result<()> {
    if mouth.open().writer.is_clear() {
        return Ok(());
    }
    tokio::select! {
        biased;
        flushed = poll_fn(|cx| mouth.open().writer.poll_flush(cx)) => flushed?,
        () = overtime(stop) => {
            return Err(io::Error::other("the relay ended in the middle of a message"));
        }
    }
    let Spoken { speaker, writer, .. } = &mut *mouth.open();
    if writer.has_waited() {
        speaker.waited();
    }
    Ok(())
}

async fn overtime(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Lets others of this thread go first.
async fn requeue() {
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

/// A timer that is set anew only where the moment has changed: most of the time it is the next ping's.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Alarm {
    fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at }
    }

    async fn ring(&mut self, at: Instant) {
        if at != self.at {
            self.sleep.as_mut().reset(at);
            self.at = at;
        }
        self.sleep.as_mut().await;
    }
}
