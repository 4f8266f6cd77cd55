//! The limit on guessing the token: wrong tokens are answered after a delay.
//!
//! Once many wrong tokens came from an address, it is suspect, and the answer to each further one is delayed. Clients
//! that do not wait for the answer guess no faster: the tokens of a suspect address are compared in a limited number of
//! slots, and a wrong token occupies its slot until its answer is due. A right token is never refused: it is compared
//! like any other, and answered without delay.
//!
//! No clock: `now` is passed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::addresses::ClientAddress;

/// Wrong tokens of one address that are answered without a delay: a page with an old token sends it a few times.
pub const FREE: u32 = 10;
/// Each further one is answered this much later than the one before it.
pub const EVERY: Duration = Duration::from_secs(1);
/// Longest delay. A viewer with the right token that shares the address of a guesser waits for slots that are occupied
/// this long.
pub const MAX_DELAY: Duration = Duration::from_secs(2);
/// Slots of one suspect address: with [`MAX_DELAY`], 16 guesses a second.
pub const SLOTS: usize = 32;
/// Most addresses remembered, some 200 KiB. Further addresses share one allowance.
const MAX_ADDRESSES: usize = 1024;
/// The address under which the further ones are remembered.
const ALL_OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Recent wrong tokens, by address. An IPv6 network (/64) is one address.
#[derive(Debug, Default)]
pub struct TokenThrottle(Mutex<HashMap<ClientAddress, Suspect>>);

#[derive(Debug)]
struct Suspect {
    /// The time at which all its wrong tokens are forgotten.
    until: Instant,
    slots: Arc<Semaphore>,
}

impl TokenThrottle {
    /// Returns the slots in which tokens from `address` are compared; `None` if it is not suspect.
    ///
    /// An address that many clients share never is: one of them must not slow the others down.
    pub fn slots(&self, address: impl Into<ClientAddress>, now: Instant) -> Option<Arc<Semaphore>> {
        let address = address.into().group();
        let suspects = self.0.lock();
        let suspect = suspects.get(&address).filter(|_| !address.is_shared())?;
        (suspect.until > now + EVERY * FREE).then(|| suspect.slots.clone())
    }

    /// Records a wrong token from `address` at `now`. Returns by how much to delay its answer.
    pub fn record_wrong(&self, address: impl Into<ClientAddress>, now: Instant) -> Duration {
        let mut suspects = self.0.lock();
        let mut address = address.into().group();
        if !suspects.contains_key(&address) && suspects.len() >= MAX_ADDRESSES {
            suspects.retain(|_, suspect| suspect.until > now);
            if suspects.len() >= MAX_ADDRESSES {
                address = ClientAddress::of_one(ALL_OTHERS);
            }
        }
        // The generic cell rate algorithm: each wrong token costs a second, and ten seconds are granted in advance.
        let new = || Suspect { until: now, slots: Arc::new(Semaphore::new(SLOTS)) };
        let suspect = suspects.entry(address).or_insert_with(new);
        let free = EVERY * FREE;
        suspect.until = (suspect.until.max(now) + EVERY).min(now + free + MAX_DELAY);
        suspect.until.saturating_duration_since(now + free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn guess(throttle: &TokenThrottle, from: IpAddr, times: u32, now: Instant) -> Vec<u64> {
        (0..times).map(|_| throttle.record_wrong(from, now).as_secs()).collect()
    }

    #[test]
    fn ten_wrong_tokens_are_free_and_further_ones_wait() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        assert_eq!(guess(&throttle, address(1), FREE, now), [0; FREE as usize]);
        assert_eq!(guess(&throttle, address(1), 4, now), [1, 2, 2, 2]);
        assert_eq!(guess(&throttle, address(2), 1, now), [0], "another address");
    }

    #[test]
    fn everything_is_forgotten_after_twelve_quiet_seconds() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        guess(&throttle, address(1), 1000, now);
        let later = now + EVERY * FREE + MAX_DELAY;
        assert_eq!(guess(&throttle, address(1), FREE + 1, later).last(), Some(&1));
    }

    #[test]
    fn an_address_that_guesses_gets_slots_until_its_guesses_are_forgotten() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        guess(&throttle, address(1), FREE, now);
        assert!(throttle.slots(address(1), now).is_none(), "ten are free");
        guess(&throttle, address(1), 1, now);
        assert!(throttle.slots(address(1), now).is_some());
        assert!(throttle.slots(address(2), now).is_none(), "another address");
        assert!(throttle.slots(address(1), now + MAX_DELAY).is_none());
        let proxy = "::ffff:127.0.0.1".parse().unwrap();
        guess(&throttle, proxy, 100, now);
        assert!(
            throttle.slots(proxy, now).is_none(),
            "a reverse proxy forwards requests of many clients"
        );
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        for host in 0..FREE as u16 {
            let one = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host + 1));
            assert_eq!(guess(&throttle, one, 1, now), [0]);
        }
        assert_eq!(guess(&throttle, "2001:db8::ffff".parse().unwrap(), 1, now), [1]);
    }

    #[test]
    fn many_addresses_are_remembered_in_bounded_memory_and_still_limited() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        let delays =
            (0..100_000u32).map(|number| throttle.record_wrong(IpAddr::V4(number.into()), now));
        assert_eq!(delays.max(), Some(MAX_DELAY));
        assert!(throttle.0.lock().len() <= MAX_ADDRESSES + 1);
        let later = now + EVERY * 2;
        assert_eq!(guess(&throttle, address(77), 1, later), [0], "room again");
    }
}
