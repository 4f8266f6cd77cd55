//! The bytes on the wire, held fast: what is in `golden/` is what other programs and older releases send.
//!
//! The page's tests read the same files. A change here is a change of the protocol: raise its version. To write the
//! files anew, run this test with `FANLIGHT_WRITE_GOLDEN=1`.

use std::fs;
use std::path::PathBuf;

use fanlight_protocol::viewer::control::RenditionWish;
use fanlight_protocol::viewer::{
    FrameMessage, FromRelay, FromViewer, ListenEntry, StreamInfo, TrackInfo, ViewerState, Watch,
};
use fanlight_protocol::{
    Answer, Ask, Catalog, Codec, Epoch, FrameFlags, FrameHeader, Rendition, StreamEntry,
    StreamState, Timestamp, TrackEntry, TrackName,
};
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

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn header() -> FrameHeader {
    FrameHeader {
        epoch: Epoch(0x0123_4567_89ab_cdef),
        sequence: 300,
        captured_at: at(1_767_225_600_123_456),
        flags: FrameFlags::KEYFRAME,
        width: 1280,
        height: 720,
    }
}

fn catalog() -> Catalog {
    Catalog {
        epoch: Epoch(7),
        publisher: "capture on pi (pid 42)".into(),
        streams: vec![
            StreamEntry {
                name: "cam".parse().unwrap(),
                state: StreamState::Live,
                reason: String::new(),
                since: at(1_767_225_600_000_000),
                source: "/dev/video0".into(),
                tracks: vec![TrackEntry {
                    name: TrackName::full_jpeg(),
                    width: 1280,
                    height: 720,
                    millifps: 29_970,
                    bitrate: 14_400_000,
                    published: 9000,
                    dropped: 3,
                }],
            },
            StreamEntry {
                name: "door".parse().unwrap(),
                state: StreamState::Offline,
                reason: "not found: rtsp://***:***@10.0.0.7/live".into(),
                since: at(1_767_225_601_000_000),
                source: "rtsp://***:***@10.0.0.7/live".into(),
                tracks: vec![],
            },
        ],
    }
}

fn asks() -> [Ask; 3] {
    let (stream, track) = ("cam".parse().unwrap(), TrackName::full_jpeg());
    [
        Ask::Clock { asker: 0xfeed, asked_at: at(1_767_225_600_000_001) },
        Ask::Catalog,
        Ask::Keyframe { stream, track },
    ]
}

fn answer() -> Answer {
    Answer::Clock {
        asked_at: at(1_767_225_600_000_001),
        received_at: at(1_767_225_600_000_500),
        answered_at: at(1_767_225_600_000_501),
    }
}

fn frame_message() -> FrameMessage {
    FrameMessage {
        codec: Codec::Jpeg,
        flags: FrameFlags::KEYFRAME,
        rendition: 2,
        id: 0x0403_0201,
        sequence: 0x0000_0001_0000_0002,
        captured_at: at(1_767_225_600_123_456),
        sent_at: at(1_767_225_600_135_790),
    }
}

fn from_viewer() -> Vec<FromViewer> {
    let plain = Watch {
        id: 1,
        stream: "cam".parse().unwrap(),
        rendition: Some(RenditionWish::Exactly(Rendition::full())),
        codec: None,
        fps: None,
        ack: None,
        buffer: None,
        max_width: None,
        max_height: None,
    };
    let full = Watch {
        id: 2,
        rendition: Some(RenditionWish::Auto),
        codec: Some(Codec::Jpeg),
        fps: Some(12.5),
        ack: Some(true),
        buffer: Some(2.0),
        max_width: Some(640),
        max_height: Some(360),
        ..plain.clone()
    };
    vec![
        FromViewer::Watch(plain),
        FromViewer::Watch(full),
        FromViewer::Unwatch { id: 1 },
        FromViewer::Ack { id: 1, sequence: 42 },
        FromViewer::Clock { t0: 1234.5 },
        FromViewer::List,
    ]
}

