//! The bytes on the wire do not change: `golden/` holds the messages that other programs and older releases send.
//!
//! The page's tests read the same files. A change here is a change of the protocol: raise its version. To rewrite the
//! files, run this test with `FANLIGHT_WRITE_GOLDEN=1`.

mod samples;

use std::fs;
use std::path::PathBuf;

use fanlight_protocol::catalog::{FROZEN, is_frozen};
use fanlight_protocol::viewer::{FrameMessage, FromRelay, FromViewer};
use fanlight_protocol::{Answer, Catalog, FrameHeader, Request, StreamEntry, StreamState};
use samples::{answer, catalog, frame_message, from_relay, from_viewer, header, requests};
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    if std::env::var_os("FANLIGHT_WRITE_GOLDEN").is_some() {
        fs::write(path(name), bytes).unwrap();
    }
    fs::read(path(name)).unwrap()
}

/// The first byte of a request on the bus, which the transport adds.
const USER_MESSAGE: u8 = 2;

/// A request as it is sent to a publisher.
fn message(request: &Request) -> Vec<u8> {
    [&[USER_MESSAGE], &request.encode()[..]].concat()
}

#[test]
fn bus_values_have_the_same_bytes_as_in_older_releases() {
    assert_eq!(golden("frame-header.bin", &header().encode()), header().encode());
    assert_eq!(golden("catalog.bin", &catalog().encode()), catalog().encode());
    assert_eq!(golden("answer-clock.bin", &answer().encode()), answer().encode());
    for (name, request) in
        ["ask-clock.bin", "ask-catalog.bin", "ask-keyframe.bin"].iter().zip(requests())
    {
        assert_eq!(golden(name, &message(&request)), message(&request), "{name}");
    }
}

#[test]
fn bytes_of_older_releases_are_decoded() {
    let read = |name: &str| fs::read(path(name)).unwrap();
    assert_eq!(FrameHeader::decode(&read("frame-header.bin")), Ok(header()));
    assert_eq!(Catalog::decode(&read("catalog.bin")), Ok(catalog()));
    assert_eq!(Answer::decode(&read("answer-clock.bin")), Ok(answer()));
    for (name, request) in
        ["ask-clock.bin", "ask-catalog.bin", "ask-keyframe.bin"].iter().zip(requests())
    {
        let message = read(name);
        assert_eq!(message[0], USER_MESSAGE, "{name}");
        assert_eq!(Request::decode(&message[1..]), Ok(request), "{name}");
    }
}

/// A release that knows no frozen cameras reads the same bytes, and lists the stream as live with the reason.
#[test]
fn a_frozen_camera_is_a_live_stream_with_a_reserved_reason() {
    let mut frozen = catalog();
    frozen.streams[0].reason = FROZEN.into();
    assert_eq!(golden("catalog-frozen.bin", &frozen.encode()), frozen.encode());
    let streams = Catalog::decode(&frozen.encode()).unwrap().streams;
    let is = |stream: &StreamEntry| is_frozen(stream.state, &stream.reason);
    assert_eq!(streams.iter().map(is).collect::<Vec<_>>(), [true, false]);
    assert_eq!(streams[0].state, StreamState::Live);
    assert!(!is_frozen(StreamState::Idle, FROZEN) && !is_frozen(StreamState::Live, ""));
}

#[test]
fn a_frame_message_has_the_same_bytes_as_in_older_releases() {
    let message = frame_message();
    let payload = b"payload";
    let bytes = [&message.encode()[..], payload].concat();
    assert_eq!(golden("frame-message.bin", &bytes), bytes);
    assert_eq!(FrameMessage::decode(&bytes), Some((message, &payload[..])));
    // The same for readers in other languages. 64-bit numbers are text: JavaScript represents integers only up to 2^53.
    let spelt_out = json!({
        "version": 1,
        "codec": message.codec as u8,
        "keyframe": message.flags.is_keyframe(),
        "rendition": message.rendition,
        "id": message.id,
        "sequence": message.sequence.to_string(),
        "captured_at": message.captured_at.micros().to_string(),
        "sent_at": message.sent_at.micros().to_string(),
        "payload": "payload",
    });
    let text = serde_json::to_vec_pretty(&spelt_out).unwrap();
    let kept: Value = serde_json::from_slice(&golden("frame-message.json", &text)).unwrap();
    assert_eq!(kept, spelt_out);
}

#[test]
fn control_messages_have_the_same_form_as_in_older_releases() {
    let all = json!({ "from_viewer": from_viewer(), "from_relay": from_relay() });
    let text = serde_json::to_vec_pretty(&all).unwrap();
    let kept: Value = serde_json::from_slice(&golden("viewer-messages.json", &text)).unwrap();
    assert_eq!(kept, all);
    let read = |side: &str| kept[side].clone();
    assert_eq!(
        serde_json::from_value::<Vec<FromViewer>>(read("from_viewer")).unwrap(),
        from_viewer()
    );
    assert_eq!(serde_json::from_value::<Vec<FromRelay>>(read("from_relay")).unwrap(), from_relay());
}
