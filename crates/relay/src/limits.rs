//! How many connections and viewers there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use axum::http::header;

use crate::http::refusal::Refusal;

/// Viewers a relay takes unless told otherwise.
pub const MAX_VIEWERS: usize = 4096;
/// Viewers from one address unless told otherwise. Loopback is exempt: a reverse proxy or tunnel speaks for many.
pub const MAX_VIEWERS_PER_ADDRESS: usize = 64;
/// Connections beyond those of viewers: for pages, lists and metrics, in all and from one address.
const FURTHER_CONNECTIONS: usize = 512;
const FURTHER_CONNECTIONS_PER_ADDRESS: usize = 32;

/// The limits of one relay.
#[derive(Debug)]
pub struct Limits {
    viewers: Arc<Places>,
    connections: Arc<Places>,
    /// The option or the system's limit that a refusal names.
    because: &'static str,
}

impl Limits {
    /// At most so many viewers in all, and from one address.
    pub fn new(viewers: usize, per_address: usize) -> Self {
        Self::with(viewers, viewers + FURTHER_CONNECTIONS, per_address, "--max-viewers")
    }

    fn with(viewers: usize, connections: usize, per_address: usize, because: &'static str) -> Self {
        let connections_per_address = per_address + FURTHER_CONNECTIONS_PER_ADDRESS;
        Self {
            viewers: Arc::new(Places::new(viewers, per_address)),
            connections: Arc::new(Places::new(connections, connections_per_address)),
            because,
        }
    }

    /// Returns the same limits, lowered to this number of connections. A quarter of them stays for
    /// pages, lists and refusals.
    #[must_use]
    pub fn within(self, connections: usize) -> Self {
        if connections >= self.connections.total {
            return self;
        }
        let further = FURTHER_CONNECTIONS.min(connections / 4).max(1);
        let viewers = self.viewers.total.min(connections.saturating_sub(further)).max(1);
        let because = "the system's limit of open files, see ulimit -n";
        Self::with(viewers, connections, self.viewers.per_address, because)
    }

    /// Returns how many viewers there may be.
    pub fn viewers(&self) -> usize {
        self.viewers.total
    }

    /// Connections there may be at once.
    pub fn connections(&self) -> usize {
        self.connections.total
    }

    /// Lets one viewer in.
    ///
    /// # Errors
    /// 503 when the relay is full, or this address has as many as it may.
    pub fn admit(&self, address: IpAddr) -> Result<Permit, Refusal> {
        self.viewers.take(address).map_err(|full| {
            let message = match full {
                Full::All(limit) => {
                    format!("this relay is full: it takes {limit} viewers ({})", self.because)
                }
                Full::Address(limit) => format!(
                    "{address} has {limit} viewers already, and one address may have no more \
                     (--max-viewers-per-address)"
                ),
            };
            // The connection's place goes to a viewer that has better luck.
            Refusal::unavailable(message, "10").with_header(header::CONNECTION, "close")
        })
    }

    /// Lets one connection in, where there is a place for it.
    ///
    /// # Errors
    /// When all places are taken, or all of this address.
    pub fn connect(&self, address: IpAddr) -> Result<Permit, Full> {
        self.connections.take(address)
    }
}

/// No place is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Of so many in all.
    All(usize),
    /// Of so many for one address.
    Address(usize),
}

/// Places for something, in all and for one address.
#[derive(Debug)]
struct Places {
    total: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, taken: Mutex::default() }
    }

    fn take(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let address = household(address);
        let mut taken = self.lock();
        if !address.is_loopback() {
            let from_here = taken.by_address.get(&address).copied().unwrap_or(0);
            if from_here >= self.per_address {
                return Err(Full::Address(self.per_address));
            }
        }
        if taken.total >= self.total {
            return Err(Full::All(self.total));
        }
        taken.total += 1;
        *taken.by_address.entry(address).or_default() += 1;
        Ok(Permit { places: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().expect("no panic while places are counted")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total -= 1;
        if let Some(from_here) = taken.by_address.get_mut(&self.address) {
            *from_here -= 1;
            if *from_here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Returns what counts as one address. An IPv6 host chooses freely among the 2^64 addresses of its network (RFC 4291, 2.5.1).
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn far(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let limits = Limits::new(5, 2);
        let _taken = [limits.admit(far(1)).unwrap(), limits.admit(far(1)).unwrap()];
        let refusal = limits.admit(far(1)).unwrap_err();
        assert!(refusal.message().contains("192.0.2.1 has 2 viewers"), "{}", refusal.message());
        assert!(limits.admit(far(2)).is_ok());
    }

    #[test]
    fn an_ipv6_host_is_one_address_however_many_it_uses() {
        let limits = Limits::new(5, 1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _one = limits.admit(address("2001:db8::1")).unwrap();
        assert!(limits.admit(address("2001:db8::2")).is_err());
        assert!(limits.admit(address("2001:db8:0:1::1")).is_ok());
        let _mapped = limits.admit(address("::ffff:192.0.2.1")).unwrap();
        assert!(limits.admit(far(1)).is_err());
    }

    #[test]
    fn loopback_is_exempt_from_the_second_limit_but_not_from_the_first() {
        let limits = Limits::new(5, 2);
        let places: Vec<_> = (0..5).map(|_| limits.admit(NEAR).unwrap()).collect();
        assert!(limits.admit(NEAR).unwrap_err().message().contains("full"));
        drop(places);
        assert!(limits.admit(NEAR).is_ok());
    }

    #[test]
    fn connections_are_limited_too() {
        let limits = Limits::new(1, 1);
        let most = 1 + FURTHER_CONNECTIONS_PER_ADDRESS;
        let places: Vec<_> = (0..most).map(|_| limits.connect(far(1)).unwrap()).collect();
        assert_eq!(limits.connect(far(1)).unwrap_err(), Full::Address(most));
        assert!(limits.connect(far(2)).is_ok());
        drop(places);
        assert!(limits.connect(far(1)).is_ok());
    }

    #[test]
    fn fewer_descriptors_are_fewer_viewers_and_some_connections_stay_for_refusals() {
        let limits = Limits::new(4096, 64).within(100);
        assert_eq!((limits.viewers(), limits.connections()), (75, 100));
        let _taken: Vec<_> = (0..75).map(|_| limits.admit(NEAR).unwrap()).collect();
        assert!(limits.admit(NEAR).unwrap_err().message().contains("ulimit -n"));
        let few = Limits::new(10, 64).within(100);
        assert_eq!((few.viewers(), few.connections()), (10, 100));
        let enough = Limits::new(10, 64).within(100_000);
        assert_eq!((enough.viewers(), enough.connections()), (10, 10 + FURTHER_CONNECTIONS));
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits::new(100, 1);
        for _ in 0..1000 {
            drop(limits.admit(far(1)).unwrap());
        }
        assert_eq!(limits.viewers.lock().total, 0);
        assert!(limits.viewers.lock().by_address.is_empty());
    }
}
