//! A WebSocket as its server writes it (RFC 6455): unmasked, uncompressed, in one piece or several.

use super::{Begin, MAX_MESSAGE, Step, Violation, take_front};

/// Longest head of a frame that a server sends: two bytes and eight of length.
pub const MAX_HEAD: usize = 10;
/// Longest payload of a control frame.
const MAX_CONTROL: usize = 125;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// The payload of a ping, or of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    bytes: [u8; MAX_CONTROL],
    have: u8,
}

impl Control {
    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.have)]
    }

    /// Code and reason of an end, in words.
    pub fn reason(&self) -> String {
        match self.bytes() {
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let reason = String::from_utf8_lossy(reason);
                let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
                let colon = if reason.is_empty() { "" } else { ": " };
                format!("closed by the server with code {code}{colon}{reason}")
            }
            _ => "closed by the server without a code".into(),
        }
    }
}

/// The head of one frame of the WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether it is the last of its message.
    pub last: bool,
    /// 0 goes on, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// Length of the payload.
    pub length: u64,
}

impl Head {
    /// How long a head is that begins so; two bytes are needed to tell.
    fn length_of(begin: &[u8]) -> Option<usize> {
        match begin.get(1)? & 0x7f {
            126 => Some(4),
            127 => Some(10),
            _ => Some(2),
        }
    }

    /// Reads a head; `None` where more bytes are needed.
    ///
    /// # Errors
    /// When no server may send this.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some(head) = Self::length_of(bytes).and_then(|length| bytes.get(..length)) else {
            return Ok(None);
        };
        let length = match *head {
            [_, _, a, b] => u64::from(u16::from_be_bytes([a, b])),
            [_, _, a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => u64::from(head[1] & 0x7f),
        };
        let parsed = Self { last: head[0] & 0x80 != 0, opcode: head[0] & 0x0f, length };
        let control = parsed.opcode >= CLOSE;
        match () {
            () if head[0] & 0x70 != 0 => Err(Violation::WebSocket("reserved bits are set")),
            () if head[1] & 0x80 != 0 => Err(Violation::WebSocket("a server does not mask")),
            () if !matches!(parsed.opcode, 0..=2 | 8..=10) => {
                Err(Violation::WebSocket("an unknown opcode"))
            }
            () if control && !(parsed.last && length <= MAX_CONTROL as u64) => {
                Err(Violation::WebSocket("a control frame that is long or in pieces"))
            }
            () if length > MAX_MESSAGE => Err(Violation::TooLong(length)),
            () => Ok(Some(parsed)),
        }
    }
}

/// Reads one message after the other.
#[derive(Debug)]
pub struct WebSocket {
    state: State,
    /// Of the message under way, with a control frame in between maybe: its length so far.
    message: Option<u64>,
}

#[derive(Debug)]
enum State {
    Head { bytes: [u8; MAX_HEAD], have: usize },
    Payload { left: u64, last: bool },
    Control { opcode: u8, length: usize, control: Control },
}

impl State {
    const BEGIN: Self = Self::Head { bytes: [0; MAX_HEAD], have: 0 };
}

impl Default for WebSocket {
    fn default() -> Self {
        Self { state: State::BEGIN, message: None }
    }
}

