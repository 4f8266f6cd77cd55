//! Every value round-trips; no bytes panic or allocate without bound.

use fanlight_protocol::catalog::{MAX_STREAMS, MAX_TEXT, MAX_TRACKS};
use fanlight_protocol::viewer::{FrameMessage, FromViewer};
use fanlight_protocol::wire::{MAX_VALUE, VERSION};
use fanlight_protocol::{
    Answer, Catalog, Codec, Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes, RenditionName,
    Request, ReservedTopic, StreamEntry, StreamName, StreamState, Timestamp, Topic, TrackEntry,
    TrackName, WireError,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn stream_name() -> impl Strategy<Value = StreamName> {
    "[a-z0-9][a-z0-9_-]{0,63}".prop_map(|name| name.parse().unwrap())
}

fn rendition() -> impl Strategy<Value = RenditionName> {
    "[a-z0-9]{1,16}".prop_filter_map("reserved", |name| name.parse().ok())
}

fn track_name() -> impl Strategy<Value = TrackName> {
    let codec = prop_oneof![Just(Codec::Jpeg), Just(Codec::H264)];
    (rendition(), codec).prop_map(|(rendition, codec)| TrackName { rendition, codec })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_micros)
}

fn flags() -> impl Strategy<Value = FrameFlags> {
    prop_oneof![Just(FrameFlags::default()), Just(FrameFlags::KEYFRAME)]
}

fn header() -> impl Strategy<Value = FrameHeader> {
    let times = (timestamp(), timestamp(), timestamp());
    let size = (1..=65_535u32, 1..=65_535u32);
    (any::<u64>(), any::<u64>(), times, flags(), size).prop_map(
        |(epoch, sequence, (captured_at, read_at, published_at), flags, (width, height))| {
            let times = FrameTimes { captured_at, read_at, published_at };
            let meta = FrameMeta { sequence, times, flags, width, height };
            FrameHeader { epoch: Epoch(epoch), meta }
        },
    )
}

fn track_entry() -> impl Strategy<Value = TrackEntry> {
    let numbers =
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>());
    (track_name(), numbers).prop_map(|(name, numbers)| {
        let (width, height, millifps, bitrate, published, dropped) = numbers;
        TrackEntry { name, width, height, millifps, bitrate, published, dropped }
    })
}

fn stream_entry() -> impl Strategy<Value = StreamEntry> {
    let state = prop_oneof![
        Just(StreamState::Live),
        Just(StreamState::Idle),
        Just(StreamState::Offline),
        Just(StreamState::Ended)
    ];
    let tracks = vec(track_entry(), 0..=MAX_TRACKS);
    (stream_name(), state, ".{0,40}", timestamp(), ".{0,40}", tracks).prop_map(
        |(name, state, reason, since, source, mut tracks)| {
            tracks.sort_by(|a, b| a.name.cmp(&b.name));
            tracks.dedup_by(|a, b| a.name == b.name);
            StreamEntry { name, state, reason, since, source, tracks }
        },
    )
}

