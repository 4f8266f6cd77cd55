//! The relay's near side: what the bus tells goes into the hub, what viewers want goes out to the bus.

pub mod directory;
pub mod startup;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanlight_bus::{
    BusError, Event, Gap, Implausible, IncomingFrame, Listening, PublisherId, Subscriber,
    SubscriberOptions,
};
use fanlight_clock as clock;
use fanlight_protocol::{Ask, StreamState, Timestamp, Topic};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hub::lateness::Arrival;
use crate::hub::{Frame, Hub, Stream, Track};
use crate::ingest::directory::Directory;

/// How long a track is still asked for after its last viewer left: a page that reloads finds it running.
const LINGER: Duration = Duration::from_secs(5);
/// How often what time alone brings about is looked at.
const TICK: Duration = Duration::from_secs(1);

/// The relay's near side.
#[derive(Debug)]
pub struct Ingest {
    subscriber: Subscriber,
    hub: Arc<Hub>,
    directory: Arc<Mutex<Directory>>,
    /// Rung when demand or ownership may have changed.
    waker: Arc<Notify>,
}

impl Ingest {
    /// Starts to follow publishers. `waker` is the one the hub rings when a track is wanted that was not until then.
    ///
    /// # Errors
    /// When the bus cannot be started.
    pub fn start(
        options: SubscriberOptions,
        hub: Arc<Hub>,
        waker: Arc<Notify>,
    ) -> Result<Self, BusError> {
        let directory = Arc::new(Mutex::new(Directory::new(hub.clone())));
        let intake =
            Intake { hub: hub.clone(), directory: directory.clone(), waker: waker.clone() };
        let subscriber = Subscriber::start(options, move |event| intake.take(event))?;
        Ok(Self { subscriber, hub, directory, waker })
    }

    /// What is listened to.
    pub fn listening(&self) -> Vec<Listening> {
        self.subscriber.listening()
    }

    /// Returns how often a number of this kind that came off the bus could not be true.
    pub fn implausible(&self, what: Implausible) -> u64 {
        self.subscriber.implausible(what)
    }

    /// Keeps what is asked of publishers in step with what viewers want, until `stop`, or until the bus has failed.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let mut asked = Asked::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.waker.notified() => {}
                _ = tick.tick() => {
                    if !self.subscriber.is_alive() {
                        return;
                    }
                    let now = clock::now();
                    self.lock().tick(now);
                    self.hub.streams().iter().for_each(|stream| stream.wake_silent_tracks(now));
                }
            }
            self.reconcile(&mut asked);
        }
    }

    fn reconcile(&self, asked: &mut Asked) {
        let mut wanted = HashMap::new();
        let directory = self.lock();
        for stream in self.hub.streams() {
            let Some(publisher) = directory.owner(stream.name()) else { continue };
            for track in stream.tracks().into_iter().filter(|track| track.has_demand()) {
                wanted.insert((publisher, track.topic().clone()), track);
            }
        }
        drop(directory);
        let now = clock::now();
        let needy = wanted.iter().filter(|(_, track)| track.take_keyframe_request(now));
        let keyframes: Vec<Wanted> = needy.map(|(wanted, _)| wanted.clone()).collect();
        for change in asked.towards(wanted.into_keys(), now) {
            match change {
                Change::Watch(publisher, topic) => self.subscriber.watch(publisher, topic),
                Change::Unwatch(publisher, topic) => {
                    self.let_go_of_frames(&topic);
                    self.subscriber.unwatch(publisher, topic);
                }
            }
        }
        for (publisher, Topic { stream, track }) in keyframes {
            self.subscriber.ask(publisher, Ask::Keyframe { stream, track });
        }
    }

    /// The next viewer of a track that runs shall not begin with a picture from long ago. Of one that does not run, the
    /// last picture is all there is.
    fn let_go_of_frames(&self, topic: &Topic) {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Directory> {
        self.directory.lock().expect("no panic while names are looked at")
    }
}

/// What happens on the bus thread: short, and never waiting.
struct Intake {
    hub: Arc<Hub>,
    directory: Arc<Mutex<Directory>>,
    waker: Arc<Notify>,
}

impl Intake {
    fn take(&self, event: Event) {
        let changed = match event {
            Event::Frame { publisher, topic, frame } => {
                self.push(publisher, &topic, frame);
                false
            }
            Event::Catalog { publisher, catalog } => {
                self.lock().announce(publisher, catalog, clock::now())
            }
            Event::Silent { publisher } => self.lock().silent(publisher),
            Event::Resumed { publisher } => self.lock().resumed(publisher),
            Event::Gone { publisher, reason } => self.lock().gone(publisher, reason, clock::now()),
        };
        if changed {
            self.waker.notify_one();
        }
    }

