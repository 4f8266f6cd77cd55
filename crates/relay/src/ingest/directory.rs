//! Ownership of stream names: turns the catalogs of publishers into streams of the hub. No clock: `now` is
//! passed in.
//!
//! The first publisher to announce a name owns it. Another publisher with the same name stands by, and takes over when the
//! first is gone or does not answer. It then keeps the name: a viewer sees one change, not two. A known name stays listed
//! and connectable for [`KEPT`] after its publisher is gone, its last frames for [`FRAMES_KEPT`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::PublisherId;
use fanlight_protocol::{Catalog, StreamEntry, StreamName, StreamState, Timestamp};

use super::local;
use super::ownership::Ownership;
use crate::hub::{Hub, StreamStatus};

/// The time for which a name stays known after its publisher is gone and its last viewer left: a page opened in the morning
/// shows which camera went in the night.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The time for which the last frames of a name stay in memory in the same way. A restart takes seconds.
pub const FRAMES_KEPT: Duration = Duration::from_secs(60);
/// Most names known at a time. A name that a publisher has now displaces one whose publisher is gone; beyond that, further
/// names are refused and logged.
pub const MAX_STREAMS: usize = 1024;
/// Most names of one publisher that stay known after it no longer has them: as many as it can have at a time.
pub const MAX_REMEMBERED: usize = fanlight_protocol::catalog::MAX_STREAMS;

/// The known stream names and their owners.
#[derive(Debug)]
pub struct Directory {
    hub: Arc<Hub>,
    names: BTreeMap<StreamName, KnownName>,
    /// The publishers that are present, in the order in which they appeared.
    publishers: Vec<PresentPublisher>,
    /// Refusals already logged.
    refused: HashSet<(PublisherId, StreamName)>,
}

/// A known name.
#[derive(Debug)]
struct KnownName {
    owner: Owner,
    /// The owner, for the feeds.
    ownership: Ownership,
}

impl KnownName {
    fn set_owner(&mut self, owner: Owner) {
        self.owner = owner;
        self.ownership.set(owner.present());
    }
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Publisher(PublisherId),
    /// No publisher has the name since then; this publisher had it last.
    Gone(Timestamp, PublisherId),
}

impl Owner {
    fn present(self) -> Option<PublisherId> {
        match self {
            Self::Publisher(publisher) => Some(publisher),
            Self::Gone(..) => None,
        }
    }
}

/// A publisher that is present, and the streams of its last catalog.
#[derive(Debug)]
struct PresentPublisher {
    id: PublisherId,
    /// Its name for people.
    name: String,
    streams: BTreeMap<StreamName, StreamEntry>,
    /// It does not answer.
    silent: bool,
}

