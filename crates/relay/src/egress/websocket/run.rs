//! A WebSocket at work, from the first message to the closing handshake.

use std::borrow::Cow;
use std::io;
use std::pin::pin;
use std::time::Duration;

use fanlight_protocol::viewer::control::MAX_CONTROL;
use fanlight_websocket::CloseCode;
use futures_util::future::Either;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::message::{Incoming, MessageReader, MessageWriter as _};
use crate::access::watch::AccessWatch;
use crate::connection::{PacedWriter, RawConnection};
use crate::context::Context;
use crate::egress::frame_protocol::{FrameProtocol, Resume, SendHandle, SendTimer, requeue};
use crate::error::Error;
use crate::stats::labels::{CloseReason, DenialReason};
use crate::wake::Waker;

/// Longest wait for the client's close frame after ours.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval of pings, which are sent in addition to frames.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Most pings without an answer: a vanished client is closed 60 to 80 s after its last byte.
const MAX_UNANSWERED: u32 = 2;

/// A protocol on a WebSocket.
pub trait WebSocketHandler: FrameProtocol {
    /// Longest message of the client, in bytes. A longer one ends the connection.
    const MAX_MESSAGE: usize = MAX_CONTROL;

    /// Sends the first message.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn on_open(&mut self, writer: &mut PacedWriter) -> io::Result<()>;

    /// Handles a text message of the client.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn on_text(&mut self, writer: &mut PacedWriter, text: &str) -> io::Result<()>;

    /// Checks the client's rights again, because the access table has changed. Returns the denial that ends the
    /// connection, if there is one.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn on_access_change(&mut self, writer: &mut PacedWriter) -> io::Result<Option<Error>>;
}

/// The end of a WebSocket between two messages.
#[derive(Debug)]
enum End {
    /// A closing handshake follows, with this code and reason.
    Close(CloseCode, Cow<'static, str>),
    /// The client is gone.
    Gone(CloseReason),
}

/// Runs a WebSocket until either side ends it; returns the reason, for metrics and for people.
pub async fn run_websocket<H: WebSocketHandler>(
    raw: RawConnection,
    context: &Context,
    access: AccessWatch,
    handler: H,
) -> (CloseReason, String) {
    let RawConnection { stream, read, .. } = raw;
    let (stop, floods) = (context.stop.clone(), context.floods.clone());
    let mut reader = MessageReader::new(stream.socket().clone(), &read, H::MAX_MESSAGE, floods);
    // It occupies a buffer of 8 KiB.
    drop(read);
    let waker = handler.waker().clone();
    let handle = SendHandle::new(handler, PacedWriter::new(stream));
    let (close_reason, text) =
        match run_until_end(&handle, &mut reader, &waker, access, &stop).await {
            Ok(End::Close(code, reason)) => {
                close(&handle, reader, code, &reason, &stop).await;
                match code {
                    CloseCode::Normal => (CloseReason::Left, "closed by the viewer".into()),
                    CloseCode::GoingAway => (CloseReason::Ending, reason.into_owned()),
                    CloseCode::Unauthorized | CloseCode::Forbidden => {
                        (CloseReason::Withdrawn, reason.into_owned())
                    }
                    _ => (CloseReason::Broke, reason.into_owned()),
                }
            }
            Ok(End::Gone(reason)) => (reason, "the viewer is gone".into()),
            Err(error) => (handle.abort(&stop), error.to_string()),
        };
    handle.close(close_reason);
    (close_reason, text)
}

/// Performs the closing handshake.
async fn close(
    handle: &SendHandle<impl WebSocketHandler>,
    reader: MessageReader,
    code: CloseCode,
    reason: &str,
    stop: &CancellationToken,
) {
    if handle.with(|_, writer| writer.send_close(code, reason)).is_ok()
        && handle.flush(stop).await.is_ok()
    {
        handle.with(|_, writer| writer.shut_down());
        // Reads until the client closes. With unread bytes the kernel would send a reset, which could discard our close
        // frame.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, reader.drain()).await;
    }
}

/// Returns the close code of a denial. It shows whether another token could help.
pub fn close_code(denied: &Error) -> CloseCode {
    match denied {
        Error::Denied { reason: DenialReason::NoToken | DenialReason::WrongToken, .. } => {
            CloseCode::Unauthorized
        }
        _ => CloseCode::Forbidden,
    }
}

async fn run_until_end(
    handle: &SendHandle<impl WebSocketHandler>,
    reader: &mut MessageReader,
    waker: &Waker,
    mut access: AccessWatch,
    stop: &CancellationToken,
) -> io::Result<End> {
    handle.with(WebSocketHandler::on_open)?;
    let mut stopped = pin!(stop.cancelled());
    let mut next_ping = Instant::now() + PING_EVERY;
    let mut timer = SendTimer::new(next_ping);
    let (mut pinged_at, mut unanswered) = (Instant::now(), 0);
    loop {
        let sent = handle.try_send()?;
        // The client is read from even while a frame is being written: its acknowledgements report how earlier frames
        // fared.
        let (next, flushing) = (sent.unwrap_or(Resume::OnWake), sent.is_none());
        let woken = match next {
            Resume::Soon => Either::Left(requeue()),
            Resume::At(_) | Resume::OnWake => Either::Right(waker.woken()),
        };
        tokio::select! {
            biased;
            () = &mut stopped, if !flushing => {
                return Ok(End::Close(CloseCode::GoingAway, "the relay is shutting down".into()));
            }
            flushed = handle.flush(stop), if flushing => flushed?,
            () = access.changed(), if !flushing => {
                let denied = handle.with(WebSocketHandler::on_access_change)?;
                if let Some(denied) = denied {
                    return Ok(End::Close(close_code(&denied), denied.to_string().into()));
                }
            }
            incoming = reader.next(), if handle.accepts_replies() => match incoming {
                // One message at a time: a client that sends many must not keep the thread from its other connections.
                Incoming::Text(text) => {
                    handle.with(|handler, writer| handler.on_text(writer, &text))?;
                    requeue().await;
                }
                Incoming::Ping(ping) => {
                    handle.with(|_, writer| writer.send_pong(ping.payload()))?;
                    requeue().await;
                }
                Incoming::Close => return Ok(End::Close(CloseCode::Normal, "".into())),
                Incoming::Gone => return Ok(End::Gone(CloseReason::Left)),
                Incoming::Violation(violation) => {
                    return Ok(End::Close(violation.close_code(), violation.to_string().into()));
                }
            },
            () = woken, if !flushing => {}
            is_due = timer.wait(next, next_ping), if !flushing => {
                if is_due {
                    continue;
                }
                // A client gets several pings and time to answer: a long message may have delayed both directions.
                unanswered = if reader.has_read_since(pinged_at) { 0 } else { unanswered + 1 };
                if unanswered > MAX_UNANSWERED && reader.is_silent() {
                    return Ok(End::Gone(CloseReason::Silent));
                }
                pinged_at = Instant::now();
                next_ping = Instant::now() + PING_EVERY;
                handle.with(|_, writer| writer.send_ping())?;
            }
        }
    }
}
