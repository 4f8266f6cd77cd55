//! A WebSocket's two halves.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanlight_protocol::viewer::control::MAX_CONTROL;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::frame::{self, CloseCode, Decoder, MAX_HEADER, Opcode, Violation};
use super::handshake::Upgraded;
use crate::server::Link;

/// A client from which nothing came for this long has vanished: two pings and some patience.
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
    /// The client is gone: its side is closed, or nothing came from it for [`SILENCE`], not even an answer to a ping.
    Gone,
    /// The client broke the protocol.
    Broke(Violation),
}

/// The half that hears the client.
#[derive(Debug)]
pub struct Reader {
    half: ReadHalf<Link>,
    buffer: BytesMut,
    decoder: Decoder,
}

/// The half that speaks to the client.
#[derive(Debug)]
pub struct Writer {
    half: WriteHalf<Link>,
}

/// Splits a connection into its halves.
pub fn split(upgraded: Upgraded) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(upgraded.link);
    let buffer = BytesMut::from(upgraded.read.as_ref());
    (Reader { half: read, buffer, decoder: Decoder::new(MAX_CONTROL) }, Writer { half: write })
}

impl Reader {
    /// Waits for the next thing that matters.
    pub async fn next(&mut self) -> Heard {
        loop {
            match self.decoder.next(&mut self.buffer) {
                Err(violation) => return Heard::Broke(violation),
                Ok(Some(message)) => {
                    if let Some(heard) = heard(message) {
                        return heard;
                    }
                }
                Ok(None) => {
                    self.buffer.reserve(READ);
                    // Whatever comes, a pong for one, shows that somebody is there.
                    match timeout(SILENCE, self.half.read_buf(&mut self.buffer)).await {
                        Ok(Ok(0)) | Ok(Err(_)) | Err(_) => return Heard::Gone,
                        Ok(Ok(_)) => {}
                    }
                }
            }
        }
    }

    /// Reads on and throws away until the client closes its side.
    pub async fn drain(mut self) {
        let mut nothing = [0; 512];
        while self.half.read(&mut nothing).await.is_ok_and(|count| count > 0) {}
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
        self.half.shutdown().await
    }

    async fn whole(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let (header, length) = frame::header(opcode, payload.len());
        self.both(&header[..length], payload).await
    }

    /// Writes both, from where they lie, in as few calls as the kernel allows.
    async fn both(&mut self, mut head: &[u8], mut payload: &[u8]) -> io::Result<()> {
        while !head.is_empty() {
            let slices = [IoSlice::new(head), IoSlice::new(payload)];
            let written = self.half.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let of_head = written.min(head.len());
            head = &head[of_head..];
            payload = &payload[written - of_head..];
        }
        self.half.write_all(payload).await
    }
}

/// Ends a connection by a reset: for closing in the middle of a message.
pub fn reset(reader: Reader, writer: Writer) {
    reader.half.unsplit(writer.half).reset();
}
