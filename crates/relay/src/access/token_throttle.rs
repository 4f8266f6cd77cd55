//! The limit on guessing the token: wrong tokens are answered after a delay, and many of them end the checks.
//!
//! Once many wrong tokens came from an address, it is suspect, and the answer to each further one is delayed. Clients
//! that do not wait for the answer guess no faster: the tokens of a suspect address are compared in a limited number of
//! slots, and a wrong token occupies its slot until its answer is due. A right token is compared like any other, and
//! answered without delay. An address that guesses nevertheless is refused for a while, without any comparison.
//!
//! No clock: `now` is passed in.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::addresses::ClientAddress;
use crate::rate::{ByAddress, Events, Rate};

/// Wrong tokens of one address that are answered without a delay: a page with an old token sends it a few times.
pub const FREE: u32 = 10;
/// Each further one is answered this much later than the one before it.
pub const EVERY: Duration = Duration::from_secs(1);
/// Longest delay. A viewer with the right token that shares the address of a guesser waits for slots that are occupied
/// this long.
pub const MAX_DELAY: Duration = Duration::from_secs(2);
/// Slots of one suspect address: with [`MAX_DELAY`], 16 guesses a second.
pub const SLOTS: usize = 32;
/// Wrong tokens of one address after which none of its tokens is compared. One is forgotten each second, so the next one
/// is compared a second later: in the long run an address guesses once a second.
pub const MOST: u32 = 100;

const RATE: Rate = Rate { every: EVERY, burst: FREE, max_delay: MAX_DELAY };
const REFUSED: Rate = Rate { every: EVERY, burst: MOST - 1, max_delay: EVERY };

/// Recent wrong tokens, by address. An IPv6 network (/64) is one address.
#[derive(Debug, Default)]
pub struct TokenThrottle(Mutex<ByAddress<Suspect>>);

#[derive(Debug)]
struct Suspect {
    /// The wrong tokens that delay the answers to further ones.
    recent: Events,
    /// The wrong tokens that end the comparisons.
    all: Events,
    slots: Arc<Semaphore>,
}

/// The way in which a token is compared.
#[derive(Debug)]
pub enum Check {
    /// Immediately.
    Free,
    /// In one of these slots.
    Slot(Arc<Semaphore>),
    /// Not now.
    Refused,
}

impl TokenThrottle {
    /// Returns how a token from `address` is compared.
    ///
    /// An address that many clients share never is suspect: one of them must not slow the others down.
    pub fn check(&self, address: impl Into<ClientAddress>, now: Instant) -> Check {
        let (address, suspects) = (address.into(), self.0.lock());
        let Some(suspect) = suspects.get(address).filter(|_| !address.is_shared()) else {
            return Check::Free;
        };
        if !REFUSED.delay(&suspect.all, now).is_zero() {
            return Check::Refused;
        }
        match RATE.delay(&suspect.recent, now).is_zero() {
            true => Check::Free,
            false => Check::Slot(suspect.slots.clone()),
        }
    }

    /// Records a wrong token from `address` at `now`. Returns by how much to delay its answer.
    pub fn record_wrong(&self, address: impl Into<ClientAddress>, now: Instant) -> Duration {
        let mut suspects = self.0.lock();
        let new = || Suspect {
            recent: Events::none(now),
            all: Events::none(now),
            slots: Arc::new(Semaphore::new(SLOTS)),
        };
        let suspect = suspects.entry(address.into(), |suspect| suspect.all.are_forgotten(now), new);
        REFUSED.record(&mut suspect.all, now);
        RATE.record(&mut suspect.recent, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::MAX_ADDRESSES;
    use std::net::{IpAddr, Ipv6Addr};

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
    fn delays_are_forgotten_after_twelve_quiet_seconds() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        guess(&throttle, address(1), 1000, now);
        let later = now + EVERY * FREE + MAX_DELAY;
        assert_eq!(guess(&throttle, address(1), FREE + 1, later).last(), Some(&1));
    }

    #[test]
    fn an_address_that_guesses_gets_slots_until_its_guesses_are_forgotten() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        let is_free = |from, at| matches!(throttle.check(from, at), Check::Free);
        guess(&throttle, address(1), FREE, now);
        assert!(is_free(address(1), now), "ten are free");
        guess(&throttle, address(1), 1, now);
        assert!(matches!(throttle.check(address(1), now), Check::Slot(_)));
        assert!(is_free(address(2), now), "another address");
        assert!(is_free(address(1), now + MAX_DELAY));
        let proxy = "::ffff:127.0.0.1".parse().unwrap();
        guess(&throttle, proxy, 1000, now);
        assert!(is_free(proxy, now), "a reverse proxy forwards requests of many clients");
    }

    #[test]
    fn an_address_that_guesses_a_hundred_times_is_refused_and_then_guesses_once_a_second() {
        let (throttle, now) = (TokenThrottle::default(), Instant::now());
        guess(&throttle, address(1), MOST - 1, now);
        assert!(matches!(throttle.check(address(1), now), Check::Slot(_)));
        guess(&throttle, address(1), 1, now);
        assert!(matches!(throttle.check(address(1), now), Check::Refused));
        let later = now + EVERY;
        assert!(matches!(throttle.check(address(1), later), Check::Slot(_)));
        guess(&throttle, address(1), 1, later);
        assert!(matches!(throttle.check(address(1), later), Check::Refused));
        assert!(matches!(throttle.check(address(2), later), Check::Free), "another address");
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
        assert!(throttle.0.lock().count() <= MAX_ADDRESSES + 1);
        let later = now + EVERY * 2;
        assert_eq!(guess(&throttle, address(77), 1, later), [0], "room again");
    }
}
