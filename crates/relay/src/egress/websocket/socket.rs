//! A WebSocket's two halves: what the client says, and what we say.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanlight_protocol::viewer::control::MAX_CONTROL;
use tokio::time::Instant;

use super::frame::{self, CloseCode, Decoder, MAX_HEADER, Opcode, Violation};
use crate::connection::{PacedWriter, Socket};

/// A client from which nothing came for this long may have vanished. Looked at with each ping.
const SILENCE: Duration = Duration::from_secs(50);
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

impl Reader {
    /// Hears a client, beginning with what it said already.
    pub fn new(socket: Arc<Socket>, said: &[u8]) -> Self {
        let (buffer, decoder) = (BytesMut::from(said), Decoder::new(MAX_CONTROL));
        Self { socket, buffer, decoder, heard_at: Instant::now() }
    }

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

    /// Whether anything came since then.
    pub fn was_heard_since(&self, then: Instant) -> bool {
        self.heard_at > then
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
        Opcode::Close => Some(match frame::check_close(&message.payload) {
            Ok(()) => Heard::Close,
            Err(violation) => Heard::Broke(violation),
        }),
        // A pong only has to come; what binary messages could mean nobody has said.
        Opcode::Pong | Opcode::Binary | Opcode::Continuation => None,
    }
}

/// What we say.
pub trait Say {
    /// Sends a binary message of a prefix (at most 32 bytes) and a payload, which is not copied.
    ///
    /// # Errors
    /// When the connection is gone.
    fn binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()>;

    /// Sends a text message.
    ///
    /// # Errors
    /// When the connection is gone.
    fn text(&mut self, text: String) -> io::Result<()>;

    /// Asks whether the client is there.
    ///
    /// # Errors
    /// When the connection is gone.
    fn ping(&mut self) -> io::Result<()>;

    /// Answers a ping.
    ///
    /// # Errors
    /// When the connection is gone.
    fn pong(&mut self, payload: Vec<u8>) -> io::Result<()>;

    /// Says goodbye, and why.
    ///
    /// # Errors
    /// When the connection is gone.
    fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()>;
}

impl Say for PacedWriter {
    fn binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()> {
        let (header, length) = frame::header(Opcode::Binary, prefix.len() + payload.len());
        let mut head = [0; MAX_HEADER + MAX_PREFIX];
        head[..length].copy_from_slice(&header[..length]);
        head[length..length + prefix.len()].copy_from_slice(prefix);
        self.send(&head[..length + prefix.len()], payload, &[])
    }

    fn text(&mut self, text: String) -> io::Result<()> {
        message(self, Opcode::Text, text.into())
    }

    fn ping(&mut self) -> io::Result<()> {
        message(self, Opcode::Ping, Bytes::new())
    }

    fn pong(&mut self, payload: Vec<u8>) -> io::Result<()> {
        message(self, Opcode::Pong, payload.into())
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        let reason =
            &reason.as_bytes()[..reason.floor_char_boundary(frame::MAX_CONTROL_PAYLOAD - 2)];
        let payload = [&(code as u16).to_be_bytes(), reason].concat();
        message(self, Opcode::Close, payload.into())
    }
}

fn message(writer: &mut PacedWriter, opcode: Opcode, payload: Bytes) -> io::Result<()> {
    let (header, length) = frame::header(opcode, payload.len());
    writer.send(&header[..length], &payload, &[])
}
