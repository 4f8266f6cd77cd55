//! How many viewers there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::refusal::Refusal;

/// Viewers a relay takes unless told otherwise.
pub const MAX_VIEWERS: usize = 4096;
/// Viewers from one address unless told otherwise. Loopback is exempt: a reverse proxy or tunnel speaks for many.
pub const MAX_VIEWERS_PER_ADDRESS: usize = 64;

/// Counts viewers.
#[derive(Debug)]
pub struct Limits {
    viewers: usize,
    per_address: usize,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    viewers: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One viewer's place; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    address: IpAddr,
}

impl Limits {
    /// At most so many viewers in all, and from one address.
    pub fn new(viewers: usize, per_address: usize) -> Self {
        Self { viewers, per_address, counted: Mutex::default() }
    }

    /// At most so many connections at once: one for each viewer, and some for pages, lists and metrics.
    pub fn connections(&self) -> usize {
        self.viewers + 512
    }

    /// Lets one viewer in.
    ///
    /// # Errors
    /// 503 when the relay is full, or this address has as many as it may.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        let address = address.to_canonical();
        let mut counted = self.lock();
        if counted.viewers >= self.viewers {
            let message =
                format!("this relay is full: it takes {} viewers (--max-viewers)", self.viewers);
            return Err(Refusal::unavailable(message, "10"));
        }
        if !address.is_loopback() {
            let from_here = counted.by_address.entry(address).or_default();
            if *from_here >= self.per_address {
                let message = format!(
                    "{address} has {from_here} viewers already: one address may have {} (--max-viewers-per-address)",
                    self.per_address
                );
                return Err(Refusal::unavailable(message, "10"));
            }
            *from_here += 1;
        }
        counted.viewers += 1;
        drop(counted);
        Ok(Permit { limits: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().expect("no panic while viewers are counted")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counted = self.limits.lock();
        counted.viewers -= 1;
        if let Some(from_here) = counted.by_address.get_mut(&self.address) {
            *from_here -= 1;
            if *from_here == 0 {
                counted.by_address.remove(&self.address);
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
    fn one_address_cannot_take_all_places() {
        let limits = Arc::new(Limits::new(5, 2));
        let _taken = [limits.admit(far(1)).unwrap(), limits.admit(far(1)).unwrap()];
        let refusal = limits.admit(far(1)).unwrap_err();
        assert!(refusal.message().contains("192.0.2.1 has 2 viewers"), "{}", refusal.message());
        assert!(limits.admit(far(2)).is_ok());
    }

    #[test]
    fn loopback_is_exempt_from_the_second_limit_but_not_from_the_first() {
        let limits = Arc::new(Limits::new(5, 2));
        let places: Vec<_> = (0..5).map(|_| limits.admit(NEAR).unwrap()).collect();
        assert!(limits.admit(NEAR).unwrap_err().message().contains("full"));
        drop(places);
        assert!(limits.admit(NEAR).is_ok());
    }

    #[test]
    fn places_are_given_back() {
        let limits = Arc::new(Limits::new(100, 1));
        for _ in 0..1000 {
            drop(limits.admit(far(1)).unwrap());
        }
        assert_eq!(limits.lock().viewers, 0);
        assert!(limits.lock().by_address.is_empty());
    }
}
