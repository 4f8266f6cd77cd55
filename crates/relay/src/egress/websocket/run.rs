//! A WebSocket at work, from the first word to goodbye.

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::Either;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frame::CloseCode;
use super::socket::{Heard, Reader, Say as _};
use crate::connection::{PacedWriter, Raw};
use crate::egress::frame_protocol::{Alarm, FrameProtocol, SendHandle, Turn, requeue};
use crate::stats::labels::CloseReason;
use crate::wake::Waker;

/// How long the client may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a ping goes out, also when nothing else does.
const PING_EVERY: Duration = Duration::from_secs(20);
/// So many may go unanswered: a client that vanished is given up 60 to 80 s after its last word.
const PATIENCE: u32 = 2;

/// Whoever speaks on a WebSocket, and is spoken to.
pub trait WebSocketHandler: FrameProtocol {
    /// Says the first word.
    ///
    /// # Errors
    /// When the connection is gone.
    fn begin(&mut self, writer: &mut PacedWriter) -> io::Result<()>;

    /// Answers a text of the client.
    ///
    /// # Errors
    /// When the connection is gone.
    fn answer(&mut self, writer: &mut PacedWriter, text: &str) -> io::Result<()>;
}

/// How a conversation came to its end.
#[derive(Debug)]
enum Ending {
    /// Between messages, for this reason.
    Close(CloseCode, &'static str),
    /// The client is gone.
    Gone(CloseReason),
}

/// Runs a conversation; returns why it ended, for metrics and for people.
pub async fn run_websocket(
    raw: Raw,
    stop: CancellationToken,
    partner: impl WebSocketHandler,
) -> (CloseReason, String) {
    let Raw { link, read, .. } = raw;
    let mut reader = Reader::new(link.socket().clone(), &read);
    // It lies in a buffer of 8 KiB.
    drop(read);
    let waker = partner.waker().clone();
    let handle = SendHandle::new(partner, PacedWriter::new(link));
    let (why, reason) = match talk(&handle, &mut reader, &waker, &stop).await {
        Ok(Ending::Close(code, reason)) => {
            say_goodbye(&handle, reader, code, reason, &stop).await;
            match code {
                CloseCode::Normal => (CloseReason::Left, "the viewer said goodbye".into()),
                CloseCode::GoingAway => (CloseReason::Ending, reason.into()),
                _ => (CloseReason::Broke, reason.into()),
            }
        }
        Ok(Ending::Gone(why)) => (why, "the viewer left".into()),
        Err(error) => (handle.break_off(&stop), error.to_string()),
    };
    handle.close(why);
    (why, reason)
}

async fn say_goodbye(
    handle: &SendHandle<impl WebSocketHandler>,
    reader: Reader,
    code: CloseCode,
    reason: &'static str,
    stop: &CancellationToken,
) {
    if handle.with(|_, writer| writer.close(code, reason)).is_ok()
        && handle.flush(stop).await.is_ok()
    {
        handle.with(|_, writer| writer.shut_down());
        // Reading on until the client closes: else our goodbye could be lost to a reset.
        let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
    }
}

async fn talk(
    handle: &SendHandle<impl WebSocketHandler>,
    reader: &mut Reader,
    waker: &Waker,
    stop: &CancellationToken,
) -> io::Result<Ending> {
    handle.with(WebSocketHandler::begin)?;
    let mut stopped = pin!(stop.cancelled());
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut alarm = Alarm::new(next_ping);
    let (mut pinged, mut unanswered) = (Instant::now(), 0);
    loop {
        let spoken = handle.speak_once()?;
        // While a frame is still being written, the client is heard already: its acknowledgements say how old ones fared.
        let (turn, writing) = (spoken.unwrap_or(Turn::Done), spoken.is_none());
        let called = match turn {
            Turn::More => Either::Left(requeue()),
            Turn::At(_) | Turn::Done => Either::Right(waker.woken()),
        };
        tokio::select! {
            biased;
            () = &mut stopped, if !writing => {
                return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends"));
            }
            flushed = handle.flush(stop), if writing => flushed?,
            heard = reader.next(), if handle.has_room_for_answers() => match heard {
                // One at a time: whoever has much to say must not keep the thread from others.
                Heard::Text(text) => {
                    handle.with(|partner, writer| partner.answer(writer, &text))?;
                    requeue().await;
                }
                Heard::Ping(payload) => {
                    handle.with(|_, writer| writer.pong(payload))?;
                    requeue().await;
                }
                Heard::Close => return Ok(Ending::Close(CloseCode::Normal, "")),
                Heard::Gone => return Ok(Ending::Gone(CloseReason::Left)),
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
                    return Ok(Ending::Gone(CloseReason::Silent));
                }
                pinged = Instant::now();
                next_ping = Instant::now() + PING_EVERY;
                handle.with(|_, writer| writer.ping())?;
            }
        }
    }
}
