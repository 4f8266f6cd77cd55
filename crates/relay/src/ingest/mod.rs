//! The relay's ingest side: frames of publishers go into the hub, the demand of viewers goes to publishers.
//!
//! - [`directory`]: which publisher owns which stream name, with [`ownership`], its answer for the per-frame path;
//! - [`feed`]: the path of a frame from the bus into its track;
//! - [`demand`]: the tracks that the relay watches at publishers;
//! - `local`: the numbers of publishers that are clients;
//! - [`push`]: streams that clients push into this relay;
//! - [`startup`]: the first seconds, in which the relay does not know its streams yet.

mod demand;
pub mod directory;
mod feed;
mod local;
mod ownership;
pub mod push;
pub mod startup;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::{
    BusError, Implausible, Listening, PublisherEvent, Subscriber, SubscriberOptions,
};
use fanlight_clock as clock;
use fanlight_protocol::{Request, StreamState, Topic};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::demand::{PublishedTrack, WatchStep, Watches};
use self::directory::Directory;
use self::feed::Feed;
use self::ownership::Ownership;
use self::push::posted::PostedStreams;
use self::push::{BusSettings, PushLimits, PushedStreams};
use crate::hub::{Hub, Stream, Track};

/// The interval of work that only the passage of time causes.
const TICK: Duration = Duration::from_secs(1);

/// The relay's ingest side.
#[derive(Debug)]
pub struct Ingest {
    subscriber: Subscriber,
    hub: Arc<Hub>,
    directory: Arc<Mutex<Directory>>,
    /// Notified when viewers need another track or a keyframe, or when a track has another owner.
    demand_changed: Arc<Notify>,
    /// The streams that clients push.
    pub pushed: Arc<PushedStreams>,
    /// The pushed streams that wait for the next request with a frame.
    pub posted: PostedStreams,
}

/// The settings of ingest.
#[derive(Debug, Default)]
pub struct IngestSettings {
    /// Publishers to follow.
    pub subscribe: SubscriberOptions,
    /// The endpoints at which other relays find the streams that clients push.
    pub publish: BusSettings,
    /// The limits on each client that pushes.
    pub push_limits: PushLimits,
}

/// A track that viewers need, and everything that its feed requires.
struct Needed {
    stream: Arc<Stream>,
    track: Arc<Track>,
    ownership: Ownership,
}

impl Ingest {
    /// Starts to follow publishers. The hub notifies `demand_changed` when viewers need another track or a keyframe.
    ///
    /// # Errors
    /// Fails if the bus cannot be started.
    pub fn start(
        settings: IngestSettings,
        hub: Arc<Hub>,
        demand_changed: Arc<Notify>,
    ) -> Result<Self, BusError> {
        let directory = Arc::new(Mutex::new(Directory::new(hub.clone())));
        let on_event = {
            let (directory, demand_changed) = (directory.clone(), demand_changed.clone());
            move |event| {
                if process(&mut directory.lock(), event) {
                    demand_changed.notify_one();
                }
            }
        };
        let IngestSettings { mut subscribe, publish, push_limits } = settings;
        subscribe.excluded.extend(publish.endpoints.iter().cloned());
        let subscriber = Subscriber::start(subscribe, on_event)?;
        let pushed = Arc::new(PushedStreams::new(
            hub.clone(),
            directory.clone(),
            demand_changed.clone(),
            publish,
            push_limits,
        ));
        let posted = PostedStreams::default();
        Ok(Self { subscriber, hub, directory, demand_changed, pushed, posted })
    }

    /// Returns the addresses that the relay listens to.
    pub fn listening(&self) -> Vec<Listening> {
        self.subscriber.listening()
    }

    /// Returns how many implausible values of this kind were received.
    pub fn implausible(&self, what: Implausible) -> u64 {
        self.subscriber.implausible(what)
    }

    /// Keeps the tracks watched at publishers in step with those that viewers need, until `stop`, or until the bus has
    /// failed.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let mut watches = Watches::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.demand_changed.notified() => {}
                _ = tick.tick() => {
                    if !self.subscriber.is_alive() {
                        return;
                    }
                    let now = clock::now();
                    self.directory.lock().tick(now);
                    self.posted.end_silent(tokio::time::Instant::now());
                    self.pushed.tick(now);
                    self.hub.streams().iter().for_each(|stream| stream.wake_silent_tracks(now));
                }
            }
            self.reconcile(&mut watches);
        }
    }

    fn reconcile(&self, watches: &mut Watches) {
        let mut needed = self.needed();
        let now = clock::now();
        let requests = needed.iter().filter(|(_, needed)| needed.track.take_keyframe_request(now));
        let keyframes: Vec<PublishedTrack> =
            requests.map(|(published, _)| published.clone()).collect();
        let tracks = needed.iter().map(|(published, needed)| (published, &needed.track));
        for change in watches.update(tracks, now) {
            match change {
                WatchStep::Watch(published) => {
                    if let Some(needed) = needed.remove(&published) {
                        self.watch(published, needed);
                    }
                }
                WatchStep::Unwatch((publisher, topic)) => {
                    self.clear(&topic);
                    self.subscriber.unwatch(publisher, topic);
                }
            }
        }
        for (publisher, Topic { stream, track }) in keyframes {
            self.subscriber.request(publisher, Request::Keyframe { stream, track });
        }
    }

    /// Returns the tracks that viewers need, by the publisher that owns them.
    fn needed(&self) -> HashMap<PublishedTrack, Needed> {
        let mut needed = HashMap::new();
        let directory = self.directory.lock();
        for stream in self.hub.streams() {
            let Some((publisher, ownership)) = directory.owner(stream.name()) else { continue };
            // Its frames come by themselves.
            if local::is_local(publisher) {
                continue;
            }
            for track in stream.tracks().into_iter().filter(|track| track.has_demand()) {
                let (stream, ownership) = (stream.clone(), ownership.clone());
                let published = (publisher, track.topic().clone());
                needed.insert(published, Needed { stream, track, ownership });
            }
        }
        needed
    }

    fn watch(&self, (publisher, topic): PublishedTrack, needed: Needed) {
        let Needed { stream, track, ownership } = needed;
        let mut feed = Feed::new(self.hub.clone(), stream, track, publisher, ownership);
        self.subscriber.watch(publisher, topic, move |frame| feed.push(frame));
    }

    /// Clears a track that is watched no longer: the next viewer must not begin with an old frame. A track whose source does
    /// not run keeps its last frame, the only one there is.
    fn clear(&self, topic: &Topic) {
        let Some(stream) = self.hub.stream(topic.stream.as_str()) else { return };
        let runs = matches!(stream.status().state, StreamState::Live | StreamState::Idle);
        match stream.known_track(&topic.track) {
            // It may have viewers again, or still, if another publisher has taken the name over.
            Some(track) if runs && !track.has_demand() => {
                track.clear();
                track.reset_lateness();
            }
            _ => {}
        }
    }
}

/// Processes an event of the bus. Returns whether ownership changed. Called on the bus thread; never waits.
fn process(directory: &mut Directory, event: PublisherEvent) -> bool {
    match event {
        PublisherEvent::Catalog { publisher, catalog } => {
            directory.announce(publisher, catalog, clock::now())
        }
        PublisherEvent::Silent { publisher } => directory.silent(publisher),
        PublisherEvent::Resumed { publisher } => directory.resumed(publisher),
        PublisherEvent::Gone { publisher, reason } => {
            directory.gone(publisher, reason, clock::now())
        }
    }
}
