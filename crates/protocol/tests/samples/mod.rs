//! One of everything that travels, with every field filled.

use fanlight_protocol::catalog::FROZEN;
use fanlight_protocol::viewer::{
    CodecChoice, FrameMessage, FromRelay, FromViewer, ListedState, ListenEntry, RenditionChoice,
    Setup, StreamInfo, TrackInfo, ViewerState, Watch, Webcam,
};
use fanlight_protocol::{
    Answer, Catalog, Codec, Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes, RenditionName,
    Request, StreamEntry, StreamState, Timestamp, TrackEntry, TrackName,
};

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn header() -> FrameHeader {
    FrameHeader {
        epoch: Epoch(0x0123_4567_89ab_cdef),
        meta: FrameMeta {
            sequence: 300,
            times: FrameTimes {
                captured_at: at(1_767_225_600_123_456),
                read_at: at(1_767_225_600_124_456),
                published_at: at(1_767_225_600_126_656),
            },
            flags: FrameFlags::KEYFRAME,
            width: 1280,
            height: 720,
        },
    }
}

pub(crate) fn catalog() -> Catalog {
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

pub(crate) fn requests() -> [Request; 3] {
    let (stream, track) = ("cam".parse().unwrap(), TrackName::full_jpeg());
    [
        Request::Clock { asker: 0xfeed, asked_at: at(1_767_225_600_000_001) },
        Request::Catalog,
        Request::Keyframe { stream, track },
    ]
}

pub(crate) fn answer() -> Answer {
    Answer::Clock {
        asked_at: at(1_767_225_600_000_001),
        received_at: at(1_767_225_600_000_500),
        answered_at: at(1_767_225_600_000_501),
    }
}

pub(crate) fn frame_message() -> FrameMessage {
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

pub(crate) fn from_viewer() -> Vec<FromViewer> {
    let plain = Watch {
        id: 1,
        stream: "cam".parse().unwrap(),
        rendition: Some(RenditionChoice::Exactly(RenditionName::full())),
        codec: None,
        fps: None,
        ack: None,
        buffer: None,
        max_width: None,
        max_height: None,
    };
    let full = Watch {
        id: 2,
        rendition: Some(RenditionChoice::Auto),
        codec: Some(CodecChoice::Auto),
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
        FromViewer::Keyframe { id: 1 },
        FromViewer::Journey { id: 1 },
        FromViewer::Clock { t0: 1234.5 },
        FromViewer::List,
    ]
}

pub(crate) fn from_relay() -> Vec<FromRelay> {
    let stream = StreamInfo {
        name: "cam".parse().unwrap(),
        state: ListedState::Late,
        reason: "frames reach this relay 8.4 s old: the bus is slow (the connection to capture cannot sustain this stream)".into(),
        since: at(1_767_225_600_000_000),
        gone: false,
        source: "/dev/video0".into(),
        tracks: vec![TrackInfo {
            rendition: RenditionName::full(),
            codec: Codec::Jpeg,
            width: 1280,
            height: 720,
            fps: 29.97,
            bitrate: 14_400_000,
            dropped: 3,
            lost: 1,
        }],
        viewers: 2,
        frame_age_ms: Some(8412.3),
    };
    let listening = ListenEntry {
        endpoint: "/run/user/1000/fanlight".into(),
        heard: true,
        connected: true,
        since: at(1_767_225_500_000_000),
        reason: "2 not followed: limit of 64 captures (capture-1-ab, capture-2-cd)".into(),
    };
    let webcam = Webcam { device: "/dev/video0".into(), name: "HD WebCam".into() };
    let setup = Setup {
        capture: "~/fanlight/target/release/fanlight-capture".into(),
        webcams: vec![webcam],
    };
    vec![
        FromRelay::Hello { version: "0.1.0".into(), build: "abc".into() },
        FromRelay::Streams {
            streams: vec![stream],
            listening: vec![listening],
            setup: Some(setup),
        },
        FromRelay::Track {
            id: 1,
            stream: "cam".parse().unwrap(),
            codec: Codec::Jpeg,
            rendition: "half".parse().unwrap(),
            width: 640,
            height: 360,
            fps: 30.0,
            renditions: vec![RenditionName::full(), "half".parse().unwrap()],
            reduced: true,
        },
        FromRelay::State {
            id: 1,
            state: ViewerState::Offline,
            reason: "unplugged".into(),
            since: at(1_767_225_600_000_000),
        },
        FromRelay::State {
            id: 2,
            state: ViewerState::Frozen,
            reason: FROZEN.into(),
            since: at(1_767_225_590_000_000),
        },
        FromRelay::Journey {
            id: 1,
            sequence: 42,
            captured_at: at(1_767_225_600_123_456),
            read_at: at(1_767_225_600_124_456),
            published_at: at(1_767_225_600_126_656),
            received_at: at(1_767_225_600_127_001),
            sent_at: at(1_767_225_600_127_200),
        },
        FromRelay::Clock {
            t0: 1234.5,
            t1: at(1_767_225_600_000_001),
            t2: at(1_767_225_600_000_002),
        },
        FromRelay::Error {
            id: Some(1),
            code: "unknown-stream".into(),
            message: "there is no stream \"x\" here; there are: cam".into(),
        },
    ]
}
