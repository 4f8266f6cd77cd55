//! Demand against a model: whatever subscribers do, a track is watched exactly while a live subscriber watches it.
//!
//! Subscribers are processes of their own, so that they can be killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use fanlight_bus::{
    Demand, Endpoint, Publisher, PublisherEvent, PublisherId, PublisherOptions, Subscriber,
    SubscriberOptions,
};
use fanlight_protocol::{StreamEntry, StreamState, Timestamp, Topic};
use proptest::prelude::*;
use proptest::sample::Index;

/// Longer than anything here takes on a loaded machine: reaching it is a failure, not a delay.
const PATIENCE: Duration = Duration::from_secs(20);
const TRACKS: [&str; 4] =
    ["cam/full.jpeg/", "cam/half.jpeg/", "cam1/full.jpeg/", "door/full.jpeg/"];
/// The environment variable that makes the test's own program a subscriber, with the endpoint to follow.
const ENDPOINT: &str = "DEMAND_TEST_ENDPOINT";
const MOST_SUBSCRIBERS: usize = 5;

/// A step of a scenario.
#[derive(Debug, Clone)]
enum Step {
    Join,
    Watch(Index, Index),
    Unwatch(Index, Index),
    /// A subscriber ends orderly.
    Leave(Index),
    /// A subscriber is killed.
    Kill(Index),
    /// The publisher has processed everything so far.
    Settle,
}

fn any_step() -> impl Strategy<Value = Step> {
    let which = any::<Index>;
    prop_oneof![
        3 => Just(Step::Join),
        8 => (which(), which()).prop_map(|(who, track)| Step::Watch(who, track)),
        4 => (which(), which()).prop_map(|(who, track)| Step::Unwatch(who, track)),
        1 => which().prop_map(Step::Leave),
        2 => which().prop_map(Step::Kill),
        4 => Just(Step::Settle),
    ]
}

proptest! {
    // A case takes a second, for all the processes.
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_track_is_watched_exactly_while_a_live_subscriber_watches_it(
        steps in proptest::collection::vec(any_step(), 20..60)
    ) {
        let mut stage = Stage::new();
        for step in steps {
            stage.play(&step);
        }
        stage.settle();
        while let Some((remote, _)) = stage.subscribers.pop() {
            remote.kill();
            stage.settle();
        }
    }
}

/// A publisher, its subscribers, and the tracks that each of them watches.
struct Stage {
    _folder: tempfile::TempDir,
    endpoint: Endpoint,
    publisher: Publisher,
    demands: Receiver<(Topic, bool)>,
    watched: BTreeMap<String, bool>,
    subscribers: Vec<(Remote, BTreeSet<&'static str>)>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Ipc(folder.path().join("demand.ipc"));
        let (sender, demands) = mpsc::channel();
        let publisher = Publisher::start(PublisherOptions {
            endpoints: vec![endpoint.clone()],
            name: "test".into(),
            streams: 3,
            keys: None,
        })
        .unwrap();
        for track in TRACKS {
            let (topic, sender): (Topic, _) = (track.parse().unwrap(), sender.clone());
            let of = topic.clone();
            publisher.track(topic, move |demand| {
                drop(sender.send((of.clone(), demand == Demand::Watched)));
            });
        }
        publisher.announce(["cam", "cam1", "door"].map(entry).into());
        let (watched, subscribers) = (BTreeMap::new(), Vec::new());
        Self { _folder: folder, endpoint, publisher, demands, watched, subscribers }
    }

    fn play(&mut self, step: &Step) {
        let count = self.subscribers.len();
        match step {
            Step::Settle => self.settle(),
            Step::Join if count < MOST_SUBSCRIBERS => {
                self.subscribers.push((Remote::start(&self.endpoint), BTreeSet::new()));
            }
            _ if count == 0 => {}
            Step::Join => {}
            Step::Watch(who, track) => {
                let (remote, watches) = &mut self.subscribers[who.index(count)];
                let track = *track.get(&TRACKS);
                // A relay watches a track once.
                if watches.insert(track) {
                    remote.say("watch", track);
                }
            }
            Step::Unwatch(who, track) => {
                let (remote, watches) = &mut self.subscribers[who.index(count)];
                let track = *track.get(&TRACKS);
                if watches.remove(track) {
                    remote.say("unwatch", track);
                }
            }
            Step::Leave(who) => self.subscribers.swap_remove(who.index(count)).0.leave(),
            Step::Kill(who) => self.subscribers.swap_remove(who.index(count)).0.kill(),
        }
    }

    /// Waits until the publisher knows the demand.
    fn settle(&mut self) {
        let expected: BTreeSet<&str> =
            self.subscribers.iter().flat_map(|(_, watches)| watches.iter().copied()).collect();
        let give_up = Instant::now() + PATIENCE;
        while self.seen() != expected {
            let left = give_up.saturating_duration_since(Instant::now());
            match self.demands.recv_timeout(left) {
                Ok((topic, on)) => {
                    let before = self.watched.insert(topic.to_string(), on);
                    assert_ne!(before.unwrap_or(false), on, "{topic} is reported twice");
                }
                Err(_) => panic!("expected {expected:?}, watched {:?}", self.seen()),
            }
        }
        assert!(self.publisher.is_alive());
    }

    fn seen(&self) -> BTreeSet<&str> {
        self.watched.iter().filter(|(_, on)| **on).map(|(topic, _)| topic.as_str()).collect()
    }
}

fn entry(name: &str) -> StreamEntry {
    StreamEntry {
        name: name.parse().unwrap(),
        state: StreamState::Idle,
        reason: String::new(),
        since: Timestamp::from_micros(1),
        source: "test".into(),
        tracks: Vec::new(),
    }
}

/// A subscriber in a process of its own.
struct Remote {
    child: Child,
    orders: ChildStdin,
    /// Kept open, because the test's program writes a last line to it.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Remote {
    /// Starts the process. Returns when it has found the publisher.
    fn start(endpoint: &Endpoint) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serves_as_a_subscriber", "--nocapture"])
            .env(ENDPOINT, endpoint.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.is_ok_and(|line| line.ends_with("ready"))));
        Self { orders: child.stdin.take().unwrap(), child, _output: lines }
    }

    fn say(&mut self, order: &str, track: &str) {
        writeln!(self.orders, "{order} {track}").unwrap();
    }

    fn leave(mut self) {
        drop(self.orders);
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The program of a subscriber. Without an endpoint in the environment it does nothing.
#[test]
fn serves_as_a_subscriber() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let (sender, events) = mpsc::channel();
    let options = SubscriberOptions {
        endpoints: vec![endpoint.parse().unwrap()],
        ..SubscriberOptions::default()
    };
    let subscriber = Subscriber::start(options, move |event| drop(sender.send(event))).unwrap();
    let publisher = known(&events);
    writeln!(io::stdout(), "ready").unwrap();
    io::stdout().flush().unwrap();
    for order in io::stdin().lines() {
        match order.unwrap().split_once(' ') {
            Some(("watch", track)) => subscriber.watch(publisher, track.parse().unwrap(), drop),
            Some(("unwatch", track)) => subscriber.unwatch(publisher, track.parse().unwrap()),
            _ => panic!("no order"),
        }
    }
}

fn known(events: &Receiver<PublisherEvent>) -> PublisherId {
    loop {
        if let PublisherEvent::Catalog { publisher, .. } = events.recv_timeout(PATIENCE).unwrap() {
            return publisher;
        }
    }
}
