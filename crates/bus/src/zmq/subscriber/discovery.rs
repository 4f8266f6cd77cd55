//! The publishers to follow: those named by endpoint, and those found in the watched folder.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use crate::address::Listening;
use crate::address::endpoint::Endpoint;
use crate::address::folder::{Folder, MAX_PUBLISHERS};
use crate::options::SubscriberOptions;
use crate::zmq::folder;

/// The interval of scans of the folder. A new publisher is found this much later at most; a scan costs some ten
/// microseconds.
const SCAN_EVERY: Duration = Duration::from_millis(200);
/// Most publishers beyond the limit that are named; the others are counted.
const MOST_NAMED: usize = 5;

pub(super) struct Discovery {
    named: Vec<Endpoint>,
    folder: Option<Folder>,
    excluded: Vec<Endpoint>,
    folder_ever_heard: bool,
    /// Publishers in the folder beyond the limit, in order of name.
    not_followed: Vec<Endpoint>,
    shortage_changed: bool,
    next_scan: Instant,
    since: Timestamp,
}

impl Discovery {
    pub(super) fn new(options: SubscriberOptions) -> Self {
        Self {
            named: options.endpoints,
            folder: options.folder,
            excluded: options.excluded,
            folder_ever_heard: false,
            not_followed: Vec::new(),
            shortage_changed: false,
            next_scan: Instant::now(),
            since: clock::now(),
        }
    }

    pub(super) fn named(&self) -> &[Endpoint] {
        &self.named
    }

    pub(super) fn is_named(&self, endpoint: &Endpoint) -> bool {
        self.named.contains(endpoint)
    }

    /// Returns when the next scan is due; `None` without a folder.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.folder.as_ref().map(|_| self.next_scan)
    }

    /// Returns the folder's live publishers to follow, if a scan is due and the folder can be read. Publishers that are
    /// followed already stay; others are added in order of name, up to the limit.
    pub(super) fn scan(
        &mut self,
        now: Instant,
        followed: impl FnOnce() -> HashSet<Endpoint>,
    ) -> Option<HashSet<Endpoint>> {
        let folder = self.folder.as_ref()?;
        if now < self.next_scan {
            return None;
        }
        self.next_scan = now + SCAN_EVERY;
        let found = folder::publishers(folder)?;
        Some(self.choose(found, &followed()))
    }

    fn choose(
        &mut self,
        mut found: Vec<Endpoint>,
        followed: &HashSet<Endpoint>,
    ) -> HashSet<Endpoint> {
        found.retain(|endpoint| !self.excluded.contains(endpoint));
        let (mut chosen, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|endpoint| followed.contains(endpoint));
        chosen.extend(others);
        let mut not_followed = chosen.split_off(chosen.len().min(MAX_PUBLISHERS));
        not_followed.sort();
        if self.not_followed != not_followed {
            self.not_followed = not_followed;
            self.shortage_changed = true;
            let shortage = self.shortage();
            let shortage = shortage.as_deref().unwrap_or("none: all are followed again");
            tracing::warn!(shortage, "captures beyond the limit of the watched folder");
        }
        chosen.into_iter().collect()
    }

    /// Returns whether the publishers that are not followed have changed since the last call.
    pub(super) fn take_shortage_changed(&mut self) -> bool {
        std::mem::take(&mut self.shortage_changed)
    }

    /// Returns a text that names the publishers in the folder that are not followed; `None` if all are followed.
    fn shortage(&self) -> Option<String> {
        let name = |endpoint: &Endpoint| {
            let name = endpoint.ipc_path().and_then(|path| path.file_stem());
            name.map(|name| name.to_string_lossy().into_owned())
        };
        let names: Vec<String> =
            self.not_followed.iter().take(MOST_NAMED).filter_map(name).collect();
        let count = self.not_followed.len();
        let more = if count > names.len() { ", …" } else { "" };
        (count > 0).then(|| {
            format!(
                "{count} not followed: limit of {MAX_PUBLISHERS} captures ({}{more})",
                names.join(", ")
            )
        })
    }

    /// Returns the addresses listened to, given the state of each endpoint (endpoint, ever heard, heard now) and its
    /// problem (endpoint, problem).
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
            address: folder.clone().into(),
            heard: self.folder_ever_heard,
            connected,
            since: self.since,
            reason: self.shortage().unwrap_or_default(),
        });
        let named = self.named.iter().map(|endpoint| {
            let peer = peers.clone().find(|(known, ..)| *known == endpoint);
            Listening {
                address: endpoint.clone().into(),
                heard: peer.is_some_and(|(_, ever, _)| ever),
                connected: peer.is_some_and(|(.., is)| is),
                since: self.since,
                reason: problems
                    .iter()
                    .find(|(known, _)| *known == endpoint)
                    .map_or_else(String::new, |(_, problem)| (*problem).to_owned()),
            }
        });
        folder.into_iter().chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(names: impl IntoIterator<Item = usize>) -> Vec<Endpoint> {
        names.into_iter().map(|n| Endpoint::Ipc(format!("/run/cam-{n:03}.ipc").into())).collect()
    }

    #[test]
    fn captures_beyond_the_limit_are_named_and_followed_ones_stay() {
        let mut discovery = Discovery::new(SubscriberOptions::default());
        let followed = discovery.choose(endpoints(10..80), &HashSet::new());
        assert_eq!(followed, endpoints(10..74).into_iter().collect());
        let expected = "6 not followed: limit of 64 captures \
                        (cam-074, cam-075, cam-076, cam-077, cam-078, …)";
        assert_eq!(discovery.shortage().as_deref(), Some(expected));
        // New captures with earlier names do not displace those followed.
        assert_eq!(discovery.choose(endpoints(0..80), &followed), followed);
        // When one ends, the first by name takes its place.
        let left = endpoints((0..80).filter(|n| *n != 20));
        let followed = discovery.choose(left, &followed);
        assert!(followed.contains(&endpoints([0])[0]) && !followed.contains(&endpoints([1])[0]));
        assert_eq!(followed.len(), MAX_PUBLISHERS);
        discovery.choose(endpoints(0..10), &followed);
        assert_eq!(discovery.shortage(), None);
    }

    #[test]
    fn excluded_publishers_are_not_followed() {
        let excluded = endpoints([1]);
        let options = SubscriberOptions { excluded, ..SubscriberOptions::default() };
        let mut discovery = Discovery::new(options);
        let followed = discovery.choose(endpoints(0..3), &HashSet::new());
        assert_eq!(followed, endpoints([0, 2]).into_iter().collect());
    }
}
