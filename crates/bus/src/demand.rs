//! What is watched: the subscriptions that came upstream, and what they mean for our tracks.

use std::collections::{BTreeSet, HashSet};

/// Most distinct subscriptions remembered that match no track. A relay holds one for catalogs, one for its answers, and
/// a few for tracks that are yet to be opened; more than this is a flood.
pub(crate) const MAX_UNMATCHED: usize = 8192;
/// Longest subscription taken in, in bytes: longer than any topic.
pub(crate) const MAX_SUBSCRIPTION: usize = 128;

/// The subscriptions in force. ZeroMQ has merged those of all subscribers already: it reports a topic's first
/// subscription and its last unsubscription.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    topics: Vec<Topic>,
    /// Topics in order, with their numbers: those of one prefix are neighbours.
    ordered: BTreeSet<(Box<[u8]>, usize)>,
    /// Subscriptions that match a track. Their number is bounded by the tracks: a topic has few prefixes.
    matched: HashSet<Box<[u8]>>,
    unmatched: HashSet<Box<[u8]>>,
    /// Some subscription is not remembered. It may have been meant for a track that is opened later, which therefore
    /// counts as watched. ZeroMQ still sends a subscriber only what it subscribed to: such a flood costs encoding at most.
    overflowed: bool,
}

#[derive(Debug)]
struct Topic {
    name: Vec<u8>,
    /// Opened while a subscription was not remembered.
    doubtful: bool,
    watched: bool,
}

/// A track that began or ceased to be watched: its number, in the order in which tracks were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) track: usize,
    pub(crate) watched: bool,
}

impl Demand {
    /// Opens a track; returns whether it is watched already.
    pub(crate) fn open(&mut self, topic: &[u8]) -> bool {
        self.matched.extend(self.unmatched.extract_if(|prefix| topic.starts_with(prefix)));
        let doubtful = self.overflowed;
        let watched = doubtful || is_matched(&self.matched, topic);
        self.ordered.insert((topic.into(), self.topics.len()));
        self.topics.push(Topic { name: topic.into(), doubtful, watched });
        watched
    }

    /// Takes in a subscription or its end. Returns the tracks that began or ceased to be watched by it, or `None` if the
    /// subscription is not remembered. Only tracks that it concerns are looked at, so that a flood of others costs little.
    pub(crate) fn set(&mut self, prefix: &[u8], on: bool) -> Option<Vec<Change>> {
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

    /// Remembers a subscription; false if it cannot be.
    fn add(&mut self, prefix: &[u8]) -> bool {
        if self.with_prefix(prefix).next().is_some() {
            self.matched.insert(prefix.into());
            return true;
        }
        // Longer than any topic, it is a prefix of none, ever.
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

    /// The topics that begin like this, in order.
    fn with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = usize> {
        let from = self.ordered.range((prefix.into(), 0)..);
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(_, number)| *number)
    }

    /// Looks at the topics that begin like this.
    fn update(&mut self, prefix: &[u8]) -> Vec<Change> {
        let mut changes = Vec::new();
        for track in self.with_prefix(prefix).collect::<Vec<_>>() {
            let topic = &mut self.topics[track];
            let watched = topic.doubtful || is_matched(&self.matched, &topic.name);
            if std::mem::replace(&mut topic.watched, watched) != watched {
                changes.push(Change { track, watched });
            }
        }
        changes
    }
}

/// Subscriptions match by prefix.
fn is_matched(subscriptions: &HashSet<Box<[u8]>>, topic: &[u8]) -> bool {
    (0..=topic.len()).any(|length| subscriptions.contains(&topic[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[u8] = b"cam/full.jpeg/";
    const HALF: &[u8] = b"cam/half.jpeg/";

    fn of_two() -> Demand {
        let mut demand = Demand::default();
        assert!(!demand.open(FULL) && !demand.open(HALF));
        demand
    }

    fn change(track: usize, watched: bool) -> Change {
        Change { track, watched }
    }

    #[test]
    fn a_subscription_is_a_prefix() {
        let mut demand = of_two();
        assert_eq!(demand.set(FULL, true), Some(vec![change(0, true)]));
        assert_eq!(demand.set(b"", true), Some(vec![change(1, true)]));
        assert_eq!(demand.set(FULL, false), Some(vec![]));
        assert_eq!(demand.set(b"", false), Some(vec![change(0, false), change(1, false)]));
    }

    #[test]
    fn a_track_that_is_opened_later_is_watched_if_it_was_subscribed_to() {
        let mut demand = of_two();
        assert_eq!(demand.set(b"door/", true), Some(vec![]));
        assert!(demand.open(b"door/full.jpeg/"));
        assert_eq!(demand.set(b"door/", false), Some(vec![change(2, false)]));
    }

    #[test]
    fn a_flood_of_subscriptions_is_bounded_and_watches_no_open_track() {
        let mut demand = of_two();
        let taken = (0..20_000u32).filter(|n| demand.set(&n.to_le_bytes(), true).is_some()).count();
        assert_eq!(taken, MAX_UNMATCHED);
        assert_eq!(demand.set(&[b'x'; MAX_SUBSCRIPTION + 1], true), None);
        assert_eq!(demand.set(FULL, true), Some(vec![change(0, true)]), "no honest one suffers");
        assert!(demand.open(b"door/full.jpeg/"), "it may have been among those not remembered");
        let ended: Vec<Change> =
            (0..20_000u32).filter_map(|n| demand.set(&n.to_le_bytes(), false)).flatten().collect();
        assert_eq!(ended, [change(2, false)]);
        assert_eq!(demand.set(FULL, false), Some(vec![change(0, false)]));
    }
}
