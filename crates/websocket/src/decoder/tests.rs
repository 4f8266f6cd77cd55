//! Both directions, in pieces of any size, with the payload read or skipped.

use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 256 * 1024 * 1024;
const MASK: [u8; 4] = [7, 77, 177, 233];

/// An event with the payload collected; skipped bytes are zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decoded {
    Message(MessageKind, Vec<u8>),
    Control(ControlKind, Vec<u8>),
    Violation(Violation),
}

fn frame(sender: Role, fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = (sender == Role::Client).then_some(MASK);
    let header = WebSocketFrameHeader {
        fin,
        mask,
        ..WebSocketFrameHeader::whole(Opcode::Binary, payload.len())
    };
    let mut bytes = header.encode().as_bytes().to_vec();
    bytes[0] = bytes[0] & 0x80 | opcode;
    let begin = bytes.len();
    bytes.extend_from_slice(payload);
    if mask.is_some() {
        unmask(&mut bytes[begin..], MASK);
    }
    bytes
}

/// Feeds `bytes` in pieces of these sizes, over and over; with `skip`, what lies ahead is skipped.
fn decode(mut decoder: Decoder, bytes: &[u8], sizes: &[usize], skip: bool) -> Vec<Decoded> {
    let (mut decoded, mut message) = (Vec::new(), None);
    let (mut rest, mut sizes) = (bytes, sizes.iter().copied().cycle());
    while !rest.is_empty() {
        let size = sizes.next().expect("endless").clamp(1, rest.len());
        let (mut piece, later) = rest.split_at(size);
        rest = later;
        let ahead = decoder.ahead().min(piece.len() as u64);
        if skip && ahead > 0 {
            decoder.skip(ahead);
            let (_, payload): &mut (MessageKind, Vec<u8>) = message.as_mut().expect("begun");
            payload.resize(payload.len() + ahead as usize, 0);
            piece = &piece[ahead as usize..];
        }
        loop {
            match decoder.step(&mut piece) {
                Ok(Some(DecoderEvent::Begin(kind))) => {
                    assert!(message.replace((kind, Vec::new())).is_none(), "one at a time");
                }
                Ok(Some(DecoderEvent::Payload(payload))) => {
                    assert!(!payload.wire().is_empty(), "no empty steps");
                    payload.append_to(&mut message.as_mut().expect("begun").1);
                }
                Ok(Some(DecoderEvent::End)) => {
                    let (kind, payload) = message.take().expect("begun");
                    decoded.push(Decoded::Message(kind, payload));
                }
                Ok(Some(DecoderEvent::Control(control))) => {
                    decoded.push(Decoded::Control(control.kind(), control.payload().to_vec()));
                }
                Ok(None) => break,
                Err(violation) => {
                    decoded.push(Decoded::Violation(violation));
                    return decoded;
                }
            }
        }
        assert!(piece.is_empty(), "all is taken");
    }
    decoded
}

fn violation(sender: Role, bytes: &[u8]) -> Violation {
    match decode(Decoder::new(sender, LIMIT), bytes, &[1], false)[..] {
        [Decoded::Violation(violation)] => violation,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_ping_between_the_frames_of_a_message_does_not_disturb_it() {
    for sender in [Role::Client, Role::Server] {
        let bytes = [
            frame(sender, false, 2, b"one"),
            frame(sender, true, 9, b"there?"),
            frame(sender, true, 10, b"yes"),
            frame(sender, true, 0, b"two"),
            frame(sender, true, 8, b"\x03\xe9going away"),
        ]
        .concat();
        let decoded = decode(Decoder::new(sender, LIMIT), &bytes, &[1], false);
        let expected = [
            Decoded::Control(ControlKind::Ping, b"there?".to_vec()),
            Decoded::Control(ControlKind::Pong, b"yes".to_vec()),
            Decoded::Message(MessageKind::Binary, b"onetwo".to_vec()),
            Decoded::Control(ControlKind::Close, b"\x03\xe9going away".to_vec()),
        ];
        assert_eq!(decoded, expected);
    }
}

#[test]
fn each_violation_has_its_name() {
    use Violation::*;
    let (client, server) = (Role::Client, Role::Server);
    assert_eq!(violation(server, &[0x82, 0x81]), Masked);
    assert_eq!(violation(client, &[0x81, 0x05]), NotMasked);
    assert_eq!(violation(server, &[0xc2, 1]), ReservedBits);
    assert_eq!(violation(server, &[0x83, 1]), UnknownOpcode(3));
    assert_eq!(violation(server, &[0x09, 1]), InvalidControl);
    assert_eq!(violation(server, &[0x89, 126, 0, 200]), InvalidControl);
    assert_eq!(violation(server, &[0x80, 1]), UnexpectedContinuation);
    let huge = [0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(violation(server, &huge), TooLong { length: 1 << 56, limit: LIMIT });
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages(
        messages in prop::collection::vec((any::<bool>(), prop::collection::vec(prop::collection::vec(1u8.., 0..200), 1..4)), 0..6),
        sizes in prop::collection::vec(1usize..300, 1..8),
        skip: bool,
        from_client: bool,
    ) {
        let sender = if from_client { Role::Client } else { Role::Server };
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (text, pieces) in &messages {
            for (at, piece) in pieces.iter().enumerate() {
                let opcode = if at > 0 { 0 } else if *text { 1 } else { 2 };
                bytes.extend(frame(sender, at + 1 == pieces.len(), opcode, piece));
            }
            let kind = if *text { MessageKind::Text } else { MessageKind::Binary };
            expected.push((kind, pieces.concat()));
        }
        let decoded = decode(Decoder::new(sender, LIMIT), &bytes, &sizes, skip);
        prop_assert_eq!(decoded.len(), expected.len());
        for (decoded, (kind, message)) in decoded.iter().zip(&expected) {
            let Decoded::Message(found_kind, found) = decoded else { panic!("{decoded:?}") };
            prop_assert_eq!((found_kind, found.len()), (kind, message.len()));
            // A skipped byte reads as zero; every other byte is unmasked at its own place.
            prop_assert!(found.iter().zip(message).all(|(found, sent)| found == sent || skip && *found == 0));
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>, size in 1usize..20, skip: bool, from_client: bool) {
        let sender = if from_client { Role::Client } else { Role::Server };
        decode(Decoder::new(sender, LIMIT), &bytes, &[size], skip);
    }
}
