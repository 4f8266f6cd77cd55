//! Both halves of a socket at work, from the first word to goodbye.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
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
use crate::hub::Bell;

/// How long the client may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a ping goes out, also when nothing else does.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Whoever speaks on a socket.
pub trait Speaker {
    /// Says the first word.
    fn begin(&mut self, writer: &mut Writer) -> impl Future<Output = io::Result<()>> + Send;

    /// Answers a text of the client.
    fn answer(
        &mut self,
        writer: &mut Writer,
        text: &str,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Says what there is to say now, at most one frame of it.
    fn speak(&mut self, writer: &mut Writer) -> impl Future<Output = io::Result<Turn>> + Send;

    /// Waits for what [`Self::bell`] does not tell of. May be given up and begun anew without harm.
    fn news(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

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

/// Runs a conversation; returns why it ended, for metrics and for people.
pub async fn converse(
    upgraded: Upgraded,
    stop: &CancellationToken,
    speaker: &mut impl Speaker,
) -> (Why, String) {
    let (mut reader, mut writer) = socket::split(upgraded, stop.clone());
    match talk(&mut reader, &mut writer, stop, speaker).await {
        Ok(Ending::Close(code, reason)) => {
            if writer.close(code, reason).await.is_ok() {
                // Reading on until the client closes: else our goodbye could be lost to a reset.
                let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
            }
            match code {
                CloseCode::Normal => (Why::Left, "the viewer said goodbye".into()),
                CloseCode::GoingAway => (Why::Ending, reason.into()),
                _ => (Why::Broke, reason.into()),
            }
        }
        Ok(Ending::Gone(why)) => (why, "the viewer left".into()),
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

async fn talk(
    reader: &mut Reader,
    writer: &mut Writer,
    stop: &CancellationToken,
    speaker: &mut impl Speaker,
) -> io::Result<Ending> {
    speaker.begin(writer).await?;
    let bell = speaker.bell().clone();
    let mut stopped = pin!(stop.cancelled());
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut alarm = Alarm::new(next_ping);
    for pass in 0u64.. {
        let turn = speaker.speak(writer).await?;
        let until = match turn {
            Turn::At(due) => next_ping.min(Instant::now() + due.since(clock::now())),
            Turn::More | Turn::Done => next_ping,
        };
        let others_first = turn == Turn::More || pass % 8 == 0;
        let event = {
            let other = pin!(async {
                tokio::select! {
                    biased;
                    () = &mut stopped => Event::Stopped,
                    heard = reader.next() => Event::Heard(heard),
                    () = speaker.news() => Event::News,
                    () = alarm.ring(until) => Event::Alarm,
                }
            });
            let called = match turn {
                Turn::More => Either::Left(requeue()),
                Turn::At(_) | Turn::Done => Either::Right(bell.rung()),
            };
            first(other, pin!(called), others_first).await
        };
        match event {
            Event::News => {}
            Event::Stopped => return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends")),
            Event::Heard(heard) => match heard {
                Heard::Text(text) => speaker.answer(writer, &text).await?,
                Heard::Ping(payload) => writer.pong(&payload).await?,
                Heard::Close => return Ok(Ending::Close(CloseCode::Normal, "")),
                Heard::Gone => return Ok(Ending::Gone(Why::Left)),
                Heard::Broke(violation) => return Ok(Ending::Close(violation.0, violation.1)),
            },
            Event::Alarm if until < next_ping => {}
            Event::Alarm if reader.is_silent() => return Ok(Ending::Gone(Why::Silent)),
            Event::Alarm => {
                next_ping = Instant::now() + PING_EVERY;
                writer.ping().await?;
            }
        }
    }
    unreachable!("passes do not end")
}

/// Waits for either. Most often it is the call to speak, so that is asked first; but not always, or a client for whom
/// there is always something would never be heard.
async fn first(
    mut other: Pin<&mut impl Future<Output = Event>>,
    mut called: Pin<&mut impl Future<Output = ()>>,
    others_first: bool,
) -> Event {
    poll_fn(|cx| {
        if others_first && let Poll::Ready(event) = other.as_mut().poll(cx) {
            return Poll::Ready(event);
        }
        if called.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::News);
        }
        if others_first { Poll::Pending } else { other.as_mut().poll(cx) }
    })
    .await
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