impl WebSocket {
    /// See [`Decoder::step`](super::Decoder::step).
    ///
    /// # Errors
    /// When this is no WebSocket as a server writes it.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        loop {
            match &mut self.state {
                State::Payload { left: 0, last } => {
                    let whole = *last;
                    self.state = State::BEGIN;
                    if whole {
                        self.message = None;
                        return Ok(Some(Step::End { excess: 0 }));
                    }
                }
                State::Control { opcode, length, control }
                    if usize::from(control.have) == *length =>
                {
                    let (opcode, control) = (*opcode, *control);
                    self.state = State::BEGIN;
                    match opcode {
                        CLOSE => return Ok(Some(Step::Close(control))),
                        PING => return Ok(Some(Step::Ping(control))),
                        _pong => {}
                    }
                }
                _ if bytes.is_empty() => return Ok(None),
                State::Payload { left, .. } => {
                    let payload = take_front(bytes, *left);
                    *left -= payload.len() as u64;
                    return Ok(Some(Step::Bytes(payload)));
                }
                State::Control { length, control, .. } => {
                    let have = usize::from(control.have);
                    let part = take_front(bytes, (*length - have) as u64);
                    control.bytes[have..have + part.len()].copy_from_slice(part);
                    control.have += part.len() as u8;
                }
                State::Head { .. } => {
                    if let Some(begin) = self.head(bytes)? {
                        return Ok(Some(Step::Begin(begin)));
                    }
                }
            }
        }
    }

    /// See [`Decoder::ahead`](super::Decoder::ahead).
    pub fn ahead(&self) -> u64 {
        match self.state {
            State::Payload { left, .. } => left,
            _ => 0,
        }
    }

    /// See [`Decoder::skip`](super::Decoder::skip).
    pub fn skip(&mut self, bytes: u64) {
        if let State::Payload { left, .. } = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes bytes of a head until it is whole. What begins with it, where it is a message.
    fn head(&mut self, bytes: &mut &[u8]) -> Result<Option<Begin>, Violation> {
        let State::Head { bytes: head, have } = &mut self.state else { return Ok(None) };
        let whole = Head::length_of(&head[..*have]).unwrap_or(2);
        let part = take_front(bytes, (whole - *have) as u64);
        head[*have..*have + part.len()].copy_from_slice(part);
        *have += part.len();
        let Some(head) = Head::parse(&head[..*have])? else { return Ok(None) };
        if head.opcode >= CLOSE {
            let control = Control { bytes: [0; MAX_CONTROL], have: 0 };
            let length = head.length as usize;
            self.state = State::Control { opcode: head.opcode, length, control };
            return Ok(None);
        }
        self.state = State::Payload { left: head.length, last: head.last };
        let so_far = match (head.opcode, self.message) {
            (TEXT | BINARY, None) => None,
            (0, Some(so_far)) => Some(so_far),
            _ => {
                return Err(Violation::WebSocket(
                    "a message begins within another, or goes on without one",
                ));
            }
        };
        let length = so_far.unwrap_or(0) + head.length;
        if length > MAX_MESSAGE {
            return Err(Violation::TooLong(length));
        }
        self.message = Some(length);
        Ok(so_far.is_none().then_some(Begin { text: head.opcode == TEXT, stamp: None }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Decoder;
    use super::super::testing::{Seen, decode};
    use super::*;

    fn decoder() -> Decoder {
        Decoder::WebSocket(WebSocket::default())
    }

    fn frame(last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![opcode | if last { 0x80 } else { 0 }];
        match payload.len() {
            length @ 0..126 => bytes.push(length as u8),
            length @ 126..65536 => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    fn binary(payload: &[u8]) -> Seen {
        Seen::Message(Begin::default(), payload.to_vec())
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        for length in [0u64, 1, 125, 126, 65535, 65536, 20_000_000] {
            let mut bytes = frame(true, BINARY, &vec![0; length as usize]);
            bytes.truncate(MAX_HEAD);
            let expected = Head { last: true, opcode: BINARY, length };
            let whole = Head::length_of(&bytes).unwrap();
            assert_eq!(Head::parse(&bytes[..whole]), Ok(Some(expected)));
            assert!((0..whole).all(|short| Head::parse(&bytes[..short]) == Ok(None)));
        }
    }

    #[test]
    fn a_ping_within_a_message_in_pieces_is_told_and_the_message_goes_on() {
        let bytes = [
            frame(false, BINARY, b"one"),
            frame(true, PING, b"there?"),
            frame(true, 10, b"yes"),
            frame(true, 0, b"two"),
            frame(true, CLOSE, b"\x03\xe9going away"),
        ]
        .concat();
        let seen = decode(decoder(), &bytes, &[1], false);
        let close = Seen::Close(b"\x03\xe9going away".to_vec());
        assert_eq!(seen, [Seen::Ping(b"there?".to_vec()), binary(b"onetwo"), close]);
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for bad in [
            &[0x82, 0x81][..],
            &[0xc2, 1],
            &[0x83, 1],
            &[0x09, 1],
            &[0x89, 126, 0, 200],
            &[0x80, 1],
        ] {
            let seen = decode(decoder(), bad, &[1], false);
            assert!(
                matches!(seen[..], [Seen::Violation(Violation::WebSocket(_))]),
                "{bad:?} {seen:?}"
            );
        }
        let seen = decode(decoder(), &[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0], &[9], false);
        assert!(matches!(seen[..], [Seen::Violation(Violation::TooLong(_))]));
    }

    #[test]
    fn an_end_is_told_in_words() {
        let Some(Step::Close(control)) =
            WebSocket::default().step(&mut &frame(true, CLOSE, b"\x03\xf5slow\n")[..]).unwrap()
        else {
            panic!("a close")
        };
        assert_eq!(control.reason(), "closed by the server with code 1013: slow");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_messages(
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec(prop::collection::vec(1u8.., 0..200), 1..4)), 0..6),
            sizes in prop::collection::vec(1usize..300, 1..8),
            skip: bool,
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (text, pieces) in &messages {
                for (at, piece) in pieces.iter().enumerate() {
                    let opcode = if at > 0 { 0 } else if *text { TEXT } else { BINARY };
                    bytes.extend(frame(at + 1 == pieces.len(), opcode, piece));
                }
                expected.push((*text, pieces.concat()));
            }
            let seen = decode(decoder(), &bytes, &sizes, skip);
            prop_assert_eq!(seen.len(), expected.len());
            for (seen, (text, message)) in seen.iter().zip(&expected) {
                let Seen::Message(begin, found) = seen else { panic!("{seen:?}") };
                prop_assert_eq!(begin.text, *text);
                prop_assert_eq!(found.len(), message.len());
                prop_assert!(skip || found == message);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, size in 1usize..20, skip: bool) {
            decode(decoder(), &bytes, &[size], skip);
        }
    }
}