fn catalog() -> impl Strategy<Value = Catalog> {
    (any::<u64>(), ".{0,40}", vec(stream_entry(), 0..8)).prop_map(
        |(epoch, publisher, mut streams)| {
            streams.sort_by(|a, b| a.name.cmp(&b.name));
            streams.dedup_by(|a, b| a.name == b.name);
            Catalog { epoch: Epoch(epoch), publisher, streams }
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (any::<u64>(), timestamp())
            .prop_map(|(asker, asked_at)| Request::Clock { asker, asked_at }),
        Just(Request::Catalog),
        (stream_name(), track_name())
            .prop_map(|(stream, track)| Request::Keyframe { stream, track }),
    ]
}

proptest! {
    #[test]
    fn topics_round_trip(stream in stream_name(), track in track_name()) {
        let topic = Topic::new(stream, track);
        prop_assert_eq!(Topic::from_bytes(topic.to_string().as_bytes()), Ok(topic));
    }

    #[test]
    fn no_topic_is_a_prefix_of_another(
        one in (stream_name(), track_name()),
        other in (stream_name(), track_name()),
    ) {
        let (one, other) = (Topic::new(one.0, one.1), Topic::new(other.0, other.1));
        prop_assert_eq!(other.to_string().starts_with(&one.to_string()), one == other);
    }

    #[test]
    fn headers_round_trip(header in header()) {
        prop_assert_eq!(FrameHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn catalogs_round_trip(catalog in catalog()) {
        prop_assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog));
    }

    #[test]
    fn requests_and_answers_round_trip(request in request(), times in (timestamp(), timestamp(), timestamp())) {
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        let (asked_at, received_at, answered_at) = times;
        let answer = Answer::Clock { asked_at, received_at, answered_at };
        prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn frame_messages_round_trip(header in header(), id in any::<u32>(), rendition in any::<u8>(), payload in vec(any::<u8>(), 0..99)) {
        let message = FrameMessage {
            codec: Codec::H264,
            flags: header.meta.flags,
            rendition,
            id,
            sequence: header.meta.sequence,
            captured_at: header.meta.captured_at(),
            sent_at: header.meta.captured_at(),
        };
        let bytes = [&message.encode()[..], &payload].concat();
        prop_assert_eq!(FrameMessage::decode(&bytes), Some((message, &payload[..])));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
        // The same behind a valid version byte, which lets them further in.
        decode_all(&[&[VERSION], &bytes[..]].concat());
        decode_all(&[&[2, VERSION], &bytes[..]].concat());
    }

    #[test]
    fn damaged_values_do_not_panic(catalog in catalog(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = catalog.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        decode_all(&bytes);
        decode_all(&bytes[..at]);
    }
}

fn decode_all(bytes: &[u8]) {
    let _ = FrameHeader::decode(bytes);
    let _ = Catalog::decode(bytes);
    let _ = Request::decode(bytes);
    let _ = Answer::decode(bytes);
    let _ = Topic::from_bytes(bytes);
    let _ = ReservedTopic::from_bytes(bytes);
    let _ = FrameMessage::decode(bytes);
    let _ = serde_json::from_slice::<FromViewer>(bytes);
}

#[test]
fn a_length_beyond_the_message_is_rejected_without_allocating_it() {
    // A catalog whose publisher's name claims 2^63 bytes.
    let hostile = [VERSION, 0, 253, 0, 0, 0, 0, 0, 0, 0, 128];
    assert!(matches!(Catalog::decode(&hostile), Err(WireError::Malformed(_))));
}

#[test]
fn another_version_is_named_in_the_error() {
    let mut bytes = Request::Catalog.encode();
    bytes[0] = 9;
    let error = Request::decode(&bytes).unwrap_err();
    assert_eq!(error, WireError::Version(9));
    assert!(error.to_string().contains("run the same release on both sides"));
}

#[test]
fn bytes_after_the_value_are_rejected() {
    let mut bytes = Request::Catalog.encode();
    bytes.push(0);
    assert_eq!(Request::decode(&bytes), Err(WireError::Trailing(1)));
    assert_eq!(
        FrameHeader::decode(&vec![VERSION; MAX_VALUE + 1]),
        Err(WireError::TooLarge { length: MAX_VALUE + 1, limit: MAX_VALUE })
    );
}

#[test]
fn the_largest_catalog_fits_its_own_limit() {
    let track = |number: usize| TrackEntry {
        name: TrackName { rendition: format!("{number:016}").parse().unwrap(), codec: Codec::H264 },
        width: u32::MAX,
        height: u32::MAX,
        millifps: u32::MAX,
        bitrate: u64::MAX,
        published: u64::MAX,
        dropped: u64::MAX,
    };
    let stream = |number: usize| StreamEntry {
        name: format!("{number:064}").parse().unwrap(),
        state: StreamState::Offline,
        reason: "r".repeat(2 * MAX_TEXT),
        since: Timestamp::from_micros(u64::MAX),
        source: "ä".repeat(MAX_TEXT),
        tracks: (0..MAX_TRACKS).map(track).collect(),
    };
    let catalog = Catalog {
        epoch: Epoch(u64::MAX),
        publisher: "p".repeat(2 * MAX_TEXT),
        streams: (0..MAX_STREAMS).map(stream).collect(),
    };
    let decoded = Catalog::decode(&catalog.encode()).unwrap();
    assert_eq!(decoded.streams.len(), MAX_STREAMS);
    assert_eq!(decoded.streams[0].reason.len(), MAX_TEXT);
}

#[test]
fn catalogs_that_break_a_rule_are_refused() {
    let stream = StreamEntry {
        name: "cam".parse().unwrap(),
        state: StreamState::Live,
        reason: String::new(),
        since: Timestamp::default(),
        source: String::new(),
        tracks: Vec::new(),
    };
    let catalog = |streams| Catalog { epoch: Epoch(0), publisher: String::new(), streams };
    let twice = catalog(vec![stream.clone(), stream.clone()]);
    assert!(matches!(Catalog::decode(&twice.encode()), Err(WireError::Invalid(_))));
    let many = catalog(vec![stream; MAX_STREAMS + 1]);
    assert!(matches!(Catalog::decode(&many.encode()), Err(WireError::Invalid(_))));
}

#[test]
fn a_header_with_an_impossible_size_is_rejected() {
    let header = |width, height| FrameHeader {
        epoch: Epoch(0),
        meta: FrameMeta {
            sequence: 0,
            times: FrameTimes::all_at(Timestamp::default()),
            flags: FrameFlags::KEYFRAME,
            width,
            height,
        },
    };
    assert!(FrameHeader::decode(&header(1, 65_535).encode()).is_ok());
    for (width, height) in [(0, 1), (1, 0), (65_536, 1), (1, u32::MAX)] {
        let refused = FrameHeader::decode(&header(width, height).encode());
        assert!(matches!(refused, Err(WireError::Invalid(_))), "{width}x{height}");
    }
}
