//! The framing (RFC 6455, section 5). Bytes in, bytes out.

use bytes::{Buf, BytesMut};

/// Longest header a server writes: two bytes, and eight of length.
pub const MAX_HEADER: usize = 10;
/// Longest payload of a control frame (RFC 6455, section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation = 0,
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
    /// Goodbye.
    Close = 8,
    /// Are you there?
    Ping = 9,
    /// I am.
    Pong = 10,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of one whole, unmasked frame; the second value is its length.
pub fn header(opcode: Opcode, payload: usize) -> ([u8; MAX_HEADER], usize) {
    let mut header = [0; MAX_HEADER];
    header[0] = 0x80 | opcode as u8;
    let length = match payload {
        0..=125 => {
            header[1] = payload as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    };
    (header, length)
}

/// Why a connection is closed (RFC 6455, section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// All is said.
    Normal = 1000,
    /// The relay ends.
    GoingAway = 1001,
    /// The client broke the protocol.
    Protocol = 1002,
    /// The client sent something that cannot be text.
    NotText = 1007,
    /// The client broke a rule of ours.
    Policy = 1008,
    /// The client sent too much.
    TooBig = 1009,
}

/// Checks the payload of a client's close frame (RFC 6455, sections 5.5.1 and 7.4).
///
/// # Errors
/// Fails if it is a single byte, its code may not be sent, or its reason is not UTF-8.
pub fn check_close(payload: &[u8]) -> Result<(), Violation> {
    let protocol = |what| Err(Violation(CloseCode::Protocol, what));
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(()) } else { protocol("half a close code") };
    };
    if !may_be_sent(u16::from_be_bytes(*code)) {
        return protocol("a close code that may not be sent");
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation(CloseCode::NotText, "the reason of a close must be UTF-8")),
    }
}

/// The codes that IANA has registered, without those for use inside of a program (1004 to 1006, 1015), and those of
/// libraries and applications.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a client sent that a server does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub CloseCode, pub &'static str);

/// One whole message or control frame from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Text, Binary, Close, Ping or Pong.
    pub opcode: Opcode,
    /// Its payload, unmasked.
    pub payload: Vec<u8>,
}

/// Puts a client's frames together to messages of bounded size.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// The message begun: its opcode and payload so far.
    begun: Option<(Opcode, Vec<u8>)>,
}

struct Header {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    length: usize,
    payload: usize,
}

