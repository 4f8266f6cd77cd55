//! Messages of a WebSocket: the client's, which are read, and ours, which are written.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use fanlight_websocket::frame::MAX_HEADER;
use fanlight_websocket::{
    CloseCode, ControlFrame, Message, MessageDecoder, Opcode, Role, Violation,
    WebSocketFrameHeader, close,
};
use tokio::time::Instant;

use super::message_limit::MessageLimit;
use crate::connection::{PacedWriter, Socket};
use crate::stats::counters::FloodCounters;
use crate::stats::labels::Flood;

/// Time without any byte after which a client may have vanished. Checked with each ping.
const SILENCE: Duration = Duration::from_secs(50);
/// Most bytes of one read.
const MAX_READ: usize = 4096;
/// Longest prefix of a payload within its message: the header of `fanlight.v1`.
const MAX_PREFIX: usize = 32;

/// An event on the reading side.
#[derive(Debug)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A ping, whose payload the pong must return.
    Ping(ControlFrame),
    /// A close frame.
    Close,
    /// The client closed its side of the connection.
    Gone,
    /// The client broke the protocol.
    Violation(Violation),
}

/// The reading side of a WebSocket.
#[derive(Debug)]
pub struct MessageReader {
    socket: Arc<Socket>,
    buffer: BytesMut,
    decoder: MessageDecoder,
    limit: MessageLimit,
    floods: Arc<FloodCounters>,
    last_read: Instant,
}

impl MessageReader {
    /// Returns a reader of messages of at most `max_message` bytes that begins with bytes that were read already.
    pub fn new(
        socket: Arc<Socket>,
        read: &[u8],
        max_message: usize,
        floods: Arc<FloodCounters>,
    ) -> Self {
        let decoder = MessageDecoder::new(Role::Client, max_message as u64);
        let (buffer, now) = (BytesMut::from(read), Instant::now());
        let limit = MessageLimit::new(now);
        Self { socket, buffer, decoder, limit, floods, last_read: now }
    }

    /// Waits for the next event. The wait may be cancelled and started again without loss.
    pub async fn next(&mut self) -> Incoming {
        loop {
            self.limit.ready().await;
            match self.decode() {
                Err(violation) => return Incoming::Violation(violation),
                Ok(Some(Message::Text(text))) => return Incoming::Text(text),
                Ok(Some(Message::Ping(ping))) => return Incoming::Ping(ping),
                Ok(Some(Message::Close(_))) => return Incoming::Close,
                // A pong only has to arrive, and binary messages have no meaning.
                Ok(Some(Message::Pong(_) | Message::Binary(_))) => {}
                Ok(None) => match self.readable().await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return Incoming::Gone,
                },
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Message>, Violation> {
        let mut rest = &self.buffer[..];
        let message = self.decoder.next(&mut rest);
        let taken = self.buffer.len() - rest.len();
        self.buffer.advance(taken);
        if matches!(message, Ok(Some(_))) && self.limit.record(Instant::now()) {
            self.floods.count(Flood::Messages);
            tracing::warn!(client = %self.socket.client, "many messages: reading this client more slowly");
        }
        message
    }

    /// Returns whether any byte arrived after this moment.
    pub fn has_read_since(&self, then: Instant) -> bool {
        self.last_read > then
    }

    /// Returns whether no byte, not even of a pong, arrived for [`SILENCE`]: the client must be gone.
    pub fn is_silent(&self) -> bool {
        self.last_read.elapsed() > SILENCE
    }

    /// Reads and discards until the client closes its side.
    pub async fn drain(mut self) {
        while self.readable().await.is_ok_and(|more| more) {
            self.buffer.clear();
        }
    }

    /// Waits for bytes and buffers them; returns false at the end of the stream.
    async fn readable(&mut self) -> io::Result<bool> {
        loop {
            poll_fn(|cx| self.socket.poll_readable(cx)).await?;
            match self.read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => return Ok(count > 0),
            }
        }
    }

    /// Reads by way of the stack, so that an idle connection holds little memory.
    fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; MAX_READ];
        let count = self.socket.try_read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        // Any byte, also that of a pong, shows that the client is there.
        self.last_read = Instant::now();
        Ok(count)
    }
}

/// The writing side of a WebSocket.
pub trait MessageWriter {
    /// Sends a binary message of a prefix (at most 32 bytes) and a payload, which is not copied.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn send_binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()>;

    /// Sends a text message.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn send_text(&mut self, text: String) -> io::Result<()>;

    /// Sends a ping.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn send_ping(&mut self) -> io::Result<()>;

    /// Sends a pong with the payload of a ping.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn send_pong(&mut self, payload: &[u8]) -> io::Result<()>;

    /// Sends a close frame.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    fn send_close(&mut self, code: CloseCode, reason: &str) -> io::Result<()>;
}

impl MessageWriter for PacedWriter {
    fn send_binary(&mut self, prefix: &[u8], payload: &Bytes) -> io::Result<()> {
        let header =
            WebSocketFrameHeader::whole(Opcode::Binary, prefix.len() + payload.len()).encode();
        let (header, length) = (header.as_bytes(), header.as_bytes().len());
        let mut head = [0; MAX_HEADER + MAX_PREFIX];
        head[..length].copy_from_slice(header);
        head[length..length + prefix.len()].copy_from_slice(prefix);
        self.send(&head[..length + prefix.len()], payload, &[])
    }

    fn send_text(&mut self, text: String) -> io::Result<()> {
        send(self, Opcode::Text, text.into())
    }

    fn send_ping(&mut self) -> io::Result<()> {
        send(self, Opcode::Ping, Bytes::new())
    }

    fn send_pong(&mut self, payload: &[u8]) -> io::Result<()> {
        send(self, Opcode::Pong, Bytes::copy_from_slice(payload))
    }

    fn send_close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        send(self, Opcode::Close, close::encode(code, reason).into())
    }
}

fn send(writer: &mut PacedWriter, opcode: Opcode, payload: Bytes) -> io::Result<()> {
    let header = WebSocketFrameHeader::whole(opcode, payload.len()).encode();
    writer.send(header.as_bytes(), &payload, &[])
}
