//! A broken or hostile publisher, over a real socket.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use fanlight_bus::{
    Endpoint, Folder, Gap, Implausible, IncomingFrame, Publisher, PublisherEvent, PublisherId,
    PublisherOptions, Subscriber, SubscriberOptions,
};
use fanlight_clock as clock;
use fanlight_protocol::{
    Answer, Catalog, Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes, Request, ReservedTopic,
    StreamEntry, StreamState, Timestamp, Topic, TrackEntry, TrackName,
};

/// Longer than anything here takes on a loaded machine: reaching it is a failure, not a delay.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time for which the publisher waits for a message from upstream before it checks the subscriber again, in milliseconds.
const TURN: i64 = 10;

/// A publisher of one stream, played by the test.
struct Impostor {
    socket: zmq::Socket,
    /// Unanswered requests for the clock.
    requests: VecDeque<(u64, Timestamp)>,
    /// The number of further requests before a request is answered.
    behind: usize,
    watched: bool,
    track: TrackEntry,
}

impl Impostor {
    fn bind(endpoint: &Endpoint) -> Self {
        let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
        socket.bind(&endpoint.to_string()).unwrap();
        let track = TrackEntry {
            name: TrackName::full_jpeg(),
            width: 4,
            height: 2,
            millifps: 25_000,
            bitrate: 1,
            published: 0,
            dropped: 0,
        };
        Self { socket, requests: VecDeque::new(), behind: 0, watched: false, track }
    }

    /// Processes messages from upstream, waiting up to [`TURN`] for one, and announces the catalog.
    fn turn(&mut self) {
        while self.socket.poll(zmq::POLLIN, TURN).unwrap() > 0 {
            let message = self.socket.recv_bytes(0).unwrap();
            match message.split_first() {
                Some((1, topic)) if topic == topic_bytes() => self.watched = true,
                Some((2, request)) => {
                    if let Ok(Request::Clock { asker, asked_at }) = Request::decode(request) {
                        self.requests.push_back((asker, asked_at));
                    }
                }
                _ => {}
            }
        }
        while self.requests.len() > self.behind {
            let (asker, asked_at) = self.requests.pop_front().unwrap();
            let now = clock::now();
            let answer = Answer::Clock { asked_at, received_at: now, answered_at: now };
            self.send(&[ReservedTopic::Answer(asker).to_string().as_bytes(), &answer.encode()]);
        }
        self.announce();
    }

    fn announce(&self) {
        let stream = StreamEntry {
            name: "cam".parse().unwrap(),
            state: StreamState::Live,
            reason: String::new(),
            since: clock::now(),
            source: "test".into(),
            tracks: vec![self.track.clone()],
        };
        let catalog = Catalog { epoch: Epoch(1), publisher: "test".into(), streams: vec![stream] };
        self.send(&[ReservedTopic::Catalog.to_string().as_bytes(), &catalog.encode()]);
    }

    fn publish(&self, sequence: u64, captured_at: Timestamp) {
        let meta = FrameMeta {
            sequence,
            times: FrameTimes { captured_at, ..FrameTimes::all_at(clock::now()) },
            flags: FrameFlags::KEYFRAME,
            width: 4,
            height: 2,
        };
        let header = FrameHeader { epoch: Epoch(1), meta };
        self.send(&[&topic_bytes(), &header.encode(), b"picture"]);
    }

    fn send(&self, parts: &[&[u8]]) {
        self.socket.send_multipart(parts, zmq::DONTWAIT).unwrap();
    }
}

fn topic() -> Topic {
    "cam/full.jpeg/".parse().unwrap()
}

fn topic_bytes() -> Vec<u8> {
    topic().to_string().into_bytes()
}

struct Listener {
    subscriber: Subscriber,
    events: Receiver<PublisherEvent>,
    sink: Sender<IncomingFrame>,
    frames: Receiver<IncomingFrame>,
}

impl Listener {
    fn start(options: SubscriberOptions) -> Self {
        let ((sender, events), (sink, frames)) = (mpsc::channel(), mpsc::channel());
        let subscriber = Subscriber::start(options, move |event| drop(sender.send(event))).unwrap();
        Self { subscriber, events, sink, frames }
    }

    /// Returns the first value of `poll`, which is called after each turn of the impostor.
    fn until<T>(what: &str, impostor: &mut Impostor, mut poll: impl FnMut() -> Option<T>) -> T {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            impostor.turn();
            if let Some(value) = poll() {
                return value;
            }
        }
        panic!("never received: {what}");
    }

    /// Returns the first catalog with a value.
    fn catalog_with<T>(
        &self,
        impostor: &mut Impostor,
        mut value: impl FnMut(PublisherId, Catalog) -> Option<T>,
    ) -> T {
        Self::until("a catalog", impostor, || {
            self.events.try_iter().find_map(|event| match event {
                PublisherEvent::Catalog { publisher, catalog } => value(publisher, catalog),
                _ => None,
            })
        })
    }

    fn catalog(&self, impostor: &mut Impostor) -> (PublisherId, Catalog) {
        self.catalog_with(impostor, |publisher, catalog| Some((publisher, catalog)))
    }

    fn frame(&self, impostor: &mut Impostor) -> IncomingFrame {
        Self::until("a frame", impostor, || self.frames.try_recv().ok())
    }
}

