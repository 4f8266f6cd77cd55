//! WebSocket messages as a server sends them: unmasked, uncompressed, in one frame or several.

use fanlight_websocket::frame::MAX_SERVER_HEADER;
use fanlight_websocket::{ControlFrame, ControlKind, DecoderEvent, MessageKind, Role};

use super::{Begin, MAX_MESSAGE, Step, Violation};

/// Longest header of a frame that a server sends.
pub const MAX_HEAD: usize = MAX_SERVER_HEADER;

/// Decodes one message after the other.
#[derive(Debug)]
pub struct WebSocket(fanlight_websocket::Decoder);

impl Default for WebSocket {
    fn default() -> Self {
        Self(fanlight_websocket::Decoder::new(Role::Server, MAX_MESSAGE))
    }
}

impl WebSocket {
    /// See [`Decoder::step`](super::Decoder::step).
    ///
    /// # Errors
    /// Fails if a server must not send these bytes.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        while let Some(event) = self.0.step(bytes)? {
            return Ok(Some(match event {
                DecoderEvent::Begin(kind) => {
                    Step::Begin(Begin { text: kind == MessageKind::Text, stamp: None })
                }
                DecoderEvent::Payload(payload) => Step::Bytes(payload.wire()),
                DecoderEvent::End => Step::End { excess: 0 },
                DecoderEvent::Control(control) => match control.kind() {
                    ControlKind::Close => Step::Close(control),
                    ControlKind::Ping => Step::Ping(control),
                    ControlKind::Pong => continue,
                },
            }));
        }
        Ok(None)
    }

    /// See [`Decoder::ahead`](super::Decoder::ahead).
    pub fn ahead(&self) -> u64 {
        self.0.ahead()
    }

    /// See [`Decoder::skip`](super::Decoder::skip).
    pub fn skip(&mut self, bytes: u64) {
        self.0.skip(bytes);
    }
}

/// Returns the code and the reason of a close frame, in words.
pub fn close_reason(close: &ControlFrame) -> String {
    match close.payload() {
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

#[cfg(test)]
mod tests {
    use fanlight_websocket::Violation::TooLong;
    use proptest::prelude::*;

    use super::super::Decoder;
    use super::super::testing::{Seen, decode};
    use super::*;

    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;

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
    fn a_header_is_decoded_once_it_is_whole() {
        for length in [0u64, 1, 125, 126, 65535, 65536, 20_000_000] {
            let bytes = frame(true, BINARY, &vec![0; length as usize]);
            let whole = bytes.len() - length as usize;
            let mut decoder = WebSocket::default();
            let mut step = |mut bytes: &[u8]| decoder.step(&mut bytes).map(|step| step.is_some());
            assert!((0..whole - 1).all(|at| step(&bytes[at..=at]) == Ok(false)), "{length}");
            assert_eq!(step(&bytes[whole - 1..whole]), Ok(true));
            assert_eq!(decoder.ahead(), length);
        }
    }

    #[test]
    fn a_ping_between_the_frames_of_a_message_is_reported_and_the_message_continues() {
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
    fn frames_that_a_server_must_not_send_are_refused() {
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
        assert!(matches!(seen[..], [Seen::Violation(Violation::WebSocket(TooLong { .. }))]));
    }

    #[test]
    fn a_close_is_described_in_words() {
        let Some(Step::Close(control)) =
            WebSocket::default().step(&mut &frame(true, CLOSE, b"\x03\xf5slow\n")[..]).unwrap()
        else {
            panic!("a close")
        };
        assert_eq!(close_reason(&control), "closed by the server with code 1013: slow");
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
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>, size in 1usize..20, skip: bool) {
            decode(decoder(), &bytes, &[size], skip);
        }
    }
}
