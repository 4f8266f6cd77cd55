//! Who owns which name: turns what publishers announce into streams of the hub. No clock: `now` is passed in.
//!
//! The first publisher to announce a name keeps it; another one with the same name is refused, and takes over when the
//! first is gone. A known name stays listed and connectable for a while after its publisher is gone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::PublisherId;
use fanlight_protocol::{Catalog, StreamEntry, StreamName, StreamState, Timestamp};

use crate::hub::{Hub, Status};

/// How long a name stays known after its publisher is gone and its last viewer left.
pub const KEPT: Duration = Duration::from_secs(60);
/// Most names known at once; further ones are refused and logged.
pub const MAX_STREAMS: usize = 1024;

/// Who owns which name.
#[derive(Debug)]
pub struct Directory {
    hub: Arc<Hub>,
    owners: BTreeMap<StreamName, Owner>,
    /// Refusals already logged.
    refused: HashSet<(PublisherId, StreamName)>,
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Publisher(PublisherId),
    /// Nobody, since then.
    Gone(Timestamp),
}

impl Directory {
    /// Knows nobody yet.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, owners: BTreeMap::new(), refused: HashSet::new() }
    }

    /// The publisher that owns a name now.
    pub fn owner(&self, name: &StreamName) -> Option<PublisherId> {
        match self.owners.get(name)? {
            Owner::Publisher(publisher) => Some(*publisher),
            Owner::Gone(_) => None,
        }
    }

    /// Takes in what a publisher announced. Returns whether ownership changed.
    pub fn announce(&mut self, publisher: PublisherId, catalog: Catalog, now: Timestamp) -> bool {
        let announced: HashSet<StreamName> =
            catalog.streams.iter().map(|entry| entry.name.clone()).collect();
        let mut changed =
            self.release(publisher, "capture no longer has this stream", now, |name| {
                !announced.contains(name)
            });
        for entry in catalog.streams {
            match self.owner(&entry.name) {
                Some(owner) if owner == publisher => self.update(entry),
                Some(_) => self.refuse(publisher, &entry.name),
                None => changed |= self.adopt(publisher, entry, &catalog.publisher),
            }
        }
        changed
    }

    /// Takes in that a publisher is gone. Returns whether ownership changed.
    pub fn gone(&mut self, publisher: PublisherId, reason: &str, now: Timestamp) -> bool {
        self.refused.retain(|(refused, _)| *refused != publisher);
        self.release(publisher, reason, now, |_| true)
    }

    /// Forgets names that nobody has published or watched for a while.
    pub fn tick(&mut self, now: Timestamp) {
        let hub = &self.hub;
        self.owners.retain(|name, owner| {
            let Owner::Gone(since) = *owner else { return true };
            let watched = hub.stream(name.as_str()).is_some_and(|stream| stream.viewers() > 0);
            let stays = watched || now.since(since) < KEPT;
            if !stays {
                hub.close(name.as_str());
            }
            stays
        });
    }

    fn adopt(&mut self, publisher: PublisherId, entry: StreamEntry, whose: &str) -> bool {
        let known = self.owners.contains_key(&entry.name);
        if !known && self.owners.len() >= MAX_STREAMS {
            self.refuse_one_too_many(publisher, &entry.name);
            return false;
        }
        tracing::info!(stream = %entry.name, publisher = whose, source = entry.source, "a stream is here");
        self.owners.insert(entry.name.clone(), Owner::Publisher(publisher));
        self.refused.retain(|(_, name)| *name != entry.name);
        if known {
            self.update(entry);
        } else {
            let name = entry.name.clone();
            self.hub.open(&name, status(entry));
        }
        true
    }

    fn update(&self, entry: StreamEntry) {
        let Some(stream) = self.hub.stream(entry.name.as_str()) else { return };
        let state = entry.state;
        let reason = entry.reason.clone();
        let before = stream.status().state;
        if stream.set_status(status(entry)) {
            self.hub.changed();
        }
        if state != before && state == StreamState::Offline {
            tracing::warn!(stream = %stream.name(), reason, "a stream is offline");
        } else if before == StreamState::Offline && state != before {
            tracing::info!(stream = %stream.name(), "a stream is back");
        }
    }

    fn refuse(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.refused.insert((publisher, name.clone())) {
            tracing::warn!(stream = %name, "a second publisher has a stream of this name: refused while the first one is here");
        }
    }

    fn refuse_one_too_many(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.refused.len() < MAX_STREAMS && self.refused.insert((publisher, name.clone())) {
            tracing::warn!(stream = %name, "more than {MAX_STREAMS} streams: refused");
        }
    }

    /// Takes names away from a publisher; they are offline until somebody has them again.
    fn release(
        &mut self,
        publisher: PublisherId,
        reason: &str,
        now: Timestamp,
        which: impl Fn(&StreamName) -> bool,
    ) -> bool {
        let mut released = false;
        for (name, owner) in &mut self.owners {
            if !matches!(*owner, Owner::Publisher(known) if known == publisher) || !which(name) {
                continue;
            }
            *owner = Owner::Gone(now);
            released = true;
            if let Some(stream) = self.hub.stream(name.as_str()) {
                stream.set_status(offline(&stream.status(), reason, now));
            }
        }
        if released {
            self.hub.changed();
        }
        released
    }
}

