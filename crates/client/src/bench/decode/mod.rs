//! Boundaries of messages in the bytes of a connection. No IO and no clock; payloads are not stored.
//!
//! - [`websocket`]: messages of a WebSocket;
//! - [`mjpeg`]: the parts of a multipart answer ([`multipart`]), chunked ([`chunked`]) or not;
//! - [`length_prefixed`]: messages with a length prefix of four bytes.
//!
//! A decoder accepts pieces of any size, and returns the same messages for every division into pieces. It reports how
//! many payload bytes are [`ahead`](Decoder::ahead): these can be discarded without reading.

pub mod chunked;
pub mod length_prefixed;
pub mod mjpeg;
pub mod multipart;
pub mod websocket;

use fanlight_websocket::ControlFrame;
use length_prefixed::LengthPrefixed;
use mjpeg::Mjpeg;
use websocket::WebSocket;

/// Largest message, in bytes. A longer one most likely means that the bytes are of another protocol.
pub const MAX_MESSAGE: u64 = 256 * 1024 * 1024;

/// One item of the decoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A message begins.
    Begin(Begin),
    /// The next bytes of its payload.
    Bytes(&'a [u8]),
    /// The message is complete. If only a boundary marks the end, the last `excess` bytes were taken for payload but
    /// belong to the boundary.
    End {
        /// Number of bytes.
        excess: u64,
    },
    /// A WebSocket's ping, which must be answered.
    Ping(ControlFrame),
    /// A WebSocket's close, sent by the server.
    Close(ControlFrame),
}

/// Facts about a message that are known before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Begin {
    /// It is a text message, and therefore no frame.
    pub text: bool,
    /// Capture time in Unix microseconds, if the part's head has one (`X-Timestamp`).
    pub stamp: Option<u64>,
}

/// The bytes violate the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message is implausibly long.
    #[error("a message of {0} bytes is implausible: at most {MAX_MESSAGE} are accepted")]
    TooLong(u64),
    /// A line of a head is too long.
    #[error("a line of more than {0} bytes in the head of a part or chunk")]
    Line(usize),
    /// The length of a chunk is not a number.
    #[error("a chunk's length is not a number: {0:?}")]
    ChunkLength(String),
    /// A chunk is not followed by a new line.
    #[error("a chunk is longer than its length says")]
    ChunkEnd,
    /// The last part or chunk has arrived.
    #[error("the server ended its answer")]
    Ended,
    /// A content length that is not a number.
    #[error("a part's Content-Length is not a number: {0:?}")]
    PartLength(String),
    /// A WebSocket frame that a server must not send.
    #[error("invalid WebSocket frame: {0}")]
    WebSocket(#[from] fanlight_websocket::Violation),
}

/// A decoder for one of the protocols.
#[derive(Debug)]
pub enum Decoder {
    /// See [`websocket`].
    WebSocket(WebSocket),
    /// See [`mjpeg`]. Boxed, because it is large and rarely used.
    Mjpeg(Box<Mjpeg>),
    /// See [`length_prefixed`].
    LengthPrefixed(LengthPrefixed),
}

impl Decoder {
    /// Takes bytes from the front of `bytes` and returns the next item; `None` if it needs more bytes.
    ///
    /// # Errors
    /// Fails if the bytes violate the protocol; the connection is then unusable.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        match self {
            Self::WebSocket(decoder) => decoder.step(bytes),
            Self::Mjpeg(decoder) => decoder.step(bytes),
            Self::LengthPrefixed(decoder) => decoder.step(bytes),
        }
    }

    /// Returns how many of the next bytes are only payload.
    pub fn ahead(&self) -> u64 {
        match self {
            Self::WebSocket(decoder) => decoder.ahead(),
            Self::Mjpeg(decoder) => decoder.ahead(),
            Self::LengthPrefixed(decoder) => decoder.ahead(),
        }
    }

    /// Advances by bytes that were discarded: at most [`ahead`](Self::ahead).
    pub fn skip(&mut self, bytes: u64) {
        match self {
            Self::WebSocket(decoder) => decoder.skip(bytes),
            Self::Mjpeg(decoder) => decoder.skip(bytes),
            Self::LengthPrefixed(decoder) => decoder.skip(bytes),
        }
    }

    /// Returns how many bytes to read for the head before a payload: its greatest length, or for MJPEG an estimate.
    pub fn head_room(&self) -> usize {
        match self {
            Self::WebSocket(_) => websocket::MAX_HEAD,
            Self::Mjpeg(_) => mjpeg::HEAD_ROOM,
            Self::LengthPrefixed(_) => length_prefixed::HEAD,
        }
    }

    /// Returns whether it is in a payload whose end it must search for.
    pub fn is_searching(&self) -> bool {
        matches!(self, Self::Mjpeg(decoder) if decoder.is_searching())
    }

    /// Returns whether bytes that belong to a message follow its payload.
    pub fn has_tail(&self) -> bool {
        matches!(self, Self::Mjpeg(_))
    }
}

/// Takes up to `room` bytes from the front.
fn take_front<'a>(bytes: &mut &'a [u8], room: u64) -> &'a [u8] {
    let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
    let (front, rest) = bytes.split_at(taken);
    *bytes = rest;
    front
}

#[cfg(test)]
pub(crate) mod testing {
    //! Feeds a decoder in pieces of any size, and collects the result.

    use super::*;

    /// A decoded item; skipped bytes are zeros.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Seen {
        Message(Begin, Vec<u8>),
        Ping(Vec<u8>),
        Close(Vec<u8>),
        Violation(Violation),
    }

    /// Feeds `bytes` in pieces of these sizes, repeatedly. With `skip`, payload ahead is skipped.
    pub(crate) fn decode(
        mut decoder: Decoder,
        bytes: &[u8],
        sizes: &[usize],
        skip: bool,
    ) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut under_way = None;
        let mut rest = bytes;
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let size = sizes.next().expect("endless").clamp(1, rest.len());
            let (mut piece, later) = rest.split_at(size);
            rest = later;
            let ahead = decoder.ahead().min(piece.len() as u64);
            if skip && ahead > 0 {
                decoder.skip(ahead);
                let (_, message): &mut (Begin, Vec<u8>) = under_way.as_mut().expect("begun");
                message.resize(message.len() + ahead as usize, 0);
                piece = &piece[ahead as usize..];
            }
            if let Err(violation) = feed(&mut decoder, piece, &mut under_way, &mut seen) {
                seen.push(Seen::Violation(violation));
                return seen;
            }
        }
        seen
    }

    fn feed(
        decoder: &mut Decoder,
        mut piece: &[u8],
        under_way: &mut Option<(Begin, Vec<u8>)>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Violation> {
        while let Some(step) = decoder.step(&mut piece)? {
            match step {
                Step::Begin(begin) => {
                    assert!(under_way.replace((begin, Vec::new())).is_none(), "one at a time");
                }
                Step::Bytes(bytes) => {
                    assert!(!bytes.is_empty(), "no idle steps");
                    under_way.as_mut().expect("begun").1.extend_from_slice(bytes);
                }
                Step::End { excess } => {
                    let (begin, mut message) = under_way.take().expect("begun");
                    message.truncate(message.len() - excess as usize);
                    seen.push(Seen::Message(begin, message));
                }
                Step::Ping(control) => seen.push(Seen::Ping(control.payload().to_vec())),
                Step::Close(control) => seen.push(Seen::Close(control.payload().to_vec())),
            }
        }
        assert!(piece.is_empty(), "all is taken");
        Ok(())
    }
}
