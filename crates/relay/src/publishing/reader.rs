//! The reading side of a WebSocket whose client publishes: messages of up to 16 MiB, in any number of fragments.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use fanlight_clock as clock;
use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use fanlight_websocket::{
    ControlFrame, ControlKind, Decoder, DecoderEvent, MessageKind, Role, Violation, close,
};
use tokio::time::{Instant, sleep_until};

use crate::connection::Socket;
use crate::egress::frame_protocol::requeue;
use crate::egress::websocket::MessageLimit;
use crate::ingest::push::PushLimits;
use crate::ingest::push::pace::ReadPace;
use crate::stats::counters::FloodCounters;
use crate::stats::labels::Flood;

/// Most bytes of one read: a frame of usual size takes one or two.
const READ: usize = 64 * 1024;
/// Room that is reserved for a message before its bytes arrive. A client may announce a long one and send nothing.
const RESERVED: usize = 256 * 1024;

/// An event on the reading side.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A binary message, and the arrival time of its first byte.
    Frame(Vec<u8>, Timestamp),
    /// A text message, whose content is discarded.
    Text,
    /// A ping, whose payload the pong must return.
    Ping(ControlFrame),
    /// A close frame.
    Close,
    /// The client closed its side of the connection.
    Gone,
    /// The client broke the protocol.
    Violation(Violation),
}

/// The reading side.
#[derive(Debug)]
pub(super) struct FrameReader {
    socket: Arc<Socket>,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were read and not decoded yet.
    unread: std::ops::Range<usize>,
    decoder: Decoder,
    message: PartialMessage,
    limit: MessageLimit,
    floods: Arc<FloodCounters>,
    pace: ReadPace,
    next_read: Option<Instant>,
    last_read: Instant,
    read_at: Timestamp,
}

/// The message in progress.
#[derive(Debug)]
struct PartialMessage {
    kind: MessageKind,
    payload: Vec<u8>,
    began_at: Timestamp,
    /// The length of the message before: the next one has about the same.
    usual: usize,
}

impl FrameReader {
    /// Returns a reader that begins with bytes that were read already.
    pub(super) fn new(
        socket: Arc<Socket>,
        read: &[u8],
        floods: Arc<FloodCounters>,
        limits: PushLimits,
    ) -> Self {
        let now = Instant::now();
        let mut buffer = vec![0; READ.max(read.len())];
        buffer[..read.len()].copy_from_slice(read);
        let message = PartialMessage {
            kind: MessageKind::Binary,
            payload: Vec::new(),
            began_at: Timestamp::default(),
            usual: 0,
        };
        Self {
            socket,
            buffer,
            unread: 0..read.len(),
            decoder: Decoder::new(Role::Client, MAX_PAYLOAD as u64),
            message,
            limit: MessageLimit::new(now),
            floods,
            pace: ReadPace::new(limits, now),
            next_read: None,
            last_read: now,
            read_at: clock::now(),
        }
    }

    /// Waits for the next event. The wait may be cancelled and started again without loss.
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            self.limit.ready().await;
            match self.decode() {
                Err(violation) => return Incoming::Violation(violation),
                Ok(Some(incoming)) => {
                    self.record();
                    return incoming;
                }
                Ok(None) => {}
            }
            if let Some(due) = self.next_read {
                sleep_until(due).await;
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) | Err(_) => return Incoming::Gone,
            }
        }
    }

    /// Returns when the last byte arrived.
    pub(super) fn last_read(&self) -> Instant {
        self.last_read
    }

    /// Reads and discards until the client closes its side.
    pub(super) async fn drain(mut self) {
        while self.read().await.is_ok_and(|more| more) {}
    }

    fn record(&mut self) {
        if self.limit.record(Instant::now()) {
            self.floods.count(Flood::Messages);
            tracing::warn!(client = %self.socket.client, "many messages: reading this client more slowly");
        }
    }

    /// Decodes what was read, up to the next event.
    fn decode(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let mut rest = &self.buffer[self.unread.clone()];
            let before = rest.len();
            let event = self.decoder.step(&mut rest)?;
            let incoming = match event {
                None => None,
                Some(DecoderEvent::Begin(kind)) => {
                    self.message.begin(kind, self.decoder.ahead(), self.read_at);
                    None
                }
                Some(DecoderEvent::Payload(chunk)) => {
                    if self.message.kind == MessageKind::Binary {
                        chunk.append_to(&mut self.message.payload);
                    }
                    None
                }
                Some(DecoderEvent::End) => Some(self.message.end()),
                Some(DecoderEvent::Control(control)) => match control.kind() {
                    ControlKind::Ping => Some(Incoming::Ping(control)),
                    ControlKind::Close => {
                        close::check(control.payload())?;
                        Some(Incoming::Close)
                    }
                    // It only has to arrive.
                    ControlKind::Pong => None,
                },
            };
            self.unread.start += before - rest.len();
            if incoming.is_some() || event.is_none() {
                return Ok(incoming);
            }
        }
    }

    /// Waits for bytes and reads them; returns false at the end of the stream. Called when all bytes are decoded.
    async fn read(&mut self) -> io::Result<bool> {
        loop {
            poll_fn(|cx| self.socket.poll_readable(cx)).await?;
            match self.socket.try_read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.unread = 0..count;
                    let now = Instant::now();
                    (self.last_read, self.read_at) = (now, clock::now());
                    self.next_read = self.pace.record(count, now);
                    // A client that sends without a pause must not keep the thread from its other connections.
                    if count == self.buffer.len() {
                        requeue().await;
                    }
                    return Ok(count > 0);
                }
            }
        }
    }
}

impl PartialMessage {
    fn begin(&mut self, kind: MessageKind, announced: u64, now: Timestamp) {
        (self.kind, self.began_at) = (kind, now);
        if kind == MessageKind::Binary {
            let announced = usize::try_from(announced).unwrap_or(usize::MAX);
            let expected = announced.max(self.usual + self.usual / 8);
            self.payload.reserve_exact(expected.min(RESERVED));
        }
    }

    fn end(&mut self) -> Incoming {
        match self.kind {
            MessageKind::Text => Incoming::Text,
            MessageKind::Binary => {
                self.usual = self.payload.len();
                let mut payload = std::mem::take(&mut self.payload);
                // Frames are kept for a while, so they occupy no more than they need.
                if payload.capacity() > payload.len() + payload.len() / 2 {
                    payload.shrink_to_fit();
                }
                Incoming::Frame(payload, self.began_at)
            }
        }
    }
}