fn status(entry: StreamEntry) -> Status {
    let StreamEntry { state, reason, since, source, tracks, .. } = entry;
    Status { state, reason, since, source, tracks }
}

fn offline(before: &Status, reason: &str, now: Timestamp) -> Status {
    // One that has ended stays ended: there is nothing to wait for.
    if before.state == StreamState::Ended {
        return before.clone();
    }
    Status { state: StreamState::Offline, reason: reason.into(), since: now, ..before.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Bell, Manner};
    use crate::traffic::Transport;
    use fanlight_protocol::Epoch;

    const FIRST: PublisherId = PublisherId(1);
    const SECOND: PublisherId = PublisherId(2);

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000 * seconds)
    }

    fn catalog(streams: &[&str]) -> Catalog {
        let entry = |name: &&str| StreamEntry {
            name: name.parse().unwrap(),
            state: StreamState::Live,
            reason: String::new(),
            since: seconds(0),
            source: "test".into(),
            tracks: Vec::new(),
        };
        Catalog {
            epoch: Epoch(1),
            publisher: "capture".into(),
            streams: streams.iter().map(entry).collect(),
        }
    }

    fn directory() -> (Directory, Arc<Hub>) {
        let hub = Arc::new(Hub::new(Default::default()));
        (Directory::new(hub.clone()), hub)
    }

    fn state(hub: &Hub, name: &str) -> StreamState {
        hub.stream(name).unwrap().status().state
    }

    #[test]
    fn the_first_publisher_keeps_a_name_and_the_second_takes_over() {
        let (mut directory, hub) = directory();
        let cam = "cam".parse().unwrap();
        directory.announce(FIRST, catalog(&["cam"]), seconds(0));
        directory.announce(SECOND, catalog(&["cam"]), seconds(1));
        assert_eq!(directory.owner(&cam), Some(FIRST));
        directory.gone(FIRST, "stopped", seconds(2));
        assert_eq!(state(&hub, "cam"), StreamState::Offline);
        assert!(directory.announce(SECOND, catalog(&["cam"]), seconds(3)));
        assert_eq!(directory.owner(&cam), Some(SECOND));
        assert_eq!(state(&hub, "cam"), StreamState::Live);
    }

    #[test]
    fn a_name_stays_known_for_a_minute() {
        let (mut directory, hub) = directory();
        directory.announce(FIRST, catalog(&["cam"]), seconds(0));
        directory.gone(FIRST, "stopped", seconds(100));
        directory.tick(seconds(159));
        assert!(hub.stream("cam").is_some());
        directory.tick(seconds(160));
        assert!(hub.stream("cam").is_none());
    }

    #[test]
    fn a_watched_name_stays_known_longer() {
        let (mut directory, hub) = directory();
        directory.announce(FIRST, catalog(&["cam"]), seconds(0));
        let track = fanlight_protocol::TrackName::full_jpeg();
        let viewer = hub.stream("cam").unwrap().watch(
            &track,
            Transport::V1,
            Manner::default(),
            Bell::new(Default::default()),
            seconds(0),
        );
        directory.gone(FIRST, "stopped", seconds(0));
        directory.tick(seconds(1000));
        assert!(hub.stream("cam").is_some());
        drop(viewer);
        directory.tick(seconds(1000));
        assert!(hub.stream("cam").is_none());
    }

    #[test]
    fn a_stream_that_its_publisher_no_longer_lists_is_offline() {
        let (mut directory, hub) = directory();
        directory.announce(FIRST, catalog(&["cam", "door"]), seconds(0));
        assert!(directory.announce(FIRST, catalog(&["door"]), seconds(1)));
        assert_eq!(state(&hub, "cam"), StreamState::Offline);
        assert_eq!(state(&hub, "door"), StreamState::Live);
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let (mut directory, hub) = directory();
        for publisher in 0..20 {
            let names: Vec<String> = (0..100).map(|n| format!("cam{publisher}-{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            directory.announce(PublisherId(publisher), catalog(&names), seconds(0));
        }
        assert_eq!(hub.streams().len(), MAX_STREAMS);
    }
}
