//! A publisher and a subscriber, over real sockets.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use fanlight_bus::{
    BusError, Demand, Endpoint, Folder, Gap, IncomingFrame, OutgoingFrame, Publisher,
    PublisherEvent, PublisherId, PublisherOptions, Subscriber, SubscriberOptions, TrackCounts,
    TrackPublisher,
};
use fanlight_clock as clock;
use fanlight_protocol::{
    FrameFlags, FrameMeta, FrameTimes, Request, StreamEntry, StreamState, Timestamp, Topic,
};

/// Longer than anything here takes on a loaded machine: reaching it is a failure, not a delay.
const PATIENCE: Duration = Duration::from_secs(20);

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::Ipc(self.folder.path().join("bus").join(format!("{name}.ipc")))
    }

    fn folder(&self) -> Folder {
        Folder::at(self.folder.path().join("bus")).unwrap()
    }

    fn camera(&self, name: &str) -> Camera {
        self.folder();
        Camera::start(self.endpoint(name)).unwrap()
    }
}

/// A publisher whose tracks report their demand to one channel.
struct Camera {
    publisher: Publisher,
    changes: Sender<(Topic, Demand)>,
    demands: Receiver<(Topic, Demand)>,
}

impl Camera {
    fn start(endpoint: Endpoint) -> Result<Self, BusError> {
        let (changes, demands) = mpsc::channel();
        let publisher = Publisher::start(PublisherOptions {
            endpoints: vec![endpoint],
            name: "test".into(),
            streams: 1,
            keys: None,
        })?;
        Ok(Self { publisher, changes, demands })
    }

    fn track(&self, stream: &str) -> TrackPublisher {
        let (topic, changes) = (topic(stream), self.changes.clone());
        let of = topic.clone();
        self.publisher.track(topic, move |demand| drop(changes.send((of.clone(), demand))))
    }

    fn announce(&self, streams: &[&str]) {
        self.publisher.announce(streams.iter().map(|name| entry(name)).collect());
    }

    fn expect(&self, stream: &str, demand: Demand) {
        assert_eq!(self.demands.recv_timeout(PATIENCE), Ok((topic(stream), demand)));
    }
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

    fn watch(&self, publisher: PublisherId, stream: &str) {
        let sink = self.sink.clone();
        self.subscriber.watch(publisher, topic(stream), move |frame| drop(sink.send(frame)));
    }

    fn to(endpoints: &[Endpoint]) -> Self {
        Self::start(SubscriberOptions {
            endpoints: endpoints.to_vec(),
            ..SubscriberOptions::default()
        })
    }

    fn until<T>(&self, what: &str, mut found: impl FnMut(PublisherEvent) -> Option<T>) -> T {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("no {what}"));
            if let Some(value) = found(event) {
                return value;
            }
        }
    }

    fn publisher_of(&self, stream: &str) -> PublisherId {
        self.until("catalog", |event| match event {
            PublisherEvent::Catalog { publisher, catalog } => catalog
                .streams
                .iter()
                .any(|entry| entry.name.as_str() == stream)
                .then_some(publisher),
            _ => None,
        })
    }

    fn frame(&self) -> IncomingFrame {
        self.frames.recv_timeout(PATIENCE).expect("a frame")
    }

    fn gone(&self) -> PublisherId {
        self.until("goodbye", |event| match event {
            PublisherEvent::Gone { publisher, .. } => Some(publisher),
            _ => None,
        })
    }
}

/// Waits until a condition holds. The list of addresses may be updated a moment after the events.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < give_up, "never true: {what}");
        std::thread::yield_now();
    }
}

fn topic(stream: &str) -> Topic {
    format!("{stream}/full.jpeg/").parse().unwrap()
}

fn entry(stream: &str) -> StreamEntry {
    StreamEntry {
        name: stream.parse().unwrap(),
        state: StreamState::Live,
        reason: String::new(),
        since: clock::now(),
        source: "test".into(),
        tracks: Vec::new(),
    }
}

fn frame(captured_at: Timestamp, payload: Vec<u8>) -> OutgoingFrame {
    let meta = FrameMeta {
        sequence: 0,
        times: FrameTimes::all_at(captured_at),
        flags: FrameFlags::KEYFRAME,
        width: 4,
        height: 2,
    };
    OutgoingFrame { meta, payload }
}