impl Directory {
    /// Makes an empty directory.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, names: BTreeMap::new(), publishers: Vec::new(), refused: HashSet::new() }
    }

    /// Returns the publisher that owns a name now, and the handle that shows later changes.
    pub fn owner(&self, name: &StreamName) -> Option<(PublisherId, &Ownership)> {
        let known = self.names.get(name)?;
        known.owner.present().map(|publisher| (publisher, &known.ownership))
    }

    fn owner_id(&self, name: &StreamName) -> Option<PublisherId> {
        self.names.get(name)?.owner.present()
    }

    /// Processes a publisher's catalog. Returns whether ownership changed.
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

    /// Processes the absence of a publisher. Returns whether ownership changed.
    pub fn gone(&mut self, publisher: PublisherId, reason: &str, now: Timestamp) -> bool {
        self.refused.retain(|(refused, _)| *refused != publisher);
        self.publishers.retain(|known| known.id != publisher);
        let owned = self.owned_by(publisher, |_| true);
        self.release(owned, reason, now)
    }

    /// Gives a name that `from` owns to `to`, which has only this stream. `from` has no other stream either, and is gone.
    /// Returns whether ownership changed.
    pub fn hand_over(&mut self, from: PublisherId, to: PublisherId, catalog: Catalog) -> bool {
        let streams = catalog.streams.into_iter().map(|entry| (entry.name.clone(), entry));
        self.know(to, catalog.publisher, streams.collect());
        self.publishers.retain(|known| known.id != from);
        let owned = self.owned_by(from, |_| true);
        for name in &owned {
            self.own(name, to);
            if let Some(entry) = self.entry(to, name) {
                self.update(entry);
            }
        }
        !owned.is_empty()
    }

    /// Processes the silence of a publisher: publishers that stand by take over. Returns whether ownership changed.
    pub fn silent(&mut self, publisher: PublisherId) -> bool {
        let Some(known) = self.publishers.iter_mut().find(|known| known.id == publisher) else {
            return false;
        };
        known.silent = true;
        let mut changed = false;
        for name in self.owned_by(publisher, |_| true) {
            let Some(heir) = self.heir(&name) else { continue };
            changed |= self.take_over(heir, &name, "the owner does not answer");
        }
        changed
    }

    /// Processes the end of a publisher's silence. Returns whether ownership changed.
    pub fn resumed(&mut self, publisher: PublisherId) -> bool {
        let Some(known) = self.publishers.iter_mut().find(|known| known.id == publisher) else {
            return false;
        };
        known.silent = false;
        let names: Vec<StreamName> = known.streams.keys().cloned().collect();
        self.claim_all(publisher, &names)
    }

    /// Forgets names that were neither published nor watched for [`KEPT`], and before that their frames.
    pub fn tick(&mut self, now: Timestamp) {
        let hub = &self.hub;
        self.names.retain(|name, known| {
            let Owner::Gone(since, _) = known.owner else { return true };
            let (watched, gone_for) = (is_watched(hub, name), now.since(since));
            if !watched
                && gone_for >= FRAMES_KEPT
                && let Some(stream) = hub.stream(name.as_str())
            {
                stream.forget_frames();
            }
            let stays = watched || gone_for < KEPT;
            if !stays {
                hub.remove(name.as_str());
            }
            stays
        });
    }

    fn know(&mut self, id: PublisherId, name: String, streams: BTreeMap<StreamName, StreamEntry>) {
        match self.publishers.iter_mut().find(|known| known.id == id) {
            Some(known) => (known.name, known.streams) = (name, streams),
            None => self.publishers.push(PresentPublisher { id, name, streams, silent: false }),
        }
    }

    fn owned_by(
        &self,
        publisher: PublisherId,
        which: impl Fn(&StreamName) -> bool,
    ) -> Vec<StreamName> {
        let owned = self
            .names
            .iter()
            .filter(|(name, known)| known.owner.present() == Some(publisher) && which(name));
        owned.map(|(name, _)| name.clone()).collect()
    }

    /// Gives a publisher those names of its catalog that no other publisher owns. Returns whether ownership changed.
    fn claim_all(&mut self, publisher: PublisherId, names: &[StreamName]) -> bool {
        let (known, new): (Vec<_>, Vec<_>) =
            names.iter().partition(|name| self.names.contains_key(*name));
        let mut changed = false;
        known.into_iter().for_each(|name| changed |= self.claim(publisher, name));
        // Known names are claimed first: the others without a publisher may be displaced.
        let excess = (self.names.len() + new.len()).saturating_sub(MAX_STREAMS);
        self.forget_oldest(excess, |_| true);
        new.into_iter().for_each(|name| changed |= self.claim(publisher, name));
        changed
    }

    /// Gives a publisher a name of its catalog if no other publisher owns it. Returns whether ownership changed.
    fn claim(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        match self.owner_id(name) {
            Some(owner) if owner == publisher => {
                if let Some(entry) = self.entry(publisher, name) {
                    self.update(entry);
                }
                false
            }
            Some(owner) if self.is_silent(owner) && self.heir(name) == Some(publisher) => {
                self.take_over(publisher, name, "the owner does not answer")
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

    /// Returns the first publisher, in order of appearance, that answers and has frames of this name.
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
        tracing::warn!(stream = %name, publisher, why, "standby publisher takes over");
        self.own(name, heir);
        self.refused.retain(|(_, refused)| refused != name);
        self.update(entry);
        true
    }

    fn own(&mut self, name: &StreamName, publisher: PublisherId) {
        let owner = Owner::Publisher(publisher);
        match self.names.get_mut(name) {
            Some(known) => known.set_owner(owner),
            None => {
                let known = KnownName { owner, ownership: Ownership::of(publisher) };
                self.names.insert(name.clone(), known);
            }
        }
    }

    fn adopt(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        let Some(entry) = self.entry(publisher, name) else { return false };
        let known = self.names.contains_key(name);
        if !known && self.names.len() >= MAX_STREAMS {
            self.refuse_beyond_limit(publisher, name);
            return false;
        }
        tracing::info!(stream = %name, source = entry.source, "stream available");
        self.own(name, publisher);
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
            tracing::warn!(stream = %stream.name(), reason, "stream offline");
        } else if before == StreamState::Offline && state != before {
            tracing::info!(stream = %stream.name(), "stream online again");
        }
    }

    fn refuse(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.is_new_refusal(publisher, name) {
            tracing::warn!(stream = %name, "a second publisher announces this stream name: it stands by while the first one is present");
        }
    }

    fn refuse_beyond_limit(&mut self, publisher: PublisherId, name: &StreamName) {
        if self.is_new_refusal(publisher, name) {
            tracing::warn!(stream = %name, "stream refused: publishers have {MAX_STREAMS} other streams, the limit");
        }
    }

    fn is_new_refusal(&mut self, publisher: PublisherId, name: &StreamName) -> bool {
        self.refused.len() < MAX_STREAMS && self.refused.insert((publisher, name.clone()))
    }

    /// Takes names from their publisher. A publisher that stands by gets them; otherwise they are offline.
    fn release(&mut self, names: Vec<StreamName>, reason: &str, now: Timestamp) -> bool {
        for name in &names {
            if let Some(heir) = self.heir(name)
                && self.take_over(heir, name, "the owner is gone")
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
        if let Some(known) = self.names.get_mut(name)
            && let Some(last) = known.owner.present()
        {
            known.set_owner(Owner::Gone(now, last));
        }
        if let Some(stream) = self.hub.stream(name.as_str()) {
            stream.set_status(gone(&stream.status(), reason, now));
        }
    }

    /// Forgets the oldest names of a publisher beyond [`MAX_REMEMBERED`]: a publisher that keeps changing its names fills no
    /// more than its share.
    fn forget_excess(&mut self, publisher: PublisherId) {
        let is_its_own = |last: PublisherId| {
            last == publisher || (local::is_local(last) && local::is_local(publisher))
        };
        let remembered =
            |known: &&KnownName| matches!(known.owner, Owner::Gone(_, last) if is_its_own(last));
        let excess = self.names.values().filter(remembered).count().saturating_sub(MAX_REMEMBERED);
        self.forget_oldest(excess, is_its_own);
    }

    /// Forgets the names that have been without a publisher for longest, among those that the given publishers had last.
    /// Watched names are forgotten last.
    fn forget_oldest(&mut self, count: usize, of: impl Fn(PublisherId) -> bool) {
        if count == 0 {
            return;
        }
        let remembered = self.names.iter().filter_map(|(name, known)| match known.owner {
            Owner::Gone(since, last) if of(last) => {
                Some((is_watched(&self.hub, name), since, name.clone()))
            }
            _ => None,
        });
        let mut remembered: Vec<(bool, Timestamp, StreamName)> = remembered.collect();
        remembered.sort();
        for (.., name) in remembered.iter().take(count) {
            self.names.remove(name);
            self.hub.remove(name.as_str());
        }
    }
}

fn is_watched(hub: &Hub, name: &StreamName) -> bool {
    hub.stream(name.as_str()).is_some_and(|stream| stream.viewers() > 0)
}

fn status(entry: StreamEntry) -> StreamStatus {
    let StreamEntry { state, reason, since, source, tracks, .. } = entry;
    StreamStatus { state, reason, since, gone: false, source, tracks }
}

fn gone(before: &StreamStatus, reason: &str, now: Timestamp) -> StreamStatus {
    // A stream that has ended stays ended: no more frames will come.
    if before.state == StreamState::Ended {
        return StreamStatus { gone: true, ..before.clone() };
    }
    StreamStatus {
        state: StreamState::Offline,
        reason: reason.into(),
        since: now,
        gone: true,
        ..before.clone()
    }
}

#[cfg(test)]
mod tests;