fn from_relay() -> Vec<FromRelay> {
    let stream = StreamInfo {
        name: "cam".parse().unwrap(),
        state: StreamState::Live,
        reason: String::new(),
        since: at(1_767_225_600_000_000),
        source: "/dev/video0".into(),
        tracks: vec![TrackInfo {
            rendition: Rendition::full(),
            codec: Codec::Jpeg,
            width: 1280,
            height: 720,
            fps: 29.97,
            bitrate: 14_400_000,
            dropped: 3,
            lost: 1,
        }],
        viewers: 2,
        frame_age_ms: Some(12.3),
    };
    let listening = ListenEntry {
        endpoint: "/run/user/1000/fanlight".into(),
        heard: true,
        connected: true,
        since: at(1_767_225_500_000_000),
    };
    vec![
        FromRelay::Hello { version: "0.1.0".into(), build: "abc".into() },
        FromRelay::Streams { streams: vec![stream], listening: vec![listening] },
        FromRelay::Track {
            id: 1,
            stream: "cam".parse().unwrap(),
            codec: Codec::Jpeg,
            rendition: Rendition::full(),
            width: 1280,
            height: 720,
            fps: 30.0,
            renditions: vec![Rendition::full(), "half".parse().unwrap()],
        },
        FromRelay::State {
            id: 1,
            state: ViewerState::Offline,
            reason: "unplugged".into(),
            since: at(1_767_225_600_000_000),
        },
        FromRelay::Clock { t0: 1234.5, t1: at(1_767_225_600_000_001), t2: at(1_767_225_600_000_002) },
        FromRelay::Error {
            id: Some(1),
            code: "unknown-stream".into(),
            message: "there is no stream \"x\" here; there are: cam".into(),
        },
    ]
}

#[test]
fn bus_values_have_the_bytes_they_always_had() {
    assert_eq!(golden("frame-header.bin", &header().encode()), header().encode());
    assert_eq!(golden("catalog.bin", &catalog().encode()), catalog().encode());
    assert_eq!(golden("answer-clock.bin", &answer().encode()), answer().encode());
    for (name, ask) in ["ask-clock.bin", "ask-catalog.bin", "ask-keyframe.bin"].iter().zip(asks()) {
        assert_eq!(golden(name, &ask.encode()), ask.encode(), "{name}");
    }
}

#[test]
fn the_bytes_of_old_are_understood() {
    let read = |name: &str| fs::read(path(name)).unwrap();
    assert_eq!(FrameHeader::decode(&read("frame-header.bin")), Ok(header()));
    assert_eq!(Catalog::decode(&read("catalog.bin")), Ok(catalog()));
    assert_eq!(Answer::decode(&read("answer-clock.bin")), Ok(answer()));
    for (name, ask) in ["ask-clock.bin", "ask-catalog.bin", "ask-keyframe.bin"].iter().zip(asks()) {
        assert_eq!(Ask::decode(&read(name)), Ok(ask), "{name}");
    }
}

#[test]
fn a_frame_message_has_the_bytes_it_always_had() {
    let message = frame_message();
    let payload = b"payload";
    let bytes = [&message.encode()[..], payload].concat();
    assert_eq!(golden("frame-message.bin", &bytes), bytes);
    assert_eq!(FrameMessage::decode(&bytes), Some((message, &payload[..])));
    // The same for readers that are not Rust. 64-bit numbers as text: JavaScript's numbers end at 2^53.
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
fn control_messages_have_the_form_they_always_had() {
    let all = json!({ "from_viewer": from_viewer(), "from_relay": from_relay() });
    let text = serde_json::to_vec_pretty(&all).unwrap();
    let kept: Value = serde_json::from_slice(&golden("viewer-messages.json", &text)).unwrap();
    assert_eq!(kept, all);
    let read = |side: &str| kept[side].clone();
    assert_eq!(serde_json::from_value::<Vec<FromViewer>>(read("from_viewer")).unwrap(), from_viewer());
    assert_eq!(serde_json::from_value::<Vec<FromRelay>>(read("from_relay")).unwrap(), from_relay());
}
