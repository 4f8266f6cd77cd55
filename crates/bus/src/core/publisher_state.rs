//! The publisher's state machine: what subscribers send goes in, answers and changes of demand come out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fanlight_protocol::{Catalog, Epoch, Request, ReservedTopic, StreamEntry, Timestamp, Topic};

use super::request_limits::RequestLimits;
use super::subscriptions::{DemandChange, Subscriptions};

/// The interval of catalog announcements when nothing changes. A publisher that misses three is gone.
pub(crate) const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// The shortest interval of requested announcements. An announcement goes to all subscribers, so one answers
/// all requests of this interval.
const ANNOUNCE_AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// A message from a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream<'a> {
    /// The first subscription to this prefix of topics.
    Subscribe(&'a [u8]),
    /// The end of the last subscription to this prefix of topics.
    Unsubscribe(&'a [u8]),
    /// An encoded [`Request`] from the peer with this number.
    Request { peer: u64, bytes: &'a [u8] },
    /// A message of no known form.
    Unknown,
}

/// A step that the caller must take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublisherAction {
    /// Report that a track is now watched or unwatched.
    Watched { track: usize, watched: bool },
    /// Report that a subscriber needs a keyframe of a track.
    Keyframe { track: usize },
    /// Answer a subscriber that requested the publisher's clock.
    AnswerClock { asker: u64, asked_at: Timestamp },
}

impl From<DemandChange> for PublisherAction {
    fn from(DemandChange { track, watched }: DemandChange) -> Self {
        Self::Watched { track, watched }
    }
}

/// The state of a publisher. Tracks are numbered in the order in which they are opened.
#[derive(Debug)]
pub(crate) struct PublisherState {
    catalog: Catalog,
    subscriptions: Subscriptions,
    limits: RequestLimits,
    tracks: HashMap<Topic, usize>,
    opened: usize,
    announced_at: Option<Instant>,
    /// A subscriber waits for the catalog.
    announcement_due: bool,
}

impl PublisherState {
    pub(crate) fn new(epoch: Epoch, publisher: String, now: Instant) -> Self {
        Self {
            catalog: Catalog { epoch, publisher, streams: Vec::new() },
            subscriptions: Subscriptions::default(),
            limits: RequestLimits::new(now),
            tracks: HashMap::new(),
            opened: 0,
            announced_at: None,
            announcement_due: true,
        }
    }

    /// Opens the next track. Returns whether it is watched already.
    pub(crate) fn open(&mut self, topic: &Topic, topic_bytes: &[u8]) -> bool {
        self.tracks.insert(topic.clone(), self.opened);
        self.opened += 1;
        self.subscriptions.open(topic_bytes)
    }

    /// Processes a message from a subscriber.
    pub(crate) fn receive(&mut self, message: Upstream<'_>, now: Instant) -> Vec<PublisherAction> {
        match message {
            Upstream::Subscribe(prefix) => self.subscribe(prefix, true),
            Upstream::Unsubscribe(prefix) => self.subscribe(prefix, false),
            Upstream::Request { peer, bytes } => {
                self.request(peer, bytes, now).into_iter().collect()
            }
            Upstream::Unknown => {
                self.limits.ignore();
                Vec::new()
            }
        }
    }

    fn subscribe(&mut self, prefix: &[u8], on: bool) -> Vec<PublisherAction> {
        if on && ReservedTopic::from_bytes(prefix) == Some(ReservedTopic::Catalog) {
            self.announcement_due = true;
        }
        let Some(changes) = self.subscriptions.set(prefix, on) else {
            self.limits.ignore();
            return Vec::new();
        };
        changes.into_iter().map(PublisherAction::from).collect()
    }

    fn request(&mut self, peer: u64, bytes: &[u8], now: Instant) -> Option<PublisherAction> {
        let Ok(request) = Request::decode(bytes) else {
            self.limits.ignore();
            return None;
        };
        if !self.limits.admit(peer, &request, now) {
            return None;
        }
        match request {
            Request::Clock { asker, asked_at } => {
                Some(PublisherAction::AnswerClock { asker, asked_at })
            }
            Request::Catalog => {
                self.announcement_due = true;
                None
            }
            Request::Keyframe { stream, track } => {
                let track = *self.tracks.get(&Topic { stream, track })?;
                Some(PublisherAction::Keyframe { track })
            }
        }
    }

    /// Returns the number of messages ignored since the last report, if there are any and a report is due.
    pub(crate) fn take_ignored(&mut self, now: Instant) -> Option<u64> {
        self.limits.take_ignored(now)
    }

    /// Returns the catalog if it must be announced now, given the streams as they are.
    pub(crate) fn announcement(
        &mut self,
        streams: &[StreamEntry],
        now: Instant,
    ) -> Option<&Catalog> {
        let changed = *streams != self.catalog.streams;
        if changed {
            self.catalog.streams = streams.to_vec();
        }
        if !changed && self.next_announcement().is_some_and(|at| now < at) {
            return None;
        }
        self.announced_at = Some(now);
        self.announcement_due = false;
        Some(&self.catalog)
    }

    /// Returns when the next announcement is due if the streams do not change; `None`: immediately, as the first one.
    pub(crate) fn next_announcement(&self) -> Option<Instant> {
        let pause = if self.announcement_due { ANNOUNCE_AT_MOST_EVERY } else { ANNOUNCE_EVERY };
        self.announced_at.map(|at| at + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> Topic {
        "cam/full.jpeg/".parse().unwrap()
    }

    /// A publisher of one track, and the moment of its start.
    fn publisher() -> (PublisherState, Instant) {
        let now = Instant::now();
        let mut state = PublisherState::new(Epoch(1), "test".into(), now);
        assert!(!state.open(&topic(), topic().to_string().as_bytes()));
        (state, now)
    }

    fn request(
        state: &mut PublisherState,
        request: &Request,
        now: Instant,
    ) -> Vec<PublisherAction> {
        state.receive(Upstream::Request { peer: 1, bytes: &request.encode() }, now)
    }

    #[test]
    fn a_subscription_reports_the_tracks_that_it_matches() {
        let (mut state, now) = publisher();
        let watched = |watched| vec![PublisherAction::Watched { track: 0, watched }];
        assert_eq!(state.receive(Upstream::Subscribe(b"cam/"), now), watched(true));
        assert_eq!(state.receive(Upstream::Subscribe(b"door/"), now), []);
        assert_eq!(state.receive(Upstream::Unsubscribe(b"cam/"), now), watched(false));
        let door: Topic = "door/full.jpeg/".parse().unwrap();
        assert!(state.open(&door, door.to_string().as_bytes()), "it was subscribed to before");
    }

    #[test]
    fn requests_are_answered_and_unreadable_ones_are_counted() {
        let (mut state, now) = publisher();
        let asked_at = Timestamp::from_micros(5);
        assert_eq!(
            request(&mut state, &Request::Clock { asker: 7, asked_at }, now),
            [PublisherAction::AnswerClock { asker: 7, asked_at }]
        );
        let keyframe =
            |topic: Topic| Request::Keyframe { stream: topic.stream, track: topic.track };
        assert_eq!(
            request(&mut state, &keyframe(topic()), now),
            [PublisherAction::Keyframe { track: 0 }]
        );
        let unknown = "door/full.jpeg/".parse().unwrap();
        assert_eq!(request(&mut state, &keyframe(unknown), now), [], "no such track");
        assert_eq!(state.take_ignored(now), None);
        assert_eq!(state.receive(Upstream::Request { peer: 1, bytes: b"?" }, now), []);
        assert_eq!(state.receive(Upstream::Unknown, now), []);
        assert_eq!(state.take_ignored(now), Some(2));
    }

    #[test]
    fn the_catalog_is_announced_at_changes_every_second_and_soon_after_a_request() {
        let (mut state, start) = publisher();
        let at = |millis| start + Duration::from_millis(millis);
        let announced = |state: &mut PublisherState, streams: &[StreamEntry], millis| {
            state.announcement(streams, at(millis)).is_some()
        };
        assert!(announced(&mut state, &[], 0), "the first one immediately");
        assert!(!announced(&mut state, &[], 999));
        assert!(announced(&mut state, &[], 1000));
        request(&mut state, &Request::Catalog, at(1010));
        assert!(!announced(&mut state, &[], 1099), "several requests have one answer");
        assert!(announced(&mut state, &[], 1100));
        let entry = StreamEntry {
            name: "cam".parse().unwrap(),
            state: fanlight_protocol::StreamState::Live,
            reason: String::new(),
            since: Timestamp::from_micros(0),
            source: "test".into(),
            tracks: Vec::new(),
        };
        assert!(
            announced(&mut state, std::slice::from_ref(&entry), 1101),
            "a change is announced immediately"
        );
        assert!(!announced(&mut state, &[entry], 1102));
    }
}
