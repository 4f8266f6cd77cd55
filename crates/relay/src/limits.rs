//! The limits on connections and viewers, in total and for each client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::addresses::ClientAddress;
use crate::addresses::TrustedProxies;
use crate::error::Error;

/// Default limit of viewers.
pub const MAX_VIEWERS: usize = 4096;
/// Default limit of viewers from one address. Addresses that many clients share are exempt.
pub const MAX_VIEWERS_PER_ADDRESS: usize = 64;
/// Default limit of clients that publish.
pub const MAX_PUBLISHERS: usize = 256;
/// Connections beyond those of viewers, for pages, lists and metrics: in total, and from one address.
const FURTHER_CONNECTIONS: usize = 512;
const FURTHER_CONNECTIONS_PER_ADDRESS: usize = 32;

/// The limits of one relay.
#[derive(Debug)]
pub struct Limits {
    viewers: Arc<Limit>,
    connections: Arc<Limit>,
    publishers: Arc<Limit>,
    /// The option or the system limit that an error names.
    limited_by: &'static str,
    proxies: TrustedProxies,
}

impl Limits {
    /// Exempts the connections of these proxies from the limit of one address: they are those of many clients. Their viewers are
    /// counted by client.
    #[must_use]
    pub fn behind(mut self, proxies: &TrustedProxies) -> Self {
        self.proxies = proxies.clone();
        self
    }

    /// Limits viewers to `viewers` in total, and to `per_address` from one address.
    pub fn new(viewers: usize, per_address: usize) -> Self {
        Self::with(viewers, viewers + FURTHER_CONNECTIONS, per_address, "--max-viewers")
    }

    fn with(
        viewers: usize,
        connections: usize,
        per_address: usize,
        limited_by: &'static str,
    ) -> Self {
        let connections_per_address = per_address + FURTHER_CONNECTIONS_PER_ADDRESS;
        Self {
            publishers: Arc::new(Limit::new(MAX_PUBLISHERS, MAX_PUBLISHERS)),
            viewers: Arc::new(Limit::new(viewers, per_address)),
            connections: Arc::new(Limit::new(connections, connections_per_address)),
            limited_by,
            proxies: TrustedProxies::default(),
        }
    }

    /// Returns the same limits, lowered to this number of connections. A quarter of them is reserved for pages, lists
    /// and refusals.
    #[must_use]
    pub fn within(self, connections: usize) -> Self {
        if connections >= self.connections.total {
            return self;
        }
        let further = FURTHER_CONNECTIONS.min(connections / 4).max(1);
        let viewers = self.viewers.total.min(connections.saturating_sub(further)).max(1);
        let limited_by = "the system's limit of open files, see ulimit -n";
        let limits = Self::with(viewers, connections, self.viewers.per_address, limited_by);
        Self { publishers: self.publishers, ..limits.behind(&self.proxies) }
    }

    /// Limits the clients that publish to this number.
    #[must_use]
    pub fn with_publishers(self, publishers: usize) -> Self {
        Self { publishers: Arc::new(Limit::new(publishers, publishers)), ..self }
    }

    /// Returns the limit of viewers.
    pub fn viewers(&self) -> usize {
        self.viewers.total
    }

    /// Returns the limit of simultaneous connections.
    pub fn connections(&self) -> usize {
        self.connections.total
    }

    /// Admits one viewer.
    ///
    /// # Errors
    /// [`Error::TooMany`] if the relay or this address has reached its limit.
    pub fn admit(&self, address: impl Into<ClientAddress>) -> Result<Permit, Error> {
        let address = address.into();
        self.viewers.acquire(address).map_err(|reached| {
            Error::TooMany(match reached {
                LimitReached::Total(limit) => {
                    format!("viewer limit reached: this relay takes {limit} ({})", self.limited_by)
                }
                LimitReached::PerAddress(limit) => format!(
                    "viewer limit reached: {address} has {limit} viewers, the most from one address \
                     (--max-viewers-per-address)"
                ),
            })
        })
    }

    /// Admits one client that publishes.
    ///
    /// # Errors
    /// [`Error::TooMany`] if the relay has its most.
    pub fn admit_publisher(&self, address: ClientAddress) -> Result<Permit, Error> {
        self.publishers.acquire(address).map_err(|reached| {
            let (LimitReached::Total(limit) | LimitReached::PerAddress(limit)) = reached;
            Error::TooMany(format!(
                "publisher limit reached: this relay takes {limit} (--max-publishers)"
            ))
        })
    }

    /// Admits one connection.
    ///
    /// # Errors
    /// [`LimitReached`] if the relay or this address has reached its limit.
    pub fn connect(&self, address: IpAddr) -> Result<Permit, LimitReached> {
        let address = match self.proxies.contains(address) {
            true => ClientAddress::of_many(address),
            false => address.into(),
        };
        self.connections.acquire(address)
    }
}

/// The limit that was reached, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// The limit in total.
    Total(usize),
    /// The limit for one address.
    PerAddress(usize),
}

/// A limit on the viewers or publishers of one access entry. Clones share the count.
#[derive(Debug, Clone)]
pub struct EntryLimit {
    max: usize,
    in_use: Arc<AtomicUsize>,
}

/// A place among the viewers or publishers of an access entry. Dropping it releases it.
#[derive(Debug)]
pub struct EntryPermit(Arc<AtomicUsize>);

impl EntryLimit {
    /// Creates a limit.
    pub fn new(max: usize) -> Self {
        Self { max, in_use: Arc::default() }
    }

    /// Returns this limit with the count of an earlier one.
    #[must_use]
    pub fn continuing(&self, before: &Self) -> Self {
        Self { max: self.max, in_use: before.in_use.clone() }
    }

