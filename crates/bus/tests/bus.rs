//! A publisher and a subscriber, over real sockets.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use fanlight_bus::{
    BusError, Endpoint, Event, Folder, Gap, IncomingFrame, OutgoingFrame, Publisher, PublisherId,
    PublisherOptions, Subscriber, SubscriberOptions, TrackPublisher,
};
use fanlight_clock as clock;
use fanlight_protocol::{
    FrameFlags, FrameMeta, FrameTimes, StreamEntry, StreamState, Timestamp, Topic,
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

    fn publisher(&self, name: &str) -> (Publisher, Receiver<(Topic, bool)>) {
        self.folder();
        publisher_at(self.endpoint(name)).unwrap()
    }
}

fn publisher_at(endpoint: Endpoint) -> Result<(Publisher, Receiver<(Topic, bool)>), BusError> {
    let (demand, demands) = mpsc::channel();
    let publisher = Publisher::start(PublisherOptions {
        on_demand: Box::new(move |topic, on| drop(demand.send((topic.clone(), on)))),
        ..options(endpoint)
    })?;
    Ok((publisher, demands))
}

fn options(endpoint: Endpoint) -> PublisherOptions {
    PublisherOptions {
        endpoints: vec![endpoint],
        name: "test".into(),
        streams: 1,
        keys: None,
        on_demand: Box::new(|_, _| {}),
        on_keyframe: Box::new(|_| {}),
    }
}

struct Listener {
    subscriber: Subscriber,
    events: Receiver<Event>,
}

impl Listener {
    fn start(options: SubscriberOptions) -> Self {
        let (tell, events) = mpsc::channel();
        let subscriber = Subscriber::start(options, move |event| drop(tell.send(event))).unwrap();
        Self { subscriber, events }
    }

    fn to(endpoints: &[Endpoint]) -> Self {
        Self::start(SubscriberOptions {
            endpoints: endpoints.to_vec(),
            ..SubscriberOptions::default()
        })
    }

    fn until<T>(&self, what: &str, mut found: impl FnMut(Event) -> Option<T>) -> T {
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
            Event::Catalog { publisher, catalog } => catalog
                .streams
                .iter()
                .any(|entry| entry.name.as_str() == stream)
                .then_some(publisher),
            _ => None,
        })
    }

    fn frame(&self) -> IncomingFrame {
        self.until("frame", |event| match event {
            Event::Frame { frame, .. } => Some(frame),
            _ => None,
        })
    }

    fn gone(&self) -> PublisherId {
        self.until("goodbye", |event| match event {
            Event::Gone { publisher, .. } => Some(publisher),
            _ => None,
        })
    }
}

/// The list of places is for people and a moment behind the events.
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

fn expect_demand(demands: &Receiver<(Topic, bool)>, stream: &str, on: bool) {
    assert_eq!(demands.recv_timeout(PATIENCE), Ok((topic(stream), on)));
}

#[test]
fn frames_arrive_in_order_with_their_header_and_payload() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    publisher.announce(vec![entry("cam")]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam");
    assert!(!track.is_watched());
    listener.subscriber.watch(id, topic("cam"));
    expect_demand(&demands, "cam", true);
    assert!(track.is_watched());

    let captured_at = clock::now();
    assert!(track.publish(frame(captured_at, vec![7; 100_000])));
    let first = listener.frame();
    assert_eq!((first.meta.sequence, first.meta.width, first.meta.height), (0, 4, 2));
    assert_eq!(first.gap, Gap::Begins);
    assert_eq!(first.payload, vec![7; 100_000]);
    assert!(first.meta.is_keyframe());
    // Publisher and subscriber share a clock here, so all that is left is the error of measuring it.
    assert!(first.meta.captured_at().micros_from(captured_at).abs() < 50_000);
    for sequence in 1..100 {
        publish(&mut track, vec![sequence as u8; 10]);
        let frame = listener.frame();
        assert_eq!((frame.meta.sequence, frame.gap), (sequence, Gap::Lost(0)));
    }

    listener.subscriber.unwatch(id, topic("cam"));
    expect_demand(&demands, "cam", false);
    assert_eq!(track.counts(), (100, 0));
}

#[test]
fn a_track_does_not_bring_its_longer_named_neighbour() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let (mut cam1, mut cam10) = (publisher.track(topic("cam1")), publisher.track(topic("cam10")));
    publisher.announce(vec![entry("cam1"), entry("cam10")]);
    let listener = Listener::to(&[site.endpoint("one")]);
    listener.subscriber.watch(listener.publisher_of("cam1"), topic("cam1"));
    expect_demand(&demands, "cam1", true);
    assert!(!cam10.is_watched());
    publish(&mut cam10, vec![10]);
    publish(&mut cam1, vec![1]);
    assert_eq!(listener.frame().payload, vec![1]);
}

