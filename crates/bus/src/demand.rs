//! What is watched: the subscriptions that came upstream, and what they mean for our tracks.

use std::collections::HashSet;

/// Most distinct subscriptions remembered. A relay holds one for each watched track, one for catalogs and one for its
/// answers; more than this is a subscriber gone wrong.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 8192;
/// Longest subscription taken in, in bytes: longer than any topic.
pub(crate) const MAX_SUBSCRIPTION: usize = 128;

/// The subscriptions in force. ZeroMQ has merged those of all subscribers already: it reports a topic's first
/// subscription and its last unsubscription.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    prefixes: HashSet<Box<[u8]>>,
    /// Some subscription is not remembered, so everything counts as wanted. ZeroMQ still sends nobody what he did not
    /// subscribe to: a flood costs encoding, and no honest subscriber a picture.
    overflowed: bool,
}

impl Demand {
    /// Takes in one subscription or its end; returns whether it was remembered.
    pub(crate) fn set(&mut self, prefix: &[u8], on: bool) -> bool {
        if !on {
            self.prefixes.remove(prefix);
            self.overflowed &= !self.prefixes.is_empty();
            return true;
        }
        // Longer than any topic, it is a prefix of none.
        if prefix.len() > MAX_SUBSCRIPTION {
            return false;
        }
        if self.prefixes.len() >= MAX_SUBSCRIPTIONS {
            self.overflowed = true;
            return false;
        }
        self.prefixes.insert(prefix.into());
        true
    }

    /// Whether anybody gets what is published on this topic. Subscriptions match by prefix.
    pub(crate) fn wants(&self, topic: &[u8]) -> bool {
        self.overflowed || (0..=topic.len()).any(|length| self.prefixes.contains(&topic[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_a_prefix() {
        let mut demand = Demand::default();
        assert!(!demand.wants(b"cam/full.jpeg/"));
        demand.set(b"cam/full.jpeg/", true);
        assert!(demand.wants(b"cam/full.jpeg/"));
        assert!(!demand.wants(b"cam/half.jpeg/"));
        demand.set(b"", true);
        assert!(demand.wants(b"cam/half.jpeg/"));
        demand.set(b"", false);
        demand.set(b"cam/full.jpeg/", false);
        assert!(!demand.wants(b"cam/full.jpeg/"));
    }

    #[test]
    fn a_flood_of_subscriptions_is_bounded() {
        let mut demand = Demand::default();
        let taken = (0..20_000u32).filter(|n| demand.set(&n.to_le_bytes(), true)).count();
        assert_eq!(taken, MAX_SUBSCRIPTIONS);
        assert!(!demand.set(&[b'x'; MAX_SUBSCRIPTION + 1], true));
        assert!(demand.wants(b"cam/full.jpeg/"), "no honest subscriber suffers");
        (0..20_000u32).for_each(|n| assert!(demand.set(&n.to_le_bytes(), false)));
        assert!(!demand.wants(b"cam/full.jpeg/"));
    }
}
