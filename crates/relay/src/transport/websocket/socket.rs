//! A WebSocket's two halves.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanlight_bus::clock;
use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::control::MAX_CONTROL;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frame::{self, CloseCode, Decoder, MAX_HEADER, Opcode, Violation};
use super::handshake::Upgraded;
use crate::server::{Gauge, Link, Socket};

/// A client from which nothing came for this long has vanished: two pings and some patience. Looked at with each ping.
const SILENCE: Duration = Duration::from_secs(50);
/// How long a message under way may take when the relay ends, before the connection is reset.
const GRACE: Duration = Duration::from_millis(500);
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

/// The half that speaks to the client.
#[derive(Debug)]
pub struct Writer {
    link: Link,
    gauge: Gauge,
    stop: CancellationToken,
}

/// Splits a connection into its halves.
/// When `stop` is requested, a message under way is given a moment, and then cut off.
pub fn split(upgraded: Upgraded, stop: CancellationToken) -> (Reader, Writer) {
    let Upgraded { link, read } = upgraded;
    let socket = link.socket().clone();
    let gauge = Gauge::new(socket.clone());
    let buffer = BytesMut::from(read.as_ref());
    let reader =
        Reader { socket, buffer, decoder: Decoder::new(MAX_CONTROL), heard_at: Instant::now() };
    (reader, Writer { link, gauge, stop })
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
    /// When the connection is gone, or the client took nothing for too long.
    pub async fn binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()> {
        let (header, length) = frame::header(Opcode::Binary, prefix.len() + payload.len());
        let mut head = [0; MAX_HEADER + MAX_PREFIX];
        head[..length].copy_from_slice(&header[..length]);
        head[length..length + prefix.len()].copy_from_slice(prefix);
        self.both(&head[..length + prefix.len()], payload).await
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub async fn text(&mut self, text: &str) -> io::Result<()> {
        self.whole(Opcode::Text, text.as_bytes()).await
    }

    /// Asks whether the client is there.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub async fn ping(&mut self) -> io::Result<()> {
        self.whole(Opcode::Ping, &[]).await
    }

    /// Answers a ping.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub async fn pong(&mut self, payload: &[u8]) -> io::Result<()> {
        self.whole(Opcode::Pong, payload).await
    }

    /// Says goodbye, and why.
    ///
    /// # Errors
    /// As [`Self::binary`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        let reason =
            &reason.as_bytes()[..reason.floor_char_boundary(frame::MAX_CONTROL_PAYLOAD - 2)];
        let payload = [&(code as u16).to_be_bytes(), reason].concat();
        self.whole(Opcode::Close, &payload).await?;
        self.link.shutdown().await
    }

    async fn whole(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let (header, length) = frame::header(opcode, payload.len());
        self.both(&header[..length], payload).await
    }

    /// Writes both, from where they lie. Most often the kernel takes all of it at once.
    async fn both(&mut self, head: &[u8], payload: &[u8]) -> io::Result<()> {
        let slices = [IoSlice::new(head), IoSlice::new(payload)];
        match self.link.socket().stream.try_write_vectored(&slices) {
            Ok(written) if written == head.len() + payload.len() => Ok(()),
            Ok(written) => self.rest(head, payload, written).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.rest(head, payload, 0).await
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what is left of both.
    async fn rest(&mut self, head: &[u8], payload: &[u8], written: usize) -> io::Result<()> {
        let of_head = written.min(head.len());
        let (mut head, mut payload) = (&head[of_head..], &payload[written - of_head..]);
        let link = &mut self.link;
        let write = async {
            while !head.is_empty() {
                let slices = [IoSlice::new(head), IoSlice::new(payload)];
                let written = link.write_vectored(&slices).await?;
                let of_head = written.min(head.len());
                head = &head[of_head..];
                payload = &payload[written - of_head..];
            }
            link.write_all(payload).await
        };
        tokio::select! {
            done = write => done,
            () = overtime(&self.stop) => Err(io::Error::other("the relay ended in the middle of a message")),
        }
    }
}

async fn overtime(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

impl Writer {
    /// Ends the connection by a reset: for closing in the middle of a message.
    pub fn reset(self) {
        self.link.socket().reset();
    }

    /// Whether the connection was closed because the client took nothing.
    pub fn has_stalled(&self) -> bool {
        self.link.socket().has_stalled()
    }
}
