//! Which publishers there are to follow: those named, and those found in the watched folder.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fanlight_protocol::Timestamp;

use super::{Listening, SubscriberOptions};
use crate::clock;
use crate::endpoint::Endpoint;
use crate::folder::Folder;

/// How often the folder is looked at. A publisher that appears there is seen this much later at most; a look costs
/// some ten microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Discovery {
    named: Vec<Endpoint>,
    folder: Option<Folder>,
    folder_ever_heard: bool,
    next_look: Instant,
    since: Timestamp,
}

impl Discovery {
    pub(super) fn new(options: SubscriberOptions) -> Self {
        Self {
            named: options.endpoints,
            folder: options.folder,
            folder_ever_heard: false,
            next_look: Instant::now(),
            since: clock::now(),
        }
    }

    pub(super) fn named(&self) -> &[Endpoint] {
        &self.named
    }

    pub(super) fn is_named(&self, endpoint: &Endpoint) -> bool {
        self.named.contains(endpoint)
    }

    /// When to look next; `None` where there is no folder to look at.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.folder.as_ref().map(|_| self.next_look)
    }

    /// The folder's live publishers, where a look is due and the folder can be seen.
    pub(super) fn look(&mut self, now: Instant) -> Option<HashSet<Endpoint>> {
        let folder = self.folder.as_ref()?;
        if now < self.next_look {
            return None;
        }
        self.next_look = now + LOOK_EVERY;
        Some(folder.publishers()?.into_iter().collect())
    }

    /// What is listened to, given what is known of each endpoint: (endpoint, ever heard, heard now), and (endpoint,
    /// problem).
    pub(super) fn listening<'a>(
        &mut self,
        peers: impl Iterator<Item = (&'a Endpoint, bool, bool)> + Clone,
        problems: &[(&Endpoint, &str)],
    ) -> Vec<Listening> {
        let found = peers.clone().filter(|(endpoint, ..)| !self.is_named(endpoint));
        let (heard, connected) =
            found.fold((false, false), |(heard, now), (_, ever, is)| (heard || ever, now || is));
        self.folder_ever_heard |= heard;
        let folder = self.folder.as_ref().map(|folder| Listening {
            place: folder.path().display().to_string(),
            heard: self.folder_ever_heard,
            connected,
            since: self.since,
            problem: String::new(),
        });
        let named = self.named.iter().map(|endpoint| {
            let peer = peers.clone().find(|(known, ..)| *known == endpoint);
            Listening {
                place: endpoint.to_string(),
                heard: peer.is_some_and(|(_, ever, _)| ever),
                connected: peer.is_some_and(|(.., is)| is),
                since: self.since,
                problem: problems
                    .iter()
                    .find(|(known, _)| *known == endpoint)
                    .map_or_else(String::new, |(_, problem)| (*problem).to_owned()),
            }
        });
        folder.into_iter().chain(named).collect()
    }
}
