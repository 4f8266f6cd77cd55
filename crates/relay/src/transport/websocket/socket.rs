//! A WebSocket's two halves.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use fanlight_bus::clock;
use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::control::MAX_CONTROL;
use socket2::SockRef;
use tokio::io::AsyncWrite as _;
use tokio::time::Instant;

use super::frame::{self, CloseCode, Decoder, MAX_HEADER, Opcode, Violation};
use super::handshake::Upgraded;
use crate::server::{Gauge, Link, Socket};

/// A client from which nothing came for this long has vanished: two pings and some patience. Looked at with each ping.
const SILENCE: Duration = Duration::from_secs(50);
/// Pieces written at once: what is left of a frame and of the words before it.
const SLICES: usize = 8;
/// Bytes read at once.
const READ: usize = 4096;
/// What we put before a payload within its message: the header of `fanlight.v1`.
const MAX_PREFIX: usize = 32;

/// Something a client said.
#[derive(Debug)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// A ping, with what is to be sent back.
    Ping(Vec<u8>),
    /// The client says goodbye.
    Close,
    /// The client is gone: its side is closed.
    Gone,
    /// The client broke the protocol.
    Broke(Violation),
}

/// The half that hears the client.
#[derive(Debug)]
pub struct Reader {
    socket: Arc<Socket>,
    buffer: BytesMut,
    decoder: Decoder,
    heard_at: Instant,
}

/// The half that speaks to the client. What the kernel does not take at once waits here, and a frame is only begun when
/// nothing does.
#[derive(Debug)]
pub struct Writer {
    link: Link,
    gauge: Gauge,
    /// What is left of what was said, in order: one frame at most, and some words.
    waiting: VecDeque<Bytes>,
}

/// Splits a connection into its halves.
pub fn split(upgraded: Upgraded) -> (Reader, Writer) {
    let Upgraded { link, read } = upgraded;
    let socket = link.socket().clone();
    let gauge = Gauge::new(socket.clone());
    let buffer = BytesMut::from(read.as_ref());
    let reader =
        Reader { socket, buffer, decoder: Decoder::new(MAX_CONTROL), heard_at: Instant::now() };
    (reader, Writer { link, gauge, waiting: VecDeque::new() })
}

impl Reader {
    /// Waits for the next thing that matters. May be given up and begun anew without harm.
    pub async fn next(&mut self) -> Heard {
        loop {
            match self.decoder.next(&mut self.buffer) {
                Err(violation) => return Heard::Broke(violation),
                Ok(Some(message)) => {
                    if let Some(heard) = heard(message) {
                        return heard;
                    }
                }
                Ok(None) => match self.readable().await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return Heard::Gone,
                },
            }
        }
    }

    /// Whether nothing came for so long, not even an answer to a ping, that nobody can be there.
    pub fn is_silent(&self) -> bool {
        self.heard_at.elapsed() > SILENCE
    }

    /// Reads on and throws away until the client closes its side.
    pub async fn drain(mut self) {
        while self.readable().await.is_ok_and(|more| more) {
            self.buffer.clear();
        }
    }

    /// Waits for bytes and takes them in; false at their end.
    async fn readable(&mut self) -> io::Result<bool> {
        loop {
            poll_fn(|cx| self.socket.stream.poll_read_ready(cx)).await?;
            match self.read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => return Ok(count > 0),
            }
        }
    }

    /// By way of the stack, so that a connection that says little holds little.
    fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; READ];
        let count = self.socket.stream.try_read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        // Whatever comes, a pong for one, shows that somebody is there.
        self.heard_at = Instant::now();
        Ok(count)
    }
}

fn heard(message: frame::Message) -> Option<Heard> {
    match message.opcode {
        Opcode::Text => Some(match String::from_utf8(message.payload) {
            Ok(text) => Heard::Text(text),
            Err(_) => Heard::Broke(Violation(CloseCode::NotText, "a text message must be UTF-8")),
        }),
        Opcode::Ping => Some(Heard::Ping(message.payload)),
        Opcode::Close => Some(Heard::Close),
        // A pong only has to come; what binary messages could mean nobody has said.
        Opcode::Pong | Opcode::Binary | Opcode::Continuation => None,
    }
}

