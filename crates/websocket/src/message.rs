//! Whole messages of bounded size.

use crate::decoder::{ControlFrame, ControlKind, Decoder, DecoderEvent, MessageKind};
use crate::frame::Role;
use crate::{Violation, close};

/// A whole message or control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping, which must be answered by a pong with the same payload.
    Ping(ControlFrame),
    /// A pong.
    Pong(ControlFrame),
    /// A close frame that passed [`close::check`].
    Close(ControlFrame),
}

/// Collects the messages of one direction of a connection. It holds at most `limit` bytes of payload.
#[derive(Debug)]
pub struct MessageDecoder {
    frames: Decoder,
    kind: MessageKind,
    payload: Vec<u8>,
}

impl MessageDecoder {
    /// Returns a decoder of what `sender` sends, with messages of at most `limit` bytes.
    pub fn new(sender: Role, limit: u64) -> Self {
        let frames = Decoder::new(sender, limit);
        Self { frames, kind: MessageKind::Binary, payload: Vec::new() }
    }

    /// Takes bytes off the front until a message is complete; `None` if all of them are taken.
    ///
    /// # Errors
    /// Fails if the sender breaks the protocol or the limit. The connection must then be closed.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, Violation> {
        while let Some(event) = self.frames.step(bytes)? {
            match event {
                DecoderEvent::Begin(kind) => self.kind = kind,
                DecoderEvent::Payload(payload) => payload.append_to(&mut self.payload),
                DecoderEvent::End => return self.message().map(Some),
                DecoderEvent::Control(control) => {
                    return Ok(Some(match control.kind() {
                        ControlKind::Ping => Message::Ping(control),
                        ControlKind::Pong => Message::Pong(control),
                        ControlKind::Close => {
                            close::check(control.payload())?;
                            Message::Close(control)
                        }
                    }));
                }
            }
        }
        Ok(None)
    }

    fn message(&mut self) -> Result<Message, Violation> {
        let payload = std::mem::take(&mut self.payload);
        Ok(match self.kind {
            MessageKind::Binary => Message::Binary(payload),
            MessageKind::Text => {
                Message::Text(String::from_utf8(payload).map_err(|_| Violation::TextNotUtf8)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CloseCode;
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

    fn decoder() -> MessageDecoder {
        MessageDecoder::new(Role::Client, LIMIT as u64)
    }

    fn decode(bytes: &[u8]) -> Result<Option<Message>, Violation> {
        decoder().next(&mut &*bytes)
    }

    fn code(bytes: &[u8]) -> CloseCode {
        decode(bytes).unwrap_err().close_code()
    }

    #[test]
    fn the_masked_example_of_the_standard_is_decoded() {
        // RFC 6455, section 5.7.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(decode(&hello), Ok(Some(Message::Text("Hello".into()))));
    }

    #[test]
    fn a_client_that_breaks_the_protocol_gets_the_code_for_it() {
        assert_eq!(code(&[0x81, 0x05]), CloseCode::Protocol, "not masked");
        assert_eq!(code(&[0xc1, 0x80, 0, 0, 0, 0]), CloseCode::Protocol, "an extension's bit");
        assert_eq!(code(&[0x83, 0x80, 0, 0, 0, 0]), CloseCode::Protocol, "an unknown opcode");
        assert_eq!(code(&masked(false, 9, b"x")), CloseCode::Protocol, "a fragmented ping");
        assert_eq!(code(&masked(true, 9, &[0; 126])), CloseCode::Protocol, "a long ping");
        assert_eq!(code(&masked(true, 0, b"x")), CloseCode::Protocol, "a lone continuation");
        let within = [masked(false, 1, b"x"), masked(true, 1, b"y")].concat();
        assert_eq!(code(&within), CloseCode::Protocol, "a message within a message");
        assert_eq!(code(&masked(true, 1, b"\xff")), CloseCode::InvalidPayload, "not UTF-8");
        assert_eq!(code(&masked(true, 8, b"\x03")), CloseCode::Protocol, "half a close code");
    }

    #[test]
    fn a_long_message_is_refused_before_its_payload_arrives() {
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
            let (mut decoder, mut messages) = (decoder(), vec![]);
            for mut chunk in bytes.chunks(chunk) {
                while let Some(message) = decoder.next(&mut chunk).unwrap() {
                    messages.push(message);
                }
                prop_assert!(chunk.is_empty());
            }
            let (pings, whole): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| matches!(message, Message::Ping(_)));
            prop_assert_eq!(pings.len(), if ping_between { pieces.len() - 1 } else { 0 });
            prop_assert_eq!(whole, [Message::Binary(payload)]);
        }

        #[test]
        fn no_bytes_panic_or_grow_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let (mut decoder, mut rest) = (decoder(), &bytes[..]);
            while let Ok(Some(message)) = decoder.next(&mut rest) {
                let length = match message {
                    Message::Text(text) => text.len(),
                    Message::Binary(payload) => payload.len(),
                    Message::Ping(control) | Message::Pong(control) | Message::Close(control) => control.payload().len(),
                };
                prop_assert!(length <= LIMIT);
            }
            prop_assert!(decoder.payload.len() <= LIMIT);
        }
    }
}