#[test]
fn a_subscriber_that_dies_takes_its_demand_with_it() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let _track = publisher.track(topic("cam"));
    publisher.announce(vec![entry("cam")]);
    let first = Listener::to(&[site.endpoint("one")]);
    let second = Listener::to(&[site.endpoint("one")]);
    first.subscriber.watch(first.publisher_of("cam"), topic("cam"));
    expect_demand(&demands, "cam", true);
    second.subscriber.watch(second.publisher_of("cam"), topic("cam"));
    drop(first);
    drop(second);
    expect_demand(&demands, "cam", false);
}

#[test]
fn a_publisher_that_comes_back_at_its_endpoint_is_watched_again() {
    let site = Site::new();
    let listener = Listener::to(&[site.endpoint("one")]);
    let (publisher, _) = site.publisher("one");
    publisher.announce(vec![entry("cam")]);
    let id = listener.publisher_of("cam");
    listener.subscriber.watch(id, topic("cam"));
    publisher.stop();
    assert_eq!(listener.gone(), id);

    let (publisher, demands) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    expect_demand(&demands, "cam", true);
    // Frames from before the new publisher's clock is known are not shown: a camera goes on, and so does this.
    let frame = loop {
        publish(&mut track, vec![1]);
        match listener.events.recv_timeout(Duration::from_millis(50)) {
            Ok(Event::Frame { frame, .. }) => break frame,
            _ => assert!(track.counts().0 < 400, "no frame of many came"),
        }
    };
    assert_eq!(frame.gap, Gap::Begins);
}

#[test]
fn publishers_in_the_folder_appear_and_disappear_by_themselves() {
    let site = Site::new();
    let listener = Listener::start(SubscriberOptions {
        folder: Some(site.folder()),
        ..SubscriberOptions::default()
    });
    assert!(!listener.subscriber.listening()[0].heard);
    let (first, _) = site.publisher("first");
    first.announce(vec![entry("cam1")]);
    let first_id = listener.publisher_of("cam1");
    let (second, _) = site.publisher("second");
    second.announce(vec![entry("cam2")]);
    let second_id = listener.publisher_of("cam2");
    assert_ne!(first_id, second_id);
    eventually("the folder counts as heard", || listener.subscriber.listening()[0].heard);
    first.stop();
    assert_eq!(listener.gone(), first_id);
    eventually("the other is still there", || listener.subscriber.listening()[0].connected);
}

#[test]
fn a_second_publisher_on_one_path_is_refused_by_name() {
    let site = Site::new();
    let (first, _) = site.publisher("one");
    let error = publisher_at(site.endpoint("one")).unwrap_err().to_string();
    assert!(error.contains("in use by another publisher (pid "), "{error}");
    first.stop();
    publisher_at(site.endpoint("one")).unwrap();
}

#[test]
fn what_a_dead_publisher_left_behind_is_no_obstacle() {
    let site = Site::new();
    let folder = site.folder().path().to_owned();
    let leftover = |name: &str| -> PathBuf {
        fs::write(folder.join(format!("{name}.ipc.lock")), "1\n").unwrap();
        fs::write(folder.join(format!("{name}.ipc")), "").unwrap();
        folder.join(format!("{name}.ipc"))
    };
    let (stale, taken) = (leftover("stale"), leftover("taken"));
    let (publisher, _) = site.publisher("taken");
    publisher.announce(vec![entry("cam")]);
    let listener = Listener::start(SubscriberOptions {
        folder: Some(site.folder()),
        ..SubscriberOptions::default()
    });
    listener.publisher_of("cam");
    assert!(taken.exists());
    assert!(!stale.exists());
}

#[test]
fn two_endpoints_of_tcp_are_followed_at_once() {
    let free_port =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoints: Vec<Endpoint> =
        (0..2).map(|_| Endpoint::Tcp(format!("127.0.0.1:{}", free_port()))).collect();
    let listener = Listener::to(&endpoints);
    let publishers: HashMap<PublisherId, Publisher> = endpoints
        .iter()
        .enumerate()
        .map(|(number, endpoint)| {
            let (publisher, _) = publisher_at(endpoint.clone()).unwrap();
            let stream = format!("cam{number}");
            publisher.announce(vec![entry(&stream)]);
            (listener.publisher_of(&stream), publisher)
        })
        .collect();
    assert_eq!(publishers.len(), 2);
    eventually("both places are heard", || {
        listener.subscriber.listening().iter().all(|place| place.heard && place.connected)
    });
}

