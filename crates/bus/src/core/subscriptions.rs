//! The subscriptions of all subscribers, and the tracks that are watched by them.

use std::collections::{BTreeSet, HashSet};

/// Most distinct subscriptions remembered that match no track. A relay holds one for catalogs, one for its answers, and a
/// few for tracks that are not open yet; more than this is a flood.
pub(super) const MAX_UNMATCHED: usize = 8192;
/// Longest subscription remembered, in bytes: longer than any topic.
pub(super) const MAX_SUBSCRIPTION: usize = 128;

/// The subscriptions in force. The transport merges those of all subscribers: it reports the first subscription to a topic
/// and the end of the last one.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    topics: Vec<OpenTopic>,
    /// Topics in order, with their numbers: topics with a common prefix are neighbours.
    ordered: BTreeSet<(Box<[u8]>, usize)>,
    /// Subscriptions that match a track. Their number is bounded by the tracks: a topic has few prefixes.
    matched: HashSet<Box<[u8]>>,
    unmatched: HashSet<Box<[u8]>>,
    /// Some subscription is not remembered. It may be meant for a track that is opened later, which therefore counts as
    /// watched. A subscriber still receives only what it subscribed to: such a flood costs encoding at most.
    overflowed: bool,
}

#[derive(Debug)]
struct OpenTopic {
    name: Vec<u8>,
    /// Opened while a subscription was not remembered.
    doubtful: bool,
    watched: bool,
}

/// A track that is watched now, or no longer: its number, in the order in which tracks were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DemandChange {
    pub(super) track: usize,
    pub(super) watched: bool,
}

impl Subscriptions {
    /// Opens a track. Returns whether it is watched already.
    pub(super) fn open(&mut self, topic: &[u8]) -> bool {
        self.matched.extend(self.unmatched.extract_if(|prefix| topic.starts_with(prefix)));
        let doubtful = self.overflowed;
        let watched = doubtful || is_matched(&self.matched, topic);
        self.ordered.insert((topic.into(), self.topics.len()));
        self.topics.push(OpenTopic { name: topic.into(), doubtful, watched });
        watched
    }

    /// Adds or removes a subscription. Returns the tracks whose demand it changes, or `None` if the subscription is not
    /// remembered. Only tracks that it matches are examined, so that a flood of other subscriptions costs little.
    pub(super) fn set(&mut self, prefix: &[u8], on: bool) -> Option<Vec<DemandChange>> {
        if on {
            self.add(prefix).then(|| self.update(prefix))
        } else if self.matched.remove(prefix) {
            Some(self.update(prefix))
        } else {
            self.unmatched.remove(prefix);
            if !self.overflowed || !self.unmatched.is_empty() {
                return Some(Vec::new());
            }
            self.overflowed = false;
            self.topics.iter_mut().for_each(|topic| topic.doubtful = false);
            Some(self.update(b""))
        }
    }

    /// Remembers a subscription. Returns false if it cannot be remembered.
    fn add(&mut self, prefix: &[u8]) -> bool {
        if self.with_prefix(prefix).next().is_some() {
            self.matched.insert(prefix.into());
            return true;
        }
        // It is longer than any topic, so it is never a prefix of one.
        if prefix.len() > MAX_SUBSCRIPTION {
            return false;
        }
        if self.unmatched.len() >= MAX_UNMATCHED && !self.unmatched.contains(prefix) {
            self.overflowed = true;
            return false;
        }
        self.unmatched.insert(prefix.into());
        true
    }

    /// Returns the topics with this prefix, in order.
    fn with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = usize> {
        let from = self.ordered.range((prefix.into(), 0)..);
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(_, number)| *number)
    }

    /// Updates the topics with this prefix. Returns those that changed.
    fn update(&mut self, prefix: &[u8]) -> Vec<DemandChange> {
        let mut changes = Vec::new();
        for track in self.with_prefix(prefix).collect::<Vec<_>>() {
            let topic = &mut self.topics[track];
            let watched = topic.doubtful || is_matched(&self.matched, &topic.name);
            if std::mem::replace(&mut topic.watched, watched) != watched {
                changes.push(DemandChange { track, watched });
            }
        }
        changes
    }
}

/// Returns whether a subscription is a prefix of the topic.
fn is_matched(subscriptions: &HashSet<Box<[u8]>>, topic: &[u8]) -> bool {
    (0..=topic.len()).any(|length| subscriptions.contains(&topic[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[u8] = b"cam/full.jpeg/";
    const HALF: &[u8] = b"cam/half.jpeg/";

    fn two_tracks() -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        assert!(!subscriptions.open(FULL) && !subscriptions.open(HALF));
        subscriptions
    }

    fn change(track: usize, watched: bool) -> DemandChange {
        DemandChange { track, watched }
    }

    #[test]
    fn a_subscription_is_a_prefix() {
        let mut subscriptions = two_tracks();
        assert_eq!(subscriptions.set(FULL, true), Some(vec![change(0, true)]));
        assert_eq!(subscriptions.set(b"", true), Some(vec![change(1, true)]));
        assert_eq!(subscriptions.set(FULL, false), Some(vec![]));
        assert_eq!(subscriptions.set(b"", false), Some(vec![change(0, false), change(1, false)]));
    }

    #[test]
    fn a_track_that_is_opened_after_its_subscription_is_watched() {
        let mut subscriptions = two_tracks();
        assert_eq!(subscriptions.set(b"door/", true), Some(vec![]));
        assert!(subscriptions.open(b"door/full.jpeg/"));
        assert_eq!(subscriptions.set(b"door/", false), Some(vec![change(2, false)]));
    }

    #[test]
    fn a_flood_of_subscriptions_is_bounded_and_watches_no_open_track() {
        let mut subscriptions = two_tracks();
        let taken =
            (0..20_000u32).filter(|n| subscriptions.set(&n.to_le_bytes(), true).is_some()).count();
        assert_eq!(taken, MAX_UNMATCHED);
        assert_eq!(subscriptions.set(&[b'x'; MAX_SUBSCRIPTION + 1], true), None);
        assert_eq!(
            subscriptions.set(FULL, true),
            Some(vec![change(0, true)]),
            "a subscription to an open track is not affected"
        );
        assert!(
            subscriptions.open(b"door/full.jpeg/"),
            "its subscription may be among those not remembered"
        );
        let ended: Vec<DemandChange> = (0..20_000u32)
            .filter_map(|n| subscriptions.set(&n.to_le_bytes(), false))
            .flatten()
            .collect();
        assert_eq!(ended, [change(2, false)]);
        assert_eq!(subscriptions.set(FULL, false), Some(vec![change(0, false)]));
    }
}
