//! Cost of encoding and decoding the headers of a frame, and of parsing a viewer's message.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fanlight_protocol::viewer::{FrameMessage, FromViewer};
use fanlight_protocol::{Codec, Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes, Timestamp};

/// A day in 2023; a real timestamp needs as many bytes.
const TIME: Timestamp = Timestamp::from_micros(1_700_000_000_123_456);

fn bus_header(criterion: &mut Criterion) {
    let header = FrameHeader {
        epoch: Epoch(0x0123_4567_89AB_CDEF),
        meta: FrameMeta {
            sequence: 100_000,
            times: FrameTimes::all_at(TIME),
            flags: FrameFlags::KEYFRAME,
            width: 1920,
            height: 1080,
        },
    };
    let bytes = header.encode();
    criterion.bench_function("bus header: encode", |bench| {
        bench.iter(|| black_box(&header).encode());
    });
    criterion.bench_function("bus header: decode", |bench| {
        bench.iter(|| FrameHeader::decode(black_box(&bytes)));
    });
}

fn viewer_header(criterion: &mut Criterion) {
    let header = FrameMessage {
        codec: Codec::Jpeg,
        flags: FrameFlags::KEYFRAME,
        rendition: 0,
        id: 7,
        sequence: 100_000,
        captured_at: TIME,
        sent_at: TIME,
    };
    let message = [&header.encode()[..], &[0; 60_000]].concat();
    criterion.bench_function("fanlight.v1 header: encode", |bench| {
        bench.iter(|| black_box(&header).encode());
    });
    criterion.bench_function("fanlight.v1 header: decode", |bench| {
        bench.iter(|| FrameMessage::decode(black_box(&message)).map(|(header, _)| header));
    });
}

fn control(criterion: &mut Criterion) {
    for (name, text) in [
        ("ack", r#"{"type":"ack","id":1,"sequence":123456}"#),
        ("watch", r#"{"type":"watch","id":1,"stream":"door","rendition":"full","ack":true}"#),
    ] {
        assert!(serde_json::from_str::<FromViewer>(text).is_ok(), "{name} is a message");
        criterion.bench_function(&format!("control: parse {name}"), |bench| {
            bench.iter(|| serde_json::from_str::<FromViewer>(black_box(text)));
        });
    }
}

criterion_group!(benches, bus_header, viewer_header, control);
criterion_main!(benches);
