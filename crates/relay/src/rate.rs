//! Limits on how often a client may do something: a rate with a burst, for one client or for each address. No clock: `now`
//! is passed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::addresses::ClientAddress;

/// Most addresses remembered, some 200 KiB. Further addresses share one allowance.
pub const MAX_ADDRESSES: usize = 1024;
/// The address under which the further ones are remembered.
const ALL_OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// A rate that may be exceeded for a short time: the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// The time that one event takes from the allowance.
    pub every: Duration,
    /// The events granted in advance.
    pub burst: u32,
    /// The longest delay: beyond it, further events are not remembered.
    pub max_delay: Duration,
}

/// The events of one client: all are forgotten at this time.
#[derive(Debug, Clone, Copy)]
pub struct Events(Instant);

/// The events of each address. An IPv6 network (/64) is one address.
#[derive(Debug)]
pub struct ByAddress<T>(HashMap<ClientAddress, T>);

impl Rate {
    /// Records an event at `now`. Returns by how much to delay it.
    pub fn record(&self, events: &mut Events, now: Instant) -> Duration {
        events.0 = (events.0.max(now) + self.every).min(now + self.granted() + self.max_delay);
        self.delay(events, now)
    }

    /// Records an event at `now` only if it needs no delay. Returns whether it does not.
    pub fn admit(&self, events: &mut Events, now: Instant) -> bool {
        let mut with_event = *events;
        let is_admitted = self.record(&mut with_event, now).is_zero();
        if is_admitted {
            *events = with_event;
        }
        is_admitted
    }

    /// Returns by how much the last event is delayed at `now`.
    pub fn delay(&self, events: &Events, now: Instant) -> Duration {
        events.0.saturating_duration_since(now + self.granted())
    }

    fn granted(&self) -> Duration {
        self.every * self.burst
    }
}

impl Events {
    /// No events.
    pub fn none(now: Instant) -> Self {
        Self(now)
    }

    /// Returns whether all events are forgotten at `now`.
    pub fn are_forgotten(&self, now: Instant) -> bool {
        self.0 <= now
    }
}

impl<T> ByAddress<T> {
    /// Returns the entry of an address, or of all further ones, if there is one.
    pub fn get(&self, address: ClientAddress) -> Option<&T> {
        let further = || self.0.get(&ClientAddress::of_one(ALL_OTHERS));
        self.0.get(&address.group()).or_else(|| further().filter(|_| self.is_full()))
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MAX_ADDRESSES
    }

    /// Returns the entry of an address, made by `new` if there is none. If there are too many, removes those that `is_over`.
    pub fn entry(
        &mut self,
        address: ClientAddress,
        is_over: impl Fn(&T) -> bool,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        let mut address = address.group();
        if !self.0.contains_key(&address) && self.is_full() {
            self.0.retain(|_, entry| !is_over(entry));
            if self.is_full() {
                address = ClientAddress::of_one(ALL_OTHERS);
            }
        }
        self.0.entry(address).or_insert_with(new)
    }

    /// Returns the number of entries.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate =
        Rate { every: Duration::from_secs(1), burst: 3, max_delay: Duration::from_secs(2) };

    #[test]
    fn a_burst_is_granted_and_what_exceeds_it_is_delayed() {
        let now = Instant::now();
        let mut events = Events::none(now);
        let delays: Vec<u64> = (0..6).map(|_| RATE.record(&mut events, now).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 2]);
        assert_eq!(RATE.delay(&events, now + RATE.every), Duration::from_secs(1));
        assert!(!events.are_forgotten(now + RATE.every * 4));
        assert!(events.are_forgotten(now + RATE.every * 5));
    }
}
