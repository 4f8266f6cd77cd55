//! `/streams/NAME/publish` as a WebSocket: each binary message is one frame. Text messages are ignored.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fanlight_websocket::CloseCode;
use tokio::time::{Instant, MissedTickBehavior};

use super::reader::{FrameReader, Incoming};
use crate::access::{Action, Credentials};
use crate::connection::{PacedWriter, RawConnection};
use crate::context::Context;
use crate::egress::frame_protocol::requeue;
use crate::egress::websocket::{MessageWriter as _, close_code};
use crate::ingest::push::{PushedStream, Refusal};
use crate::stats::labels::{PushEnd, RefusedFrame};

/// Time without any byte after which the client is pinged, and after which it is gone.
const PING_AFTER: Duration = Duration::from_secs(2);
const GONE_AFTER: Duration = Duration::from_secs(5);
/// Interval of checks for silence.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for the client's close frame after ours, and for the kernel to accept ours.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The end of a connection.
#[derive(Debug)]
enum End {
    /// A closing handshake follows.
    Close(PushEnd, CloseCode, String),
    /// The client is gone.
    Gone(PushEnd),
}

/// Publishes the messages of a client until either side ends the connection.
pub async fn serve(
    raw: RawConnection,
    mut stream: PushedStream,
    context: Arc<Context>,
    credentials: Credentials,
) {
    let RawConnection { stream: connection, read, .. } = raw;
    let limits = context.ingest.pushed.limits;
    let floods = context.floods.clone();
    let mut reader = FrameReader::new(connection.socket().clone(), &read, floods, limits);
    drop(read);
    let mut writer = PacedWriter::new(connection);
    let end = run(&mut reader, &mut writer, &mut stream, &context, &credentials).await;
    let reason = match end {
        Ok(End::Gone(reason)) => reason,
        Ok(End::Close(reason, code, text)) => {
            // Viewers must not wait for the closing handshake.
            stream.end(reason);
            return close(reader, &mut writer, code, &text).await;
        }
        Err(_) => PushEnd::Left,
    };
    writer.reset();
    stream.end(reason);
}

async fn run(
    reader: &mut FrameReader,
    writer: &mut PacedWriter,
    stream: &mut PushedStream,
    context: &Context,
    credentials: &Credentials,
) -> io::Result<End> {
    let name = stream.name().clone();
    let mut stopped = pin!(context.stop.cancelled());
    let mut replaced = pin!(stream.replaced());
    let mut withdrawn = pin!(context.access.withdrawn(Action::Publish, Some(&name), credentials));
    let mut checks = tokio::time::interval(CHECK_EVERY);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pinged_at = Instant::now();
    loop {
        let flushing = !writer.is_flushed();
        tokio::select! {
            biased;
            () = &mut stopped => {
                let text = "the relay is shutting down".into();
                return Ok(End::Close(PushEnd::Ending, CloseCode::GoingAway, text));
            }
            () = &mut replaced => {
                let text = "another publisher took this stream over".into();
                return Ok(End::Close(PushEnd::Replaced, CloseCode::Replaced, text));
            }
            denied = &mut withdrawn => {
                return Ok(End::Close(PushEnd::Withdrawn, close_code(&denied), denied.to_string()));
            }
            flushed = poll_fn(|cx| writer.poll_flush(cx)), if flushing => flushed?,
            _ = checks.tick() => {
                let silence = reader.last_read().elapsed();
                if silence >= GONE_AFTER {
                    return Ok(End::Gone(PushEnd::Silent));
                }
                if silence >= PING_AFTER && pinged_at.elapsed() >= PING_AFTER && writer.accepts_replies() {
                    writer.send_ping()?;
                    pinged_at = Instant::now();
                }
            }
            incoming = reader.next() => {
                if let Some(end) = handle(incoming, writer, stream)? {
                    return Ok(end);
                }
                requeue().await;
            }
        }
    }
}

/// Handles a message. Returns the end of the connection, if it follows.
fn handle(
    incoming: Incoming,
    writer: &mut PacedWriter,
    stream: &mut PushedStream,
) -> io::Result<Option<End>> {
    match incoming {
        Incoming::Frame(bytes, arrived_at) => match stream.push(bytes, arrived_at) {
            Err(refusal) if refusal.is_last => return Ok(Some(refused(refusal))),
            Ok(()) | Err(_) => {}
        },
        Incoming::Text => stream.ignore_text(),
        // A client that reads nothing gets no more pongs than fit.
        Incoming::Ping(ping) if writer.accepts_replies() => writer.send_pong(ping.payload())?,
        Incoming::Ping(_) => {}
        Incoming::Close => {
            return Ok(Some(End::Close(PushEnd::Left, CloseCode::Normal, String::new())));
        }
        Incoming::Gone => return Ok(Some(End::Gone(PushEnd::Left))),
        Incoming::Violation(violation) => {
            let (code, text) = (violation.close_code(), violation.to_string());
            return Ok(Some(End::Close(PushEnd::Refused, code, text)));
        }
    }
    Ok(None)
}

fn refused(Refusal { message, what, .. }: Refusal) -> End {
    let (end, code) = match what {
        RefusedFrame::Name => (PushEnd::Replaced, CloseCode::Replaced),
        RefusedFrame::Fps | RefusedFrame::Bitrate => (PushEnd::Refused, CloseCode::Policy),
        _ => (PushEnd::Refused, CloseCode::UnsupportedData),
    };
    End::Close(end, code, message)
}

/// Performs the closing handshake.
async fn close(reader: FrameReader, writer: &mut PacedWriter, code: CloseCode, text: &str) {
    let handshake = async {
        if writer.send_close(code, text).is_ok()
            && poll_fn(|cx| writer.poll_flush(cx)).await.is_ok()
        {
            writer.shut_down();
            // With unread bytes the kernel would send a reset, which could discard our close frame.
            reader.drain().await;
        }
    };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, handshake).await;
}