    /// Admits one more.
    ///
    /// # Errors
    /// Fails with the limit if it is reached.
    pub fn acquire(&self) -> Result<EntryPermit, usize> {
        // Counted first, so that two clients at the same time cannot both take the last place.
        let before = self.in_use.fetch_add(1, Ordering::Relaxed);
        let permit = EntryPermit(self.in_use.clone());
        if before < self.max { Ok(permit) } else { Err(self.max) }
    }
}

impl Drop for EntryPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A limit on permits, in total and for each address.
#[derive(Debug)]
struct Limit {
    total: usize,
    per_address: usize,
    in_use: Mutex<InUse>,
}

/// The permits in use.
#[derive(Debug, Default)]
struct InUse {
    total: usize,
    by_address: HashMap<ClientAddress, usize>,
}

/// The permission for one viewer, publisher or connection. Dropping it releases it.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<Limit>,
    address: ClientAddress,
    /// The place among the viewers or publishers of an access entry.
    entry: Option<EntryPermit>,
}

impl Permit {
    /// Adds the place of a client among those of its access entry.
    #[must_use]
    pub fn within(mut self, entry: Option<EntryPermit>) -> Self {
        self.entry = entry;
        self
    }
}

impl Limit {
    fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, in_use: Mutex::default() }
    }

    fn acquire(self: &Arc<Self>, address: ClientAddress) -> Result<Permit, LimitReached> {
        let address = address.group();
        let mut in_use = self.in_use.lock();
        if !address.is_shared() {
            let from_address = in_use.by_address.get(&address).copied().unwrap_or(0);
            if from_address >= self.per_address {
                return Err(LimitReached::PerAddress(self.per_address));
            }
        }
        if in_use.total >= self.total {
            return Err(LimitReached::Total(self.total));
        }
        in_use.total += 1;
        *in_use.by_address.entry(address).or_default() += 1;
        Ok(Permit { limit: self.clone(), address, entry: None })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.limit.in_use.lock();
        in_use.total -= 1;
        if let Some(from_address) = in_use.by_address.get_mut(&self.address) {
            *from_address -= 1;
            if *from_address == 0 {
                in_use.by_address.remove(&self.address);
            }
        }
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
    fn one_address_cannot_use_up_the_limit() {
        let limits = Limits::new(5, 2);
        let _permits = [limits.admit(far(1)).unwrap(), limits.admit(far(1)).unwrap()];
        let error = limits.admit(far(1)).unwrap_err().to_string();
        assert!(error.contains("192.0.2.1 has 2 viewers"), "{error}");
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
    fn loopback_is_exempt_from_the_limit_per_address_but_not_from_the_total() {
        let limits = Limits::new(5, 2);
        let permits: Vec<_> = (0..5).map(|_| limits.admit(NEAR).unwrap()).collect();
        assert!(limits.admit(NEAR).unwrap_err().to_string().contains("this relay takes 5"));
        drop(permits);
        assert!(limits.admit(NEAR).is_ok());
    }

    #[test]
    fn a_client_that_a_proxy_names_is_limited_on_loopback_too() {
        let limits = Limits::new(5, 1);
        let _shared = [limits.admit(NEAR).unwrap(), limits.admit(NEAR).unwrap()];
        let _one = limits.admit(ClientAddress::of_one(NEAR)).unwrap();
        assert!(limits.admit(ClientAddress::of_one(NEAR)).is_err());
        assert!(limits.admit(NEAR).is_ok());
    }

    #[test]
    fn connections_are_limited_too() {
        let limits = Limits::new(1, 1);
        let most = 1 + FURTHER_CONNECTIONS_PER_ADDRESS;
        let permits: Vec<_> = (0..most).map(|_| limits.connect(far(1)).unwrap()).collect();
        assert_eq!(limits.connect(far(1)).unwrap_err(), LimitReached::PerAddress(most));
        assert!(limits.connect(far(2)).is_ok());
        drop(permits);
        assert!(limits.connect(far(1)).is_ok());
    }

    #[test]
    fn connections_of_a_trusted_proxy_are_those_of_many_clients() {
        let proxies = TrustedProxies::new(&["192.0.2.1".into()]).unwrap();
        let limits = Limits::new(1, 1).behind(&proxies).within(200);
        let most = 1 + FURTHER_CONNECTIONS_PER_ADDRESS;
        let connect = |last| (0..=most).map(|_| limits.connect(far(last))).collect::<Vec<_>>();
        assert!(connect(1).iter().all(Result::is_ok));
        assert!(connect(2).iter().any(Result::is_err));
    }

    #[test]
    fn fewer_descriptors_allow_fewer_viewers_and_reserve_connections_for_refusals() {
        let limits = Limits::new(4096, 64).within(100);
        assert_eq!((limits.viewers(), limits.connections()), (75, 100));
        let _permits: Vec<_> = (0..75).map(|_| limits.admit(NEAR).unwrap()).collect();
        assert!(limits.admit(NEAR).unwrap_err().to_string().contains("ulimit -n"));
        let few = Limits::new(10, 64).within(100);
        assert_eq!((few.viewers(), few.connections()), (10, 100));
        let enough = Limits::new(10, 64).within(100_000);
        assert_eq!((enough.viewers(), enough.connections()), (10, 10 + FURTHER_CONNECTIONS));
    }

    #[test]
    fn permits_are_released() {
        let limits = Limits::new(100, 1);
        for _ in 0..1000 {
            drop(limits.admit(far(1)).unwrap());
        }
        assert_eq!(limits.viewers.in_use.lock().total, 0);
        assert!(limits.viewers.in_use.lock().by_address.is_empty());
    }
}
