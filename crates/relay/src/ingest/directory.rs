//! Which publisher owns which name: turns what publishers announce into streams of the hub. No clock: `now` is passed in.
//!
//! The first publisher to announce a name keeps it. Another one with the same name stands by, and takes over when the
//! first is gone or does not answer. It then keeps the name itself: a viewer sees one change, not two. A known name stays
//! listed and connectable for a while after its publisher is gone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::PublisherId;
use fanlight_protocol::{Catalog, StreamEntry, StreamName, StreamState, Timestamp};

use crate::hub::{Hub, Status};

/// How long a name stays known after its publisher is gone and its last viewer left.
pub const KEPT: Duration = Duration::from_secs(60);
/// Most names known at once. A name that a publisher has now displaces one whose publisher is gone; beyond that, further
/// names are refused and logged.
pub const MAX_STREAMS: usize = 1024;
/// Most names of one publisher that stay known after it gave them up: as many as it can have at a time.
pub const MAX_REMEMBERED: usize = fanlight_protocol::catalog::MAX_STREAMS;

/// Which publisher owns which name.
#[derive(Debug)]
pub struct Directory {
    hub: Arc<Hub>,
    owners: BTreeMap<StreamName, Owner>,
    /// The publishers that are there, in the order they came.
    publishers: Vec<Publisher>,
    /// Refusals already logged.
    refused: HashSet<(PublisherId, StreamName)>,
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Publisher(PublisherId),
    /// No publisher has it since then; this one had it last.
    Gone(Timestamp, PublisherId),
}

/// A publisher that is there, and what it announced last.
#[derive(Debug)]
struct Publisher {
    id: PublisherId,
    /// Its name for people.
    name: String,
    streams: BTreeMap<StreamName, StreamEntry>,
    /// It does not answer.
    silent: bool,
}