    fn push(&self, publisher: PublisherId, topic: &Topic, frame: IncomingFrame) {
        if self.lock().owner(&topic.stream) != Some(publisher) {
            return;
        }
        let Some((stream, track)) = self.track(topic) else { return };
        let was_late = track.late_since().is_some();
        let mut changed = false;
        let run = match frame.gap {
            Gap::Begins => {
                changed |= track.reset_lateness();
                track.start_run()
            }
            Gap::Lost(count) => {
                track.count_lost(count);
                track.run()
            }
        };
        let IncomingFrame {
            sequence,
            captured_at,
            read_at,
            published_at,
            received_at,
            flags,
            width,
            height,
            payload,
            ..
        } = frame;
        changed |= track.note_arrival(Arrival { captured_at, read_at, published_at, received_at });
        if changed {
            stream.notify_change();
            self.hub.notify_change();
            log_lateness(&track, was_late);
        }
        track.push(Frame {
            run,
            sequence,
            captured_at,
            read_at,
            published_at,
            received_at,
            flags,
            width,
            height,
            payload,
        });
    }

    fn track(&self, topic: &Topic) -> Option<(Arc<Stream>, Arc<Track>)> {
        let stream = self.hub.stream(topic.stream.as_str())?;
        let track = stream.known_track(&topic.track)?;
        Some((stream, track))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Directory> {
        self.directory.lock().expect("no panic while names are looked at")
    }
}

/// Logs that a track became late, or is no longer; a change of its age is not worth a line.
fn log_lateness(track: &Track, was_late: bool) {
    let topic = track.topic();
    match track.late() {
        Some(late) if !was_late => {
            tracing::warn!(%topic, reason = late.reason(), "a stream is late");
        }
        None if was_late => tracing::info!(%topic, "a stream is no longer late"),
        _ => {}
    }
}

type Wanted = (PublisherId, Topic);

/// What was asked of publishers, and since when nobody wants it any more.
#[derive(Debug, Default)]
struct Asked(HashMap<Wanted, Option<Timestamp>>);

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Watch(PublisherId, Topic),
    Unwatch(PublisherId, Topic),
}

impl Asked {
    /// What to ask so that all that is wanted is asked for, and nothing else for longer than [`LINGER`].
    fn towards(&mut self, wanted: impl Iterator<Item = Wanted>, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        self.0.values_mut().for_each(|unwanted_since| {
            unwanted_since.get_or_insert(now);
        });
        for (publisher, topic) in wanted {
            if self.0.insert((publisher, topic.clone()), None).is_none() {
                changes.push(Change::Watch(publisher, topic));
            }
        }
        self.0.retain(|(publisher, topic), unwanted_since| {
            let stays = unwanted_since.is_none_or(|since| now.since(since) < LINGER);
            if !stays {
                changes.push(Change::Unwatch(*publisher, topic.clone()));
            }
            stays
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PublisherId = PublisherId(1);
    const TWO: PublisherId = PublisherId(2);

    fn topic() -> Topic {
        "cam/full.jpeg/".parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_track_is_asked_for_once_and_given_up_five_seconds_after_its_last_viewer() {
        let mut asked = Asked::default();
        let watched = || [(ONE, topic())].into_iter();
        let nobody = || [].into_iter();
        assert_eq!(asked.towards(watched(), at(0)), [Change::Watch(ONE, topic())]);
        assert_eq!(asked.towards(watched(), at(10)), []);
        assert_eq!(asked.towards(nobody(), at(20)), []);
        assert_eq!(asked.towards(nobody(), at(24)), []);
        assert_eq!(asked.towards(watched(), at(24)), [], "a reload does not touch it");
        assert_eq!(asked.towards(nobody(), at(30)), []);
        assert_eq!(asked.towards(nobody(), at(35)), [Change::Unwatch(ONE, topic())]);
        assert_eq!(asked.towards(nobody(), at(36)), []);
    }

    #[test]
    fn a_new_owner_is_asked_at_once() {
        let mut asked = Asked::default();
        asked.towards([(ONE, topic())].into_iter(), at(0));
        assert_eq!(
            asked.towards([(TWO, topic())].into_iter(), at(1)),
            [Change::Watch(TWO, topic())]
        );
    }
}