fn publish(track: &mut TrackPublisher, payload: Vec<u8>) {
    assert!(track.publish(frame(clock::now(), payload)));
}

#[test]
fn frames_arrive_in_order_with_their_header_and_payload() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut track = camera.track("cam");
    camera.announce(&["cam"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam");
    assert!(!track.is_watched());
    listener.watch(id, "cam");
    camera.expect("cam", Demand::Watched);
    assert!(track.is_watched());

    let captured_at = clock::now();
    assert!(track.publish(frame(captured_at, vec![7; 100_000])));
    let first = listener.frame();
    assert_eq!((first.meta.sequence, first.meta.size()), (0, (4, 2)));
    assert_eq!(first.gap, Gap::Begins);
    assert_eq!(first.payload, vec![7; 100_000]);
    assert!(first.meta.is_keyframe());
    // Publisher and subscriber share a clock here, so only the error of the measured offset remains.
    assert!(first.meta.captured_at().micros_from(captured_at).abs() < 50_000);
    for sequence in 1..100 {
        publish(&mut track, vec![sequence as u8; 10]);
        let frame = listener.frame();
        assert_eq!((frame.meta.sequence, frame.gap), (sequence, Gap::Lost(0)));
    }

    listener.subscriber.unwatch(id, topic("cam"));
    camera.expect("cam", Demand::Unwatched);
    let bytes = 100_000 + 99 * 10;
    assert_eq!(track.counts(), TrackCounts { published: 100, bytes, dropped: 0 });
}

#[test]
fn a_track_does_not_bring_its_neighbour_with_a_longer_name() {
    let site = Site::new();
    let camera = site.camera("one");
    let (mut cam1, mut cam10) = (camera.track("cam1"), camera.track("cam10"));
    camera.announce(&["cam1", "cam10"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    listener.watch(listener.publisher_of("cam1"), "cam1");
    camera.expect("cam1", Demand::Watched);
    assert!(!cam10.is_watched());
    publish(&mut cam10, vec![10]);
    publish(&mut cam1, vec![1]);
    assert_eq!(listener.frame().payload, vec![1]);
}

#[test]
fn each_track_has_its_own_sink_until_it_is_unwatched() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut tracks = ["cam1", "cam2"].map(|stream| camera.track(stream));
    camera.announce(&["cam1", "cam2"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam1");
    let received = ["cam1", "cam2"].map(|stream| {
        let (sink, received) = mpsc::channel();
        listener.subscriber.watch(id, topic(stream), move |frame| drop(sink.send(frame)));
        camera.expect(stream, Demand::Watched);
        received
    });
    for (track, payload) in tracks.iter_mut().zip([1, 2]) {
        publish(track, vec![payload]);
    }
    for (received, payload) in received.iter().zip([1, 2]) {
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().payload, vec![payload]);
    }
    listener.subscriber.unwatch(id, topic("cam1"));
    assert!(received[0].recv_timeout(PATIENCE).is_err(), "the sink is dropped");
}

#[test]
fn a_subscriber_that_dies_takes_its_demand_with_it() {
    let site = Site::new();
    let camera = site.camera("one");
    let _track = camera.track("cam");
    camera.announce(&["cam"]);
    let first = Listener::to(&[site.endpoint("one")]);
    let second = Listener::to(&[site.endpoint("one")]);
    first.watch(first.publisher_of("cam"), "cam");
    camera.expect("cam", Demand::Watched);
    second.watch(second.publisher_of("cam"), "cam");
    drop(first);
    drop(second);
    camera.expect("cam", Demand::Unwatched);
}

#[test]
fn a_publisher_that_returns_to_its_endpoint_is_watched_again() {
    let site = Site::new();
    let listener = Listener::to(&[site.endpoint("one")]);
    let camera = site.camera("one");
    camera.announce(&["cam"]);
    let id = listener.publisher_of("cam");
    listener.watch(id, "cam");
    camera.publisher.stop();
    assert_eq!(listener.gone(), id);

    let camera = site.camera("one");
    let mut track = camera.track("cam");
    camera.expect("cam", Demand::Watched);
    // Frames are not shown before the new publisher's clock is known. A camera continues to publish, and so does this.
    let frame = loop {
        publish(&mut track, vec![1]);
        match listener.frames.recv_timeout(Duration::from_millis(50)) {
            Ok(frame) => break frame,
            Err(_) => assert!(track.counts().published < 400, "none of many frames arrived"),
        }
    };
    assert_eq!(frame.gap, Gap::Begins);
}

#[test]
fn publishers_in_the_folder_appear_and_disappear_without_configuration() {
    let site = Site::new();
    let listener = Listener::start(SubscriberOptions {
        folder: Some(site.folder()),
        ..SubscriberOptions::default()
    });
    assert!(!listener.subscriber.listening()[0].heard);
    assert!(!listener.subscriber.listening()[0].address.is_one_publisher());
    let first = site.camera("first");
    first.announce(&["cam1"]);
    let first_id = listener.publisher_of("cam1");
    let second = site.camera("second");
    second.announce(&["cam2"]);
    let second_id = listener.publisher_of("cam2");
    assert_ne!(first_id, second_id);
    eventually("the folder counts as heard", || listener.subscriber.listening()[0].heard);
    first.publisher.stop();
    assert_eq!(listener.gone(), first_id);
    eventually("the other is still connected", || listener.subscriber.listening()[0].connected);
}

#[test]
fn a_second_publisher_on_one_path_is_refused_with_the_process_that_holds_it() {
    let site = Site::new();
    let first = site.camera("one");
    let error = Camera::start(site.endpoint("one")).err().expect("it is refused").to_string();
    assert!(error.contains("in use by another publisher (pid "), "{error}");
    first.publisher.stop();
    Camera::start(site.endpoint("one")).unwrap();
}

#[test]
fn stale_files_of_a_dead_publisher_are_no_obstacle() {
    let site = Site::new();
    let folder = site.folder().path().to_owned();
    let leftover = |name: &str| -> PathBuf {
        fs::write(folder.join(format!("{name}.ipc.lock")), "1\n").unwrap();
        fs::write(folder.join(format!("{name}.ipc")), "").unwrap();
        folder.join(format!("{name}.ipc"))
    };
    let (stale, taken) = (leftover("stale"), leftover("taken"));
    let camera = site.camera("taken");
    camera.announce(&["cam"]);
    let listener = Listener::start(SubscriberOptions {
        folder: Some(site.folder()),
        ..SubscriberOptions::default()
    });
    listener.publisher_of("cam");
    assert!(taken.exists());
    assert!(!stale.exists());
}

#[test]
fn two_tcp_endpoints_are_followed_together() {
    let free_port =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoints: Vec<Endpoint> =
        (0..2).map(|_| Endpoint::Tcp(format!("127.0.0.1:{}", free_port()))).collect();
    let listener = Listener::to(&endpoints);
    let publishers: HashMap<PublisherId, Camera> = endpoints
        .iter()
        .enumerate()
        .map(|(number, endpoint)| {
            let camera = Camera::start(endpoint.clone()).unwrap();
            let stream = format!("cam{number}");
            camera.announce(&[&stream]);
            (listener.publisher_of(&stream), camera)
        })
        .collect();
    assert_eq!(publishers.len(), 2);
    eventually("both addresses are connected", || {
        listener.subscriber.listening().iter().all(|at| at.heard && at.connected)
    });
}

#[test]
fn frames_that_a_slow_machine_cannot_receive_are_counted() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut track = camera.track("cam");
    camera.announce(&["cam"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    listener.watch(listener.publisher_of("cam"), "cam");
    camera.expect("cam", Demand::Watched);
    let offered = 20_000;
    for _ in 0..offered {
        track.publish(frame(clock::now(), vec![0; 1000]));
    }
    let TrackCounts { published, dropped, .. } = track.counts();
    assert_eq!(published + dropped, offered);
    // Every published frame either arrives or is lost, and none is both. The end of the burst may be lost: one more frame
    // shows that.
    let mut accounted = 0;
    while accounted < track.counts().published {
        match listener.frames.recv_timeout(Duration::from_millis(200)) {
            Ok(frame) => {
                match frame.gap {
                    Gap::Begins => assert_eq!((frame.meta.sequence, accounted), (0, 0)),
                    Gap::Lost(lost) => assert_eq!(frame.meta.sequence, accounted + lost),
                }
                accounted = frame.meta.sequence + 1;
            }
            Err(_) => publish(&mut track, vec![0]),
        }
    }
}

#[test]
fn a_payload_beyond_the_limit_is_dropped_and_counted() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut track = camera.track("cam");
    let payload = vec![0; fanlight_protocol::MAX_PAYLOAD + 1];
    assert!(!track.publish(frame(clock::now(), payload)));
    assert_eq!(track.counts(), TrackCounts { dropped: 1, ..TrackCounts::default() });
}

#[test]
fn a_wall_that_opens_many_streams_together_gets_all_of_them() {
    let site = Site::new();
    let camera = site.camera("one");
    let streams: Vec<String> = (0..120).map(|number| format!("cam{number}")).collect();
    let tracks: Vec<TrackPublisher> = streams.iter().map(|name| camera.track(name)).collect();
    camera.announce(&streams.iter().map(String::as_str).collect::<Vec<_>>());
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam0");
    streams.iter().for_each(|name| listener.watch(id, name));
    eventually("every track is watched", || tracks.iter().all(TrackPublisher::is_watched));
}

#[test]
fn a_subscriber_that_floods_with_requests_for_the_catalog_takes_nothing_from_another() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut track = camera.track("cam");
    camera.announce(&["cam"]);
    let endpoints = [site.endpoint("one")];
    let (honest, rude) = (Listener::to(&endpoints), Listener::to(&endpoints));
    honest.watch(honest.publisher_of("cam"), "cam");
    camera.expect("cam", Demand::Watched);
    let id = rude.publisher_of("cam");
    for sequence in 0..200 {
        (0..50).for_each(|_| rude.subscriber.request(id, Request::Catalog));
        publish(&mut track, vec![0; 1000]);
        assert_eq!(honest.frame().meta.sequence, sequence);
    }
}

#[test]
fn a_request_for_a_keyframe_reaches_the_handler_of_its_track() {
    let site = Site::new();
    let camera = site.camera("one");
    let _track = camera.track("cam");
    camera.announce(&["cam"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam");
    // A request for a track that is not open reaches no handler.
    for name in ["unknown", "cam"] {
        let Topic { stream, track } = topic(name);
        listener.subscriber.request(id, Request::Keyframe { stream, track });
    }
    camera.expect("cam", Demand::Keyframe);
}

#[test]
fn publishers_that_send_without_a_break_do_not_delay_demand() {
    let site = Site::new();
    let camera = site.camera("one");
    let _quiet = camera.track("quiet");
    let busy = ["busy1", "busy2"].map(|stream| camera.track(stream));
    camera.announce(&["quiet"]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("quiet");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for mut track in busy {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    publish(&mut track, vec![0; 100]);
                }
            });
        }
        // A change that is missed is noticed only with the next catalog, a second later: far too late for this many.
        let give_up = Instant::now() + PATIENCE;
        let changed =
            |demand| camera.demands.recv_timeout(PATIENCE) == Ok((topic("quiet"), demand));
        let heard = (0..2000).all(|_| {
            listener.watch(id, "quiet");
            let began = changed(Demand::Watched);
            listener.subscriber.unwatch(id, topic("quiet"));
            let ended = changed(Demand::Unwatched);
            began && ended && Instant::now() < give_up
        });
        over.store(true, Ordering::Relaxed);
        assert!(heard);
    });
}

#[test]
fn a_frame_published_after_the_end_is_dropped_and_the_endpoint_is_free() {
    let site = Site::new();
    let camera = site.camera("one");
    let mut track = camera.track("cam");
    camera.publisher.stop();
    assert!(!track.publish(frame(clock::now(), vec![1])));
    assert_eq!(track.counts(), TrackCounts { dropped: 1, ..TrackCounts::default() });
    Camera::start(site.endpoint("one")).unwrap();
}