impl Decoder {
    /// Takes messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, begun: None }
    }

    /// Takes the next message off `bytes`; `None` where more bytes are needed first.
    ///
    /// # Errors
    /// When the client breaks the protocol or the limit. The connection is then to be closed.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Message>, Violation> {
        while let Some(header) = parse(bytes)? {
            self.check(&header)?;
            if bytes.len() < header.length + header.payload {
                return Ok(None);
            }
            bytes.advance(header.length);
            let mut payload = bytes.split_to(header.payload).to_vec();
            unmask(&mut payload, header.mask);
            if let Some(message) = self.put_together(&header, payload) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Before the payload is waited for, so that nothing too large is ever held.
    fn check(&self, header: &Header) -> Result<(), Violation> {
        let held = self.begun.as_ref().map_or(0, |(_, payload)| payload.len());
        let protocol = |what| Err(Violation(CloseCode::Protocol, what));
        if header.opcode.is_control() {
            return match (header.fin, header.payload) {
                (true, 0..=MAX_CONTROL_PAYLOAD) => Ok(()),
                _ => protocol("a control frame must be whole and of at most 125 bytes"),
            };
        }
        match (header.opcode, &self.begun) {
            (Opcode::Continuation, None) => protocol("a continuation of nothing"),
            (Opcode::Text | Opcode::Binary, Some(_)) => protocol("a message within a message"),
            _ if held + header.payload > self.limit => {
                Err(Violation(CloseCode::TooBig, "a message of more than 4096 bytes"))
            }
            _ => Ok(()),
        }
    }

    fn put_together(&mut self, header: &Header, payload: Vec<u8>) -> Option<Message> {
        if header.opcode.is_control() {
            return Some(Message { opcode: header.opcode, payload });
        }
        let (opcode, mut whole) = self.begun.take().unwrap_or((header.opcode, Vec::new()));
        whole.extend(payload);
        if header.fin {
            return Some(Message { opcode, payload: whole });
        }
        self.begun = Some((opcode, whole));
        None
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let protocol = |what| Err(Violation(CloseCode::Protocol, what));
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return protocol("no extension was agreed on");
    }
    let Some(opcode) = Opcode::of(first & 0x0f) else { return protocol("an unknown opcode") };
    if second & 0x80 == 0 {
        return protocol("a client must mask its frames");
    }
    let (length_bytes, payload) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(bytes) => (2, u64::from(u16::from_be_bytes(*bytes))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (8, u64::from_be_bytes(*bytes)),
            None => return Ok(None),
        },
        short => (0, u64::from(short)),
    };
    let Some(mask) = rest[length_bytes..].first_chunk().copied() else { return Ok(None) };
    // Larger than any limit in either case.
    let payload = usize::try_from(payload).unwrap_or(usize::MAX / 2).min(usize::MAX / 2);
    Ok(Some(Header { fin: first & 0x80 != 0, opcode, mask, length: 2 + length_bytes + 4, payload }))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 4096;

    fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 77, 177, 233];
        let mut bytes = vec![u8::from(fin) << 7 | opcode];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | short as u8),
            medium @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((medium as u16).to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Option<Message>, Violation> {
        Decoder::new(LIMIT).next(&mut bytes.into())
    }

    fn code(bytes: &[u8]) -> CloseCode {
        decode(bytes).unwrap_err().0
    }

    #[test]
    fn headers_are_those_of_the_standard() {
        // The examples of RFC 6455, section 5.7.
        assert_eq!(header(Opcode::Text, 5).0[..2], [0x81, 0x05]);
        assert_eq!(header(Opcode::Binary, 256).0[..4], [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(header(Opcode::Binary, 65536).0, [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(decode(&hello).unwrap().unwrap().payload, b"Hello");
    }

    #[test]
    fn a_client_that_breaks_the_protocol_is_told_how() {
        assert_eq!(code(&[0x81, 0x05]), CloseCode::Protocol, "not masked");
        assert_eq!(code(&[0xc1, 0x80, 0, 0, 0, 0]), CloseCode::Protocol, "an extension's bit");
        assert_eq!(code(&[0x83, 0x80, 0, 0, 0, 0]), CloseCode::Protocol, "an unknown opcode");
        assert_eq!(code(&masked(false, 9, b"x")), CloseCode::Protocol, "a ping in pieces");
        assert_eq!(code(&masked(true, 9, &[0; 126])), CloseCode::Protocol, "a long ping");
        assert_eq!(code(&masked(true, 0, b"x")), CloseCode::Protocol, "a continuation of nothing");
        let within = [masked(false, 1, b"x"), masked(true, 1, b"y")].concat();
        assert_eq!(code(&within), CloseCode::Protocol, "a message within a message");
    }

    #[test]
    fn a_close_code_that_may_not_be_sent_is_a_fault() {
        let close = |code: u16, reason: &[u8]| {
            check_close(&[&code.to_be_bytes(), reason].concat()).map_err(|violation| violation.0)
        };
        assert_eq!(check_close(b""), Ok(()));
        assert_eq!(check_close(b"\x03").unwrap_err().0, CloseCode::Protocol);
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            assert_eq!(close(code, "vier Wörter".as_bytes()), Ok(()), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(close(code, b""), Err(CloseCode::Protocol), "{code}");
        }
        assert_eq!(close(1000, b"\xce\xba\xed\xa0\x80"), Err(CloseCode::NotText));
    }

    #[test]
    fn a_large_message_is_refused_before_its_payload_is_waited_for() {
        assert_eq!(code(&masked(true, 1, &[0; LIMIT + 1])[..12]), CloseCode::TooBig);
        let huge = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(code(&huge), CloseCode::TooBig);
        let pieces = [masked(false, 1, &[0; LIMIT]), masked(true, 0, b"x")].concat();
        assert_eq!(code(&pieces), CloseCode::TooBig);
    }

    proptest! {
        #[test]
        fn a_message_reads_back_however_it_is_cut(
            payload in proptest::collection::vec(any::<u8>(), 0..LIMIT),
            fragment in 1..LIMIT,
            chunk in 1..600usize,
            ping_between in any::<bool>(),
        ) {
            let pieces: Vec<&[u8]> = match payload.is_empty() {
                true => vec![&[]],
                false => payload.chunks(fragment).collect(),
            };
            let mut bytes = Vec::new();
            for (at, piece) in pieces.iter().enumerate() {
                let opcode = if at == 0 { 2 } else { 0 };
                bytes.extend(masked(at + 1 == pieces.len(), opcode, piece));
                if ping_between && at + 1 < pieces.len() {
                    bytes.extend(masked(true, 9, b"ping"));
                }
            }
            let (mut decoder, mut buffer, mut messages) = (Decoder::new(LIMIT), BytesMut::new(), vec![]);
            for chunk in bytes.chunks(chunk) {
                buffer.extend_from_slice(chunk);
                while let Some(message) = decoder.next(&mut buffer).unwrap() {
                    messages.push(message);
                }
            }
            let (pings, whole): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| message.opcode == Opcode::Ping);
            prop_assert_eq!(pings.len(), if ping_between { pieces.len() - 1 } else { 0 });
            prop_assert_eq!(whole, [Message { opcode: Opcode::Binary, payload }]);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn no_bytes_panic_or_grow_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let (mut decoder, mut buffer) = (Decoder::new(LIMIT), BytesMut::from(&bytes[..]));
            while let Ok(Some(message)) = decoder.next(&mut buffer) {
                prop_assert!(message.payload.len() <= LIMIT);
            }
        }
    }
}