impl Writer {
    /// When the next frame may go; `None`: now. One that went sooner would only make a queue on the way longer.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    pub fn wait(&mut self, now: Timestamp) -> io::Result<Option<Timestamp>> {
        self.gauge.wait(now)
    }

    /// The connection's shortest round trip of late; zero while unknown.
    pub fn distance(&self) -> Duration {
        self.gauge.distance()
    }

    /// Whether writing had to wait for the client since this was asked last.
    pub fn has_waited(&mut self) -> bool {
        let waited = self.link.has_waited();
        if waited {
            self.gauge.suspect(clock::now());
        }
        waited
    }

    /// Sends a binary message of a prefix (at most 32 bytes) and a payload, which is not copied.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()> {
        let (header, length) = frame::header(Opcode::Binary, prefix.len() + payload.len());
        let mut head = [0; MAX_HEADER + MAX_PREFIX];
        head[..length].copy_from_slice(&header[..length]);
        head[length..length + prefix.len()].copy_from_slice(prefix);
        self.send(&head[..length + prefix.len()], payload)
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub fn text(&mut self, text: String) -> io::Result<()> {
        self.message(Opcode::Text, text.into())
    }

    /// Asks whether the client is there.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub fn ping(&mut self) -> io::Result<()> {
        self.message(Opcode::Ping, Bytes::new())
    }

    /// Answers a ping.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub fn pong(&mut self, payload: Vec<u8>) -> io::Result<()> {
        self.message(Opcode::Pong, payload.into())
    }

    /// Says goodbye, and why.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        let reason =
            &reason.as_bytes()[..reason.floor_char_boundary(frame::MAX_CONTROL_PAYLOAD - 2)];
        let payload = [&(code as u16).to_be_bytes(), reason].concat();
        self.message(Opcode::Close, payload.into())
    }

    fn message(&mut self, opcode: Opcode, payload: Bytes) -> io::Result<()> {
        let (header, length) = frame::header(opcode, payload.len());
        self.send(&header[..length], &payload)
    }

    /// Writes both, from where they lie. Most often the kernel takes all of it at once.
    fn send(&mut self, head: &[u8], payload: &Bytes) -> io::Result<()> {
        let mut written = 0;
        if self.is_clear() {
            let slices = [IoSlice::new(head), IoSlice::new(payload)];
            match self.link.socket().stream.try_write_vectored(&slices) {
                Ok(count) => written = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if written < head.len() {
            self.waiting.push_back(Bytes::copy_from_slice(&head[written..]));
        }
        let of_payload = written.saturating_sub(head.len());
        if of_payload < payload.len() {
            self.waiting.push_back(payload.slice(of_payload..));
        }
        Ok(())
    }

    /// Whether the kernel has taken all that was said.
    pub fn is_clear(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_clear() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.waiting.len().min(SLICES);
            for (slice, bytes) in slices.iter_mut().zip(&self.waiting) {
                *slice = IoSlice::new(bytes);
            }
            let written =
                ready!(Pin::new(&mut self.link).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        self.waiting.shrink_to(0);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.waiting.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.waiting.pop_front();
        }
    }

    /// Ends our side; what the client says can still be heard.
    pub fn shut_down(&self) {
        // It fails only on a socket that is gone already.
        let _ = SockRef::from(&self.link.socket().stream).shutdown(Shutdown::Write);
    }

    /// Ends the connection by a reset: for closing in the middle of a message.
    pub fn reset(&self) {
        self.link.socket().reset();
    }

    /// Whether the connection was closed because the client took nothing.
    pub fn has_stalled(&self) -> bool {
        self.link.socket().has_stalled()
    }
}
