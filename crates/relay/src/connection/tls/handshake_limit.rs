//! The limit on TLS handshakes: each costs some hundred times more than a frame for one viewer, whose thread it shares.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::addresses::{ClientAddress, TrustedProxies};
use crate::rate::{ByAddress, Events, Rate};
use crate::stats::counters::FloodCounters;
use crate::stats::labels::Flood;

/// The longest wait. The time for a request's head ends it earlier.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// Handshakes of one address: a browser opens a few, and many browsers may share an address.
const PER_ADDRESS: Rate =
    Rate { every: Duration::from_micros(31_250), burst: 64, max_delay: MAX_DELAY };
/// Handshakes of all addresses: 500 a second take a tenth of a core or two. All viewers of a restarted relay return within
/// some seconds.
const IN_TOTAL: Rate = Rate { every: Duration::from_millis(2), burst: 256, max_delay: MAX_DELAY };

/// The handshakes of a relay. Handshakes that exceed the rate wait.
#[derive(Debug)]
pub struct HandshakeLimit {
    by_address: Mutex<ByAddress<Events>>,
    in_total: Mutex<Events>,
    proxies: TrustedProxies,
    floods: Arc<FloodCounters>,
}

impl HandshakeLimit {
    /// Creates a limit that counts the handshakes that wait. These proxies are exempt from the limit per address.
    pub fn new(proxies: TrustedProxies, floods: Arc<FloodCounters>) -> Self {
        let in_total = Mutex::new(Events::none(Instant::now()));
        Self { by_address: Mutex::default(), in_total, proxies, floods }
    }

    /// Returns how long the next handshake of this address waits. An address that many clients share is exempt from the
    /// limit per address.
    fn delay(&self, address: IpAddr, now: Instant) -> Duration {
        let client = ClientAddress::from(address);
        let own = match client.is_shared() || self.proxies.contains(address) {
            true => Duration::ZERO,
            false => {
                let mut by_address = self.by_address.lock();
                let is_over = |events: &Events| events.are_forgotten(now);
                let events = by_address.entry(client, is_over, || Events::none(now));
                PER_ADDRESS.record(events, now)
            }
        };
        // A handshake that waits for its address does not take from the others yet.
        match own.is_zero() {
            true => IN_TOTAL.record(&mut self.in_total.lock(), now),
            false => own,
        }
    }

    /// Waits until a handshake of this address may begin.
    pub(super) async fn admit(&self, address: IpAddr) {
        let delay = self.delay(address, Instant::now());
        if !delay.is_zero() {
            self.floods.count(Flood::Handshakes);
            tracing::warn!(client = %address, "many TLS handshakes: delaying further ones");
            tokio::time::sleep(delay).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn one_address_waits_for_its_own_handshakes_and_others_do_not() {
        let (limit, now) =
            (HandshakeLimit::new(TrustedProxies::default(), Arc::default()), Instant::now());
        let delays: Vec<Duration> = (0..500).map(|_| limit.delay(address(1), now)).collect();
        assert!(delays[..64].iter().all(Duration::is_zero));
        assert!(delays[64..].windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(delays.last(), Some(&MAX_DELAY));
        assert_eq!(limit.delay(address(2), now), Duration::ZERO);
        assert_eq!(limit.delay(address(1), now + MAX_DELAY * 2), Duration::ZERO);
    }

    #[test]
    fn all_addresses_together_are_limited_too() {
        let (limit, now) =
            (HandshakeLimit::new(TrustedProxies::default(), Arc::default()), Instant::now());
        let proxy = IpAddr::from([127, 0, 0, 1]);
        let delays: Vec<Duration> = (0..600).map(|_| limit.delay(proxy, now)).collect();
        assert!(delays[..256].iter().all(Duration::is_zero));
        assert!(delays[599] > Duration::from_millis(100));
        assert!(limit.delay(address(1), now) > Duration::ZERO);
    }
}
