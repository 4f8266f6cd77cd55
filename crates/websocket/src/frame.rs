//! Frame headers (RFC 6455, section 5.2).

use crate::Violation;

/// Longest header of an unmasked frame: two bytes, and eight of extended length.
pub const MAX_SERVER_HEADER: usize = 10;
/// Longest header of a masked frame, which has four bytes of mask too.
pub const MAX_HEADER: usize = MAX_SERVER_HEADER + 4;
/// Longest payload of a control frame (RFC 6455, section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The role of a side. Clients mask every frame, servers none (RFC 6455, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
}

/// The type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Continues a message.
    Continuation = 0,
    /// Begins a text message.
    Text = 1,
    /// Begins a binary message.
    Binary = 2,
    /// Closes the connection.
    Close = 8,
    /// Asks the other side for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(Violation::UnknownOpcode(bits)),
        })
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketFrameHeader {
    /// True if this is the last frame of its message.
    pub fin: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The mask of the payload; clients set one.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub payload: u64,
}

/// A header as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl EncodedHeader {
    /// Returns the bytes to send before the payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl WebSocketFrameHeader {
    /// Returns the header of a whole message in one unmasked frame.
    pub fn whole(opcode: Opcode, payload: usize) -> Self {
        Self { fin: true, opcode, mask: None, payload: payload as u64 }
    }

    /// Encodes the header.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let mut bytes = [0; MAX_HEADER];
        bytes[0] = if self.fin { FIN } else { 0 } | self.opcode as u8;
        let mut length = match self.payload {
            0..=125 => {
                bytes[1] = self.payload as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(self.payload as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&self.payload.to_be_bytes());
                10
            }
        };
        if let Some(mask) = self.mask {
            bytes[1] |= MASKED;
            bytes[length..length + 4].copy_from_slice(&mask);
            length += 4;
        }
        EncodedHeader { bytes, length }
    }

    /// Parses the header at the front of `bytes`; returns it with its own length, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// Fails if `sender` must not send this frame. Two bytes are enough to find that out, except for a payload length.
    pub fn parse(bytes: &[u8], sender: Role) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBits);
        }
        let (fin, opcode) = (first & FIN != 0, Opcode::from_bits(first & 0x0f)?);
        match (sender, second & MASKED != 0) {
            (Role::Client, false) => return Err(Violation::NotMasked),
            (Role::Server, true) => return Err(Violation::Masked),
            _ => {}
        }
        let short = second & 0x7f;
        if opcode.is_control() && !(fin && usize::from(short) <= MAX_CONTROL_PAYLOAD) {
            return Err(Violation::InvalidControl);
        }
        let length = encoded_length(second);
        if bytes.len() < length {
            return Ok(None);
        }
        let (extended, mask) = rest[..length - 2].split_at(extension(second));
        let payload = match *extended {
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => u64::from(short),
        };
        Ok(Some((Self { fin, opcode, mask: mask.first_chunk().copied(), payload }, length)))
    }
}

/// Returns the length of a header with this second byte.
pub(crate) fn encoded_length(second: u8) -> usize {
    2 + extension(second) + if second & MASKED != 0 { 4 } else { 0 }
}

/// Returns how many bytes of extended payload length follow this second byte.
fn extension(second: u8) -> usize {
    match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_those_of_the_standard() {
        // The examples of RFC 6455, section 5.7.
        let encoded = |opcode, payload| WebSocketFrameHeader::whole(opcode, payload).encode();
        assert_eq!(encoded(Opcode::Text, 5).as_bytes(), [0x81, 0x05]);
        assert_eq!(encoded(Opcode::Binary, 256).as_bytes(), [0x82, 0x7e, 0x01, 0x00]);
        let long = encoded(Opcode::Binary, 65536);
        assert_eq!(long.as_bytes(), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        let masked = WebSocketFrameHeader {
            mask: Some([0x37, 0xfa, 0x21, 0x3d]),
            ..WebSocketFrameHeader::whole(Opcode::Text, 5)
        };
        assert_eq!(masked.encode().as_bytes(), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
    }

    #[test]
    fn a_header_is_parsed_once_it_is_whole() {
        for payload in [0, 1, 125, 126, 65535, 65536, 20_000_000] {
            for (sender, mask) in [(Role::Server, None), (Role::Client, Some([7, 77, 177, 0]))] {
                let header = WebSocketFrameHeader {
                    mask,
                    ..WebSocketFrameHeader::whole(Opcode::Binary, payload)
                };
                let encoded = header.encode();
                let bytes = encoded.as_bytes();
                assert_eq!(
                    WebSocketFrameHeader::parse(bytes, sender),
                    Ok(Some((header, bytes.len())))
                );
                let short = |length: usize| WebSocketFrameHeader::parse(&bytes[..length], sender);
                assert!((0..bytes.len()).all(|length| short(length) == Ok(None)));
            }
        }
    }

    proptest! {
        #[test]
        fn a_parsed_header_encodes_to_a_header_that_parses_to_the_same(bytes: [u8; MAX_HEADER], server: bool) {
            let sender = if server { Role::Server } else { Role::Client };
            if let Ok(Some((header, length))) = WebSocketFrameHeader::parse(&bytes, sender) {
                let max = if server { MAX_SERVER_HEADER } else { MAX_HEADER };
                prop_assert!(length <= max);
                let encoded = header.encode();
                let bytes = encoded.as_bytes();
                prop_assert_eq!(WebSocketFrameHeader::parse(bytes, sender), Ok(Some((header, bytes.len()))));
            }
        }
    }
}
