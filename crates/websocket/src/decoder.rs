//! A byte stream, split into messages. No payload is kept except that of a control frame.

use crate::Violation;
use crate::frame::{
    MAX_CONTROL_PAYLOAD, MAX_HEADER, Opcode, Role, WebSocketFrameHeader, encoded_length,
};

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text, which must be UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// The type of a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Closes the connection.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

/// A step of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecoderEvent<'a> {
    /// A message begins.
    Begin(MessageKind),
    /// The next bytes of its payload; never empty.
    Payload(PayloadChunk<'a>),
    /// The message is complete.
    End,
    /// A whole control frame. It may come between the frames of a message.
    Control(ControlFrame),
}

/// Some bytes of a message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadChunk<'a> {
    wire: &'a [u8],
    /// The mask, rotated so that its first byte belongs to the first byte of `wire`.
    mask: Option<[u8; 4]>,
}

impl<'a> PayloadChunk<'a> {
    /// Returns the bytes as they were sent: masked if a client sent them.
    pub fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// Appends the bytes to `buffer`, unmasked.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        let begin = buffer.len();
        buffer.extend_from_slice(self.wire);
        if let Some(mask) = self.mask {
            unmask(&mut buffer[begin..], mask);
        }
    }
}

/// A whole control frame, unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlFrame {
    kind: ControlKind,
    bytes: [u8; MAX_CONTROL_PAYLOAD],
    length: u8,
}

impl ControlFrame {
    /// Returns the type of the frame.
    pub fn kind(&self) -> ControlKind {
        self.kind
    }

    /// Returns its payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Splits the bytes of one direction of a connection into messages of at most `limit` bytes.
///
/// The bytes may be cut anywhere. A caller that does not need a payload may skip it: [`Self::ahead`] says how many of
/// the next bytes are payload and nothing else.
#[derive(Debug)]
pub struct Decoder {
    sender: Role,
    limit: u64,
    state: State,
    /// The length of the message in progress, as far as its frames have announced it.
    message: Option<u64>,
}

#[derive(Debug)]
enum State {
    Header { bytes: [u8; MAX_HEADER], have: usize },
    Payload { left: u64, fin: bool, mask: Option<[u8; 4]> },
    Control { control: ControlFrame, length: u8, mask: Option<[u8; 4]> },
}

impl State {
    const BEGIN: Self = Self::Header { bytes: [0; MAX_HEADER], have: 0 };
}

impl Decoder {
    /// Returns a decoder of what `sender` sends, with messages of at most `limit` bytes.
    pub fn new(sender: Role, limit: u64) -> Self {
        Self { sender, limit, state: State::BEGIN, message: None }
    }

    /// Takes bytes off the front until there is an event; `None` if all of them are taken.
    ///
    /// # Errors
    /// Fails if the sender breaks the protocol or the limit. The limit is checked before the payload arrives.
    pub fn step<'a>(
        &mut self,
        bytes: &mut &'a [u8],
    ) -> Result<Option<DecoderEvent<'a>>, Violation> {
        loop {
            match &mut self.state {
                State::Payload { left: 0, fin, .. } => {
                    let fin = *fin;
                    self.state = State::BEGIN;
                    if fin {
                        self.message = None;
                        return Ok(Some(DecoderEvent::End));
                    }
                }
                State::Control { control, length, mask } if control.length == *length => {
                    let (mut control, mask) = (*control, *mask);
                    self.state = State::BEGIN;
                    if let Some(mask) = mask {
                        unmask(&mut control.bytes[..usize::from(control.length)], mask);
                    }
                    return Ok(Some(DecoderEvent::Control(control)));
                }
                _ if bytes.is_empty() => return Ok(None),
                State::Payload { left, mask, .. } => {
                    let payload = PayloadChunk { wire: take_front(bytes, *left), mask: *mask };
                    advance(left, mask, payload.wire.len() as u64);
                    return Ok(Some(DecoderEvent::Payload(payload)));
                }
                State::Control { control, length, .. } => {
                    let have = usize::from(control.length);
                    let part = take_front(bytes, u64::from(*length - control.length));
                    control.bytes[have..have + part.len()].copy_from_slice(part);
                    control.length += part.len() as u8;
                }
                State::Header { bytes: header, have } => {
                    let whole = if *have < 2 { 2 } else { encoded_length(header[1]) };
                    let part = take_front(bytes, (whole - *have) as u64);
                    header[*have..*have + part.len()].copy_from_slice(part);
                    *have += part.len();
                    let parsed = WebSocketFrameHeader::parse(&header[..*have], self.sender)?;
                    if let Some((header, _)) = parsed
                        && let Some(kind) = self.begin(&header)?
                    {
                        return Ok(Some(DecoderEvent::Begin(kind)));
                    }
                }
            }
        }
    }

    /// Returns how many of the next bytes are payload of a message and nothing else.
    pub fn ahead(&self) -> u64 {
        match self.state {
            State::Payload { left, .. } => left,
            _ => 0,
        }
    }

    /// Notes that this many bytes were skipped: at most [`Self::ahead`].
    pub fn skip(&mut self, bytes: u64) {
        if let State::Payload { left, mask, .. } = &mut self.state {
            advance(left, mask, bytes.min(*left));
        }
    }

    /// Enters the payload of a frame; returns the type of the message that begins with it, if one does.
    fn begin(&mut self, header: &WebSocketFrameHeader) -> Result<Option<MessageKind>, Violation> {
        let control = |kind| State::Control {
            control: ControlFrame { kind, bytes: [0; MAX_CONTROL_PAYLOAD], length: 0 },
            // The header was checked: a control frame has at most 125 bytes.
            length: header.payload as u8,
            mask: header.mask,
        };
        let kind = match (header.opcode, self.message) {
            (Opcode::Close, _) => return Ok(self.enter(control(ControlKind::Close))),
            (Opcode::Ping, _) => return Ok(self.enter(control(ControlKind::Ping))),
            (Opcode::Pong, _) => return Ok(self.enter(control(ControlKind::Pong))),
            (Opcode::Continuation, None) => return Err(Violation::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::NestedMessage),
            (Opcode::Continuation, Some(_)) => None,
            (Opcode::Text, None) => Some(MessageKind::Text),
            (Opcode::Binary, None) => Some(MessageKind::Binary),
        };
        let length = self.message.unwrap_or(0).saturating_add(header.payload);
        if length > self.limit {
            return Err(Violation::TooLong { length, limit: self.limit });
        }
        self.message = Some(length);
        self.state = State::Payload { left: header.payload, fin: header.fin, mask: header.mask };
        Ok(kind)
    }

    fn enter(&mut self, state: State) -> Option<MessageKind> {
        self.state = state;
        None
    }
}

/// Moves on by this many bytes of payload.
fn advance(left: &mut u64, mask: &mut Option<[u8; 4]>, bytes: u64) {
    *left -= bytes;
    if let Some(mask) = mask {
        mask.rotate_left((bytes % 4) as usize);
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    words.iter_mut().for_each(|word| *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes());
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Takes up to `count` bytes off the front.
fn take_front<'a>(bytes: &mut &'a [u8], count: u64) -> &'a [u8] {
    let taken = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    let (front, rest) = bytes.split_at(taken);
    *bytes = rest;
    front
}

#[cfg(test)]
mod tests;
