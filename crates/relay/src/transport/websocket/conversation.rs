//! A WebSocket at work, from the first word to goodbye.

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::Either;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frame::CloseCode;
use super::socket::{Heard, Reader, Say as _};
use crate::closes::Why;
use crate::hub::Bell;
use crate::server::{Outlet, Raw};
use crate::transport::speech::{Alarm, Mouth, Speaker, Turn, requeue};

/// How long the client may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a ping goes out, also when nothing else does.
const PING_EVERY: Duration = Duration::from_secs(20);
/// So many may go unanswered: a client that vanished is given up 60 to 80 s after its last word.
const PATIENCE: u32 = 2;

/// Whoever speaks on a WebSocket, and is spoken to.
pub trait Partner: Speaker {
    /// Says the first word.
    ///
    /// # Errors
    /// When the connection is gone.
    fn begin(&mut self, outlet: &mut Outlet) -> io::Result<()>;

    /// Answers a text of the client.
    ///
    /// # Errors
    /// When the connection is gone.
    fn answer(&mut self, outlet: &mut Outlet, text: &str) -> io::Result<()>;
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
pub async fn converse(raw: Raw, stop: CancellationToken, partner: impl Partner) -> (Why, String) {
    let Raw { link, read, .. } = raw;
    let mut reader = Reader::new(link.socket().clone(), &read);
    // It lies in a buffer of 8 KiB.
    drop(read);
    let bell = partner.bell().clone();
    let mouth = Mouth::new(partner, Outlet::new(link));
    let (why, reason) = match talk(&mouth, &mut reader, &bell, &stop).await {
        Ok(Ending::Close(code, reason)) => {
            say_goodbye(&mouth, reader, code, reason, &stop).await;
            match code {
                CloseCode::Normal => (Why::Left, "the viewer said goodbye".into()),
                CloseCode::GoingAway => (Why::Ending, reason.into()),
                _ => (Why::Broke, reason.into()),
            }
        }
        Ok(Ending::Gone(why)) => (why, "the viewer left".into()),
        Err(error) => (mouth.break_off(&stop), error.to_string()),
    };
    mouth.close(why);
    (why, reason)
}

async fn say_goodbye(
    mouth: &Mouth<impl Partner>,
    reader: Reader,
    code: CloseCode,
    reason: &'static str,
    stop: &CancellationToken,
) {
    if mouth.with(|_, outlet| outlet.close(code, reason)).is_ok() && mouth.flush(stop).await.is_ok()
    {
        mouth.with(|_, outlet| outlet.shut_down());
        // Reading on until the client closes: else our goodbye could be lost to a reset.
        let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
    }
}

async fn talk(
    mouth: &Mouth<impl Partner>,
    reader: &mut Reader,
    bell: &Bell,
    stop: &CancellationToken,
) -> io::Result<Ending> {
    mouth.with(Partner::begin)?;
    let mut stopped = pin!(stop.cancelled());
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut alarm = Alarm::new(next_ping);
    let (mut pinged, mut unanswered) = (Instant::now(), 0);
    loop {
        let spoken = mouth.speak_once()?;
        // While a frame is still being written, the client is heard already: its acknowledgements say how old ones fared.
        let (turn, writing) = (spoken.unwrap_or(Turn::Done), spoken.is_none());
        let called = match turn {
            Turn::More => Either::Left(requeue()),
            Turn::At(_) | Turn::Done => Either::Right(bell.rung()),
        };
        tokio::select! {
            biased;
            () = &mut stopped, if !writing => {
                return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends"));
            }
            flushed = mouth.flush(stop), if writing => flushed?,
            heard = reader.next(), if mouth.has_room_for_answers() => match heard {
                // One at a time: whoever has much to say must not keep the thread from others.
                Heard::Text(text) => {
                    mouth.with(|partner, outlet| partner.answer(outlet, &text))?;
                    requeue().await;
                }
                Heard::Ping(payload) => {
                    mouth.with(|_, outlet| outlet.pong(payload))?;
                    requeue().await;
                }
                Heard::Close => return Ok(Ending::Close(CloseCode::Normal, "")),
                Heard::Gone => return Ok(Ending::Gone(Why::Left)),
                Heard::Broke(violation) => return Ok(Ending::Close(violation.0, violation.1)),
            },
            () = called, if !writing => {}
            turn_has_come = alarm.ring(turn, next_ping), if !writing => {
                if turn_has_come {
                    continue;
                }
                // Asked twice, and given time to answer: a long message may have been in the way of both.
                unanswered = if reader.was_heard_since(pinged) { 0 } else { unanswered + 1 };
                if unanswered > PATIENCE && reader.is_silent() {
                    return Ok(Ending::Gone(Why::Silent));
                }
                pinged = Instant::now();
                next_ping = Instant::now() + PING_EVERY;
                mouth.with(|_, outlet| outlet.ping())?;
            }
        }
    }
}
