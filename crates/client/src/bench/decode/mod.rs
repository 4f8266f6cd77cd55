//! Where messages begin and end in the bytes of a connection. No IO and no clock; nothing is kept of a payload.
//!
//! - [`websocket`]: messages of a WebSocket;
//! - [`mjpeg`]: the parts of a multipart answer ([`multipart`]), chunked ([`chunked`]) or not;
//! - [`length_prefixed`]: four bytes of length, then the message.
//!
//! A decoder is fed in pieces of any size, and gives the same messages however they were cut. Of bytes that are only
//! payload it says how many lie [`ahead`](Decoder::ahead): those may be discarded unseen.

pub mod chunked;
pub mod length_prefixed;
pub mod mjpeg;
pub mod multipart;
pub mod websocket;

use fanlight_websocket::ControlFrame;
use length_prefixed::LengthPrefixed;
use mjpeg::Mjpeg;
use websocket::WebSocket;

/// Largest message, in bytes: beyond it the bytes are hardly what they are taken for.
pub const MAX_MESSAGE: u64 = 256 * 1024 * 1024;

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A message begins.
    Begin(Begin),
    /// The next bytes of its payload.
    Bytes(&'a [u8]),
    /// It is whole. So many of its last bytes were none of it: where only the boundary tells the end, the boundary was
    /// taken for payload first.
    End {
        /// How many.
        excess: u64,
    },
    /// A WebSocket's ping, to be answered.
    Ping(ControlFrame),
    /// A WebSocket's end, as the server says it.
    Close(ControlFrame),
}

/// What is known of a message before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Begin {
    /// Whether it is a text message, and therefore no frame.
    pub text: bool,
    /// When its picture was taken, where the part's head says so (`X-Timestamp`): Unix microseconds.
    pub stamp: Option<u64>,
}

/// The bytes are not what they ought to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message longer than is believed.
    #[error("a message of {0} bytes: more than {MAX_MESSAGE} are not believed")]
    TooLong(u64),
    /// A line of a head that does not end.
    #[error("a line of more than {0} bytes in the head of a part or chunk")]
    Line(usize),
    /// The length of a chunk is not a number.
    #[error("a chunk's length is not a number: {0:?}")]
    ChunkLength(String),
    /// A chunk is not followed by a new line.
    #[error("a chunk is longer than its length says")]
    ChunkEnd,
    /// The last part or chunk came.
    #[error("the server ended its answer")]
    Ended,
    /// A content length that is not a number.
    #[error("a part's Content-Length is not a number: {0:?}")]
    PartLength(String),
    /// A WebSocket frame that a server must not send.
    #[error("invalid WebSocket frame: {0}")]
    WebSocket(#[from] fanlight_websocket::Violation),
}

/// One of the ways to tell messages apart.
#[derive(Debug)]
pub enum Decoder {
    /// See [`websocket`].
    WebSocket(WebSocket),
    /// See [`mjpeg`]. Boxed, for it is rarely used and large.
    Mjpeg(Box<Mjpeg>),
    /// See [`length_prefixed`].
    LengthPrefixed(LengthPrefixed),
}

impl Decoder {
    /// Takes what it needs from the front of `bytes`; nothing more comes out of them where it is `None`.
    ///
    /// # Errors
    /// When the bytes are not what they ought to be; the connection is of no more use then.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        match self {
            Self::WebSocket(decoder) => decoder.step(bytes),
            Self::Mjpeg(decoder) => decoder.step(bytes),
            Self::LengthPrefixed(decoder) => decoder.step(bytes),
        }
    }

    /// How many bytes come next that are payload and nothing else.
    pub fn ahead(&self) -> u64 {
        match self {
            Self::WebSocket(decoder) => decoder.ahead(),
            Self::Mjpeg(decoder) => decoder.ahead(),
            Self::LengthPrefixed(decoder) => decoder.ahead(),
        }
    }

    /// So many of them went by unseen: at most those [`ahead`](Self::ahead).
    pub fn skip(&mut self, bytes: u64) {
        match self {
            Self::WebSocket(decoder) => decoder.skip(bytes),
            Self::Mjpeg(decoder) => decoder.skip(bytes),
            Self::LengthPrefixed(decoder) => decoder.skip(bytes),
        }
    }

    /// Room for what usually stands before a payload.
    pub fn head_room(&self) -> usize {
        match self {
            Self::WebSocket(_) => websocket::MAX_HEAD,
            Self::Mjpeg(_) => mjpeg::HEAD_ROOM,
            Self::LengthPrefixed(_) => length_prefixed::HEAD,
        }
    }

    /// Whether it is in a payload whose end it looks for.
    pub fn is_searching(&self) -> bool {
        matches!(self, Self::Mjpeg(decoder) if decoder.is_searching())
    }

    /// Whether something of a message follows its last byte.
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
    //! Feeding a decoder, cut anyhow, and what comes out.

    use super::*;

    /// What came out of a decoder, with bytes that were skipped as zeros.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Seen {
        Message(Begin, Vec<u8>),
        Ping(Vec<u8>),
        Close(Vec<u8>),
        Violation(Violation),
    }

    /// Feeds `bytes` in pieces of these sizes, again and again. With `skip`, what lies ahead is skipped.
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