impl Directory {
    /// A directory without a name.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, owners: BTreeMap::new(), publishers: Vec::new(), refused: HashSet::new() }
    }

    /// Returns the publisher that owns a name now.
    pub fn owner(&self, name: &StreamName) -> Option<PublisherId> {
        match self.owners.get(name)? {
            Owner::Publisher(publisher) => Some(*publisher),
            Owner::Gone(..) => None,
        }
    }

    /// Takes in what a publisher announced. Returns whether ownership changed.
    pub fn announce(&mut self, publisher: PublisherId, catalog: Catalog, now: Timestamp) -> bool {
        let streams: BTreeMap<StreamName, StreamEntry> =
            catalog.streams.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let names: Vec<StreamName> = streams.keys().cloned().collect();
        self.know(publisher, catalog.publisher, streams);
        let dropped = self.owned_by(publisher, |name| !names.contains(name));
        let released = self.release(dropped, "capture no longer has this stream", now);
        self.forget_excess(publisher);
        self.claim_all(publisher, &names) || released
    }

    /// Takes in that a publisher is gone. Returns whether ownership changed.
    pub fn gone(&mut self, publisher: PublisherId, reason: &str, now: Timestamp) -> bool {
        self.refused.retain(|(refused, _)| *refused != publisher);
        self.publishers.retain(|known| known.id != publisher);
        let owned = self.owned_by(publisher, |_| true);
        self.release(owned, reason, now)
    }

    /// Takes in that a publisher does not answer: publishers that stand by take over. Returns whether ownership changed.
    pub fn silent(&mut self, publisher: PublisherId) -> bool {
        let Some(known) = self.publishers.iter_mut().find(|known| known.id == publisher) else {
            return false;
        };
        known.silent = true;
        let mut changed = false;
        for name in self.owned_by(publisher, |_| true) {
            let Some(heir) = self.heir(&name) else { continue };
            changed |= self.take_over(heir, &name, "the other one does not answer");
        }
        changed
    }

    /// Takes in that a publisher which did not answer was heard again. Returns whether ownership changed.
    pub fn resumed(&mut self, publisher: PublisherId) -> bool {
        let Some(known) = self.publishers.iter_mut().find(|known| known.id == publisher) else {
            return false;
        };
        known.silent = false;
        let names: Vec<StreamName> = known.streams.keys().cloned().collect();
        self.claim_all(publisher, &names)
    }

    /// Forgets names that were neither published nor watched for a while.
    pub fn tick(&mut self, now: Timestamp) {
        let hub = &self.hub;
        self.owners.retain(|name, owner| {
            let Owner::Gone(since, _) = *owner else { return true };
            let stays = is_watched(hub, name) || now.since(since) < KEPT;
            if !stays {
                hub.remove(name.as_str());
            }
            stays
        });
    }

    fn know(&mut self, id: PublisherId, name: String, streams: BTreeMap<StreamName, StreamEntry>) {
        match self.publishers.iter_mut().find(|known| known.id == id) {
            Some(known) => (known.name, known.streams) = (name, streams),
            None => self.publishers.push(Publisher { id, name, streams, silent: false }),
        }
    }

    fn owned_by(
        &self,
        publisher: PublisherId,
        which: impl Fn(&StreamName) -> bool,
    ) -> Vec<StreamName> {
        let owned = self.owners.iter().filter(|(name, owner)| {
            matches!(owner, Owner::Publisher(known) if *known == publisher) && which(name)
        });
        owned.map(|(name, _)| name.clone()).collect()
    }

    /// Gives a publisher the names it announces, where no other one has them. Returns whether ownership changed.
    fn claim_all(&mut self, publisher: PublisherId, names: &[StreamName]) -> bool {
        let (known, new): (Vec<_>, Vec<_>) =
            names.iter().partition(|name| self.owners.contains_key(*name));
        let mut changed = false;
        known.into_iter().for_each(|name| changed |= self.claim(publisher, name));
        // Only now is it known which names are remembered and nothing else.
        let excess = (self.owners.len() + new.len()).saturating_sub(MAX_STREAMS);
        self.forget_oldest(excess, |_| true);
        new.into_iter().for_each(|name| changed |= self.claim(publisher, name));
        changed
    }

    /// Gives a name that a publisher announces to it, where no other one has it. Returns whether ownership changed.
    fn claim(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        match self.owner(name) {
            Some(owner) if owner == publisher => {
                if let Some(entry) = self.entry(publisher, name) {
                    self.update(entry);
                }
                false
            }
            Some(owner) if self.is_silent(owner) && self.heir(name) == Some(publisher) => {
                self.take_over(publisher, name, "the other one does not answer")
            }
            Some(_) => {
                self.refuse(publisher, name);
                false
            }
            None => self.adopt(publisher, name),
        }
    }

    fn is_silent(&self, publisher: PublisherId) -> bool {
        self.publishers.iter().any(|known| known.id == publisher && known.silent)
    }

    /// The publisher that came first of those that answer and have frames of this name.
    fn heir(&self, name: &StreamName) -> Option<PublisherId> {
        let runs =
            |entry: &StreamEntry| matches!(entry.state, StreamState::Live | StreamState::Idle);
        let answering = self.publishers.iter().filter(|known| !known.silent);
        answering
            .filter(|known| known.streams.get(name).is_some_and(runs))
            .map(|known| known.id)
            .next()
    }

    fn entry(&self, publisher: PublisherId, name: &StreamName) -> Option<StreamEntry> {
        let known = self.publishers.iter().find(|known| known.id == publisher)?;
        known.streams.get(name).cloned()
    }

    fn take_over(&mut self, heir: PublisherId, name: &StreamName, why: &'static str) -> bool {
        let Some(entry) = self.entry(heir, name) else { return false };
        let publisher = self.publishers.iter().find(|known| known.id == heir);
        let publisher = publisher.map_or("", |known| known.name.as_str());
        tracing::warn!(stream = %name, publisher, why, "a publisher that stood by takes over");
        self.owners.insert(name.clone(), Owner::Publisher(heir));
        self.refused.retain(|(_, refused)| refused != name);
        self.update(entry);
        true
    }

    fn adopt(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        let Some(entry) = self.entry(publisher, name) else { return false };
        let known = self.owners.contains_key(name);
        if !known && self.owners.len() >= MAX_STREAMS {
            self.refuse_one_too_many(publisher, name);
            return false;
        }
        tracing::info!(stream = %name, source = entry.source, "a stream is here");
        self.owners.insert(name.clone(), Owner::Publisher(publisher));
        self.refused.retain(|(_, refused)| refused != name);
        if known {
            self.update(entry);
        } else {
            self.hub.open(name, status(entry));
        }
        true
    }

    fn update(&self, entry: StreamEntry) {
        let Some(stream) = self.hub.stream(entry.name.as_str()) else { return };
        let state = entry.state;
        let reason = entry.reason.clone();
        let before = stream.status().state;
        if stream.set_status(status(entry)) {
            self.hub.notify_change();
        }
        if state != before && state == StreamState::Offline {
            tracing::warn!(stream = %stream.name(), reason, "a stream is offline");
        } else if before == StreamState::Offline && state != before {
            tracing::info!(stream = %stream.name(), "a stream is back");
        }
    }

    fn refuse(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.is_new_refusal(publisher, name) {
            tracing::warn!(stream = %name, "a second publisher has a stream of this name: it stands by while the first one is here");
        }
    }

    fn refuse_one_too_many(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.is_new_refusal(publisher, name) {
            tracing::warn!(stream = %name, "refused: publishers have {MAX_STREAMS} other streams, and no more are allowed");
        }
    }

    fn is_new_refusal(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        self.refused.len() < MAX_STREAMS && self.refused.insert((publisher, name.clone()))
    }

    /// Takes names away from their publisher. One that stands by has them next, else they are offline.
    fn release(&mut self, names: Vec<StreamName>, reason: &str, now: Timestamp) -> bool {
        for name in &names {
            if let Some(heir) = self.heir(name)
                && self.take_over(heir, name, "the other one is gone")
            {
                continue;
            }
            self.abandon(name, reason, now);
        }
        if !names.is_empty() {
            self.hub.notify_change();
        }
        !names.is_empty()
    }

    fn abandon(&mut self, name: &StreamName, reason: &str, now: Timestamp) {
        if let Some(Owner::Publisher(last)) = self.owners.get(name).copied() {
            self.owners.insert(name.clone(), Owner::Gone(now, last));
        }
        if let Some(stream) = self.hub.stream(name.as_str()) {
            stream.set_status(offline(&stream.status(), reason, now));
        }
    }

    /// A publisher with ever new names fills no more than its share of what is remembered.
    fn forget_excess(&mut self, publisher: PublisherId) {
        let is_its_own = |last: PublisherId| last == publisher;
        let remembered =
            |owner: &&Owner| matches!(owner, Owner::Gone(_, last) if is_its_own(*last));
        let excess = self.owners.values().filter(remembered).count().saturating_sub(MAX_REMEMBERED);
        self.forget_oldest(excess, is_its_own);
    }

    /// Forgets the names that have been without a publisher for longest, of those that these publishers had last. Names
    /// that are still watched are forgotten last.
    fn forget_oldest(&mut self, count: usize, of: impl Fn(PublisherId) -> bool) {
        if count == 0 {
            return;
        }
        let remembered = self.owners.iter().filter_map(|(name, owner)| match owner {
            Owner::Gone(since, last) if of(*last) => {
                Some((is_watched(&self.hub, name), *since, name.clone()))
            }
            _ => None,
        });
        let mut remembered: Vec<(bool, Timestamp, StreamName)> = remembered.collect();
        remembered.sort();
        for (.., name) in remembered.iter().take(count) {
            self.owners.remove(name);
            self.hub.remove(name.as_str());
        }
    }
}

fn is_watched(hub: &Hub, name: &StreamName) -> bool {
    hub.stream(name.as_str()).is_some_and(|stream| stream.viewers() > 0)
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
mod tests;