#[test]
fn frames_that_a_slow_machine_cannot_take_are_counted() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    publisher.announce(vec![entry("cam")]);
    let listener = Listener::to(&[site.endpoint("one")]);
    listener.subscriber.watch(listener.publisher_of("cam"), topic("cam"));
    expect_demand(&demands, "cam", true);
    let offered = 20_000;
    for _ in 0..offered {
        track.publish(frame(clock::now(), vec![0; 1000]));
    }
    let (published, dropped) = track.counts();
    assert_eq!(published + dropped, offered);
    // Everything published either arrives or is lost, and nothing is both. The end of the burst may be lost: then
    // one frame more tells so.
    let mut accounted = 0;
    while accounted < track.counts().0 {
        match listener.events.recv_timeout(Duration::from_millis(200)) {
            Ok(Event::Frame { frame, .. }) => {
                match frame.gap {
                    Gap::Begins => assert_eq!((frame.meta.sequence, accounted), (0, 0)),
                    Gap::Lost(lost) => assert_eq!(frame.meta.sequence, accounted + lost),
                }
                accounted = frame.meta.sequence + 1;
            }
            Ok(_) => {}
            Err(_) => publish(&mut track, vec![0]),
        }
    }
}

#[test]
fn a_payload_beyond_the_limit_is_dropped_and_counted() {
    let site = Site::new();
    let (publisher, _) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    let payload = vec![0; fanlight_protocol::MAX_PAYLOAD + 1];
    assert!(!track.publish(frame(clock::now(), payload)));
    assert_eq!(track.counts(), (0, 1));
}

#[test]
fn a_wall_of_many_streams_opened_at_once_gets_all_of_them() {
    let site = Site::new();
    let (publisher, _demands) = site.publisher("one");
    let streams: Vec<String> = (0..120).map(|number| format!("cam{number}")).collect();
    let tracks: Vec<TrackPublisher> =
        streams.iter().map(|name| publisher.track(topic(name))).collect();
    publisher.announce(streams.iter().map(|name| entry(name)).collect());
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam0");
    streams.iter().for_each(|name| listener.subscriber.watch(id, topic(name)));
    eventually("every track is watched", || tracks.iter().all(TrackPublisher::is_watched));
}

#[test]
fn one_subscriber_that_asks_for_the_catalog_all_the_time_takes_nothing_from_another() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    publisher.announce(vec![entry("cam")]);
    let places = [site.endpoint("one")];
    let (honest, rude) = (Listener::to(&places), Listener::to(&places));
    honest.subscriber.watch(honest.publisher_of("cam"), topic("cam"));
    expect_demand(&demands, "cam", true);
    let id = rude.publisher_of("cam");
    for sequence in 0..200 {
        (0..50).for_each(|_| rude.subscriber.ask(id, fanlight_protocol::Ask::Catalog));
        publish(&mut track, vec![0; 1000]);
        assert_eq!(honest.frame().meta.sequence, sequence);
    }
}

#[test]
fn a_keyframe_that_is_asked_for_is_asked_of_whoever_makes_the_track() {
    let site = Site::new();
    site.folder();
    let (tell, asked) = mpsc::channel();
    let publisher = Publisher::start(PublisherOptions {
        on_keyframe: Box::new(move |topic| drop(tell.send(topic.clone()))),
        ..options(site.endpoint("one"))
    });
    let publisher = publisher.unwrap();
    let _track = publisher.track(topic("cam"));
    publisher.announce(vec![entry("cam")]);
    let listener = Listener::to(&[site.endpoint("one")]);
    let id = listener.publisher_of("cam");
    // Of a track that is not there nobody is told.
    for name in ["nobody", "cam"] {
        let Topic { stream, track } = topic(name);
        listener.subscriber.ask(id, fanlight_protocol::Ask::Keyframe { stream, track });
    }
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), topic("cam"));
}

#[test]
fn whoever_sends_without_a_break_keeps_nobody_from_being_heard() {
    let site = Site::new();
    let (publisher, demands) = site.publisher("one");
    let _quiet = publisher.track(topic("quiet"));
    let busy = ["busy1", "busy2"].map(|stream| publisher.track(topic(stream)));
    publisher.announce(vec![entry("quiet")]);
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
        // One that is not heard at once would be with the next catalog, a second later: far too late for so many.
        let give_up = Instant::now() + PATIENCE;
        let heard = (0..2000).all(|_| {
            listener.subscriber.watch(id, topic("quiet"));
            let began = demands.recv_timeout(PATIENCE) == Ok((topic("quiet"), true));
            listener.subscriber.unwatch(id, topic("quiet"));
            let ended = demands.recv_timeout(PATIENCE) == Ok((topic("quiet"), false));
            began && ended && Instant::now() < give_up
        });
        over.store(true, Ordering::Relaxed);
        assert!(heard);
    });
}

#[test]
fn what_is_published_after_the_end_is_dropped_and_the_endpoint_is_free() {
    let site = Site::new();
    let (publisher, _) = site.publisher("one");
    let mut track = publisher.track(topic("cam"));
    publisher.stop();
    assert!(!track.publish(frame(clock::now(), vec![1])));
    assert_eq!(track.counts(), (0, 1));
    publisher_at(site.endpoint("one")).unwrap();
}