/// An impostor whose stream is watched by the listener.
fn watched(folder: &tempfile::TempDir, behind: usize) -> (Impostor, Listener) {
    let endpoint = Endpoint::Ipc(folder.path().join("one.ipc"));
    let mut impostor = Impostor { behind, ..Impostor::bind(&endpoint) };
    let options = SubscriberOptions { endpoints: vec![endpoint], ..SubscriberOptions::default() };
    let listener = Listener::start(options);
    let (id, _) = listener.catalog(&mut impostor);
    let sink = listener.sink.clone();
    listener.subscriber.watch(id, topic(), move |frame| drop(sink.send(frame)));
    let give_up = Instant::now() + PATIENCE;
    while !impostor.watched {
        impostor.turn();
        assert!(Instant::now() < give_up, "the track is never watched");
    }
    (impostor, listener)
}

#[test]
fn a_publisher_whose_answers_take_longer_than_the_interval_of_requests_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    // Each answer comes after two further requests, as over a link with a round trip of 300 ms.
    let (mut impostor, listener) = watched(&folder, 2);
    impostor.publish(0, clock::now());
    assert_eq!(listener.frame(&mut impostor).payload, b"picture"[..]);
}

#[test]
fn a_sequence_that_jumps_counts_nothing_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (mut impostor, listener) = watched(&folder, 0);
    let mut gap_of = |sequence| {
        impostor.publish(sequence, clock::now());
        listener.frame(&mut impostor).gap
    };
    assert_eq!(gap_of(7), Gap::Begins);
    assert_eq!(gap_of(9), Gap::Lost(1));
    assert_eq!(gap_of(u64::MAX - 1), Gap::Begins);
    assert_eq!(gap_of(3), Gap::Begins);
    assert_eq!(gap_of(4), Gap::Lost(0));
    assert_eq!(listener.subscriber.implausible(Implausible::Sequence), 2);
}

#[test]
fn a_frame_from_1970_or_the_far_future_gets_a_plausible_age_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut impostor, listener) = watched(&folder, 0);
    for (sequence, captured_at) in [0, u64::MAX].into_iter().enumerate() {
        impostor.publish(sequence as u64, Timestamp::from_micros(captured_at));
        let frame = listener.frame(&mut impostor);
        assert!(frame.received_at >= frame.meta.captured_at());
        let age = frame.received_at.since(frame.meta.captured_at());
        assert!(age < PATIENCE, "{age:?}");
        assert_eq!(listener.subscriber.implausible(Implausible::CapturedAt), sequence as u64 + 1);
    }
    // An old frame of a congested link is only old.
    impostor.publish(2, clock::now().offset(-9_000_000));
    let frame = listener.frame(&mut impostor);
    assert!(frame.received_at.since(frame.meta.captured_at()) >= Duration::from_secs(8));
    assert_eq!(listener.subscriber.implausible(Implausible::CapturedAt), 2);
}

#[test]
fn implausible_values_of_a_catalog_are_replaced_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut impostor, listener) = watched(&folder, 0);
    impostor.track.bitrate = u64::MAX;
    impostor.track.millifps = u32::MAX;
    let amended = listener.catalog_with(&mut impostor, |_, catalog| {
        Some(catalog.streams[0].tracks[0].clone()).filter(|track| track.bitrate != 1)
    });
    assert_eq!((amended.bitrate, amended.millifps, amended.width), (0, 0, 4));
    assert!(listener.subscriber.implausible(Implausible::Catalog) > 0);
}

#[test]
fn captures_beyond_the_limit_of_a_folder_are_not_followed_but_named() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::at(temp.path().join("bus")).unwrap();
    let publisher = |number: usize| {
        let publisher = Publisher::start(PublisherOptions {
            endpoints: vec![Endpoint::Ipc(folder.path().join(format!("cam-{number:03}.ipc")))],
            name: "test".into(),
            streams: 1,
            keys: None,
        })
        .unwrap();
        publisher.announce(vec![StreamEntry {
            name: format!("cam{number}").parse().unwrap(),
            state: StreamState::Idle,
            reason: String::new(),
            since: clock::now(),
            source: "test".into(),
            tracks: Vec::new(),
        }]);
        publisher
    };
    let mut publishers: Vec<Publisher> = (0..66).map(publisher).collect();
    let options =
        SubscriberOptions { folder: Some(folder.clone()), ..SubscriberOptions::default() };
    let listener = Listener::start(options);
    let reason = || listener.subscriber.listening()[0].reason.clone();
    eventually(|| reason() == "2 not followed: limit of 64 captures (cam-064, cam-065)");
    // A followed publisher is not dropped in favour of another one.
    let heard = |event: &PublisherEvent| matches!(event, PublisherEvent::Gone { .. });
    assert!(!listener.events.try_iter().any(|event| heard(&event)));
    publishers.swap_remove(3).stop();
    eventually(|| reason() == "1 not followed: limit of 64 captures (cam-065)");
}

fn eventually(holds: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "never true");
        std::thread::yield_now();
    }
}
