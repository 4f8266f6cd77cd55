//! A limit on guessing the token: wrong tokens are answered late.
//!
//! The answer to a wrong token is delayed once its address has shown many. A client that does not wait for it guesses no
//! faster: while an address is suspect, its tokens are compared in turns, and a wrong one keeps its turn until its answer
//! is due. A right token is never refused: it is compared like any other, and answered without delay.
//!
//! No clock: `now` is passed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::limits::household;

/// Wrong tokens of one address that are answered without a delay: a page with an old token asks a few times.
pub const FREE: u32 = 10;
/// Each further one is answered this much later than the one before it.
pub const EVERY: Duration = Duration::from_secs(1);
/// Longest delay. A viewer with the right token who shares a guesser's address waits for turns that take this long.
pub const MAX_DELAY: Duration = Duration::from_secs(2);
/// Turns that one suspect address may hold: with [`MAX_DELAY`], 16 guesses a second.
pub const TURNS: usize = 32;
/// Most addresses remembered, some 200 KiB. Those beyond share one allowance.
const MAX_ADDRESSES: usize = 1024;
/// The name under which the addresses beyond are remembered.
const ALL_OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Recent wrong tokens, by address. An IPv6 network (/64) is one address.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<HashMap<IpAddr, Suspect>>);

#[derive(Debug)]
struct Suspect {
    /// The moment when all its guesses are forgiven.
    until: Instant,
    turns: Arc<Semaphore>,
}

impl Guesses {
    /// Returns the turns in which tokens from `address` are compared; `None` where it is not suspect.
    ///
    /// Loopback never is: a reverse proxy speaks for many, and they must not wait for one of them.
    pub fn turns(&self, address: IpAddr, now: Instant) -> Option<Arc<Semaphore>> {
        let address = household(address);
        let suspects = self.lock();
        let suspect = suspects.get(&address).filter(|_| !address.is_loopback())?;
        (suspect.until > now + EVERY * FREE).then(|| suspect.turns.clone())
    }

    /// Notes a wrong token from `address` at `now`; returns how much later it is to be answered.
    pub fn wrong(&self, address: IpAddr, now: Instant) -> Duration {
        let mut suspects = self.lock();
        let mut address = household(address);
        if !suspects.contains_key(&address) && suspects.len() >= MAX_ADDRESSES {
            suspects.retain(|_, suspect| suspect.until > now);
            if suspects.len() >= MAX_ADDRESSES {
                address = ALL_OTHERS;
            }
        }
        // The generic cell rate algorithm: each guess costs a second, and ten seconds are granted in advance.
        let new = || Suspect { until: now, turns: Arc::new(Semaphore::new(TURNS)) };
        let suspect = suspects.entry(address).or_insert_with(new);
        let free = EVERY * FREE;
        suspect.until = (suspect.until.max(now) + EVERY).min(now + free + MAX_DELAY);
        suspect.until.saturating_duration_since(now + free)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Suspect>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn guess(guesses: &Guesses, from: IpAddr, times: u32, now: Instant) -> Vec<u64> {
        (0..times).map(|_| guesses.wrong(from, now).as_secs()).collect()
    }

    #[test]
    fn ten_are_free_and_further_ones_wait() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert_eq!(guess(&guesses, address(1), FREE, now), [0; FREE as usize]);
        assert_eq!(guess(&guesses, address(1), 4, now), [1, 2, 2, 2]);
        assert_eq!(guess(&guesses, address(2), 1, now), [0], "another address");
    }

    #[test]
    fn twelve_quiet_seconds_forgive_everything() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        guess(&guesses, address(1), 1000, now);
        let later = now + EVERY * FREE + MAX_DELAY;
        assert_eq!(guess(&guesses, address(1), FREE + 1, later).last(), Some(&1));
    }

    #[test]
    fn an_address_that_guesses_takes_turns_until_it_is_forgiven() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        guess(&guesses, address(1), FREE, now);
        assert!(guesses.turns(address(1), now).is_none(), "ten are free");
        guess(&guesses, address(1), 1, now);
        assert!(guesses.turns(address(1), now).is_some());
        assert!(guesses.turns(address(2), now).is_none(), "another address");
        assert!(guesses.turns(address(1), now + MAX_DELAY).is_none());
        let proxy = "::ffff:127.0.0.1".parse().unwrap();
        guess(&guesses, proxy, 100, now);
        assert!(guesses.turns(proxy, now).is_none(), "a reverse proxy speaks for many");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for host in 0..FREE as u16 {
            let one = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host + 1));
            assert_eq!(guess(&guesses, one, 1, now), [0]);
        }
        assert_eq!(guess(&guesses, "2001:db8::ffff".parse().unwrap(), 1, now), [1]);
    }

    #[test]
    fn many_addresses_are_remembered_in_bounded_memory_and_still_limited() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let delays = (0..100_000u32).map(|number| guesses.wrong(IpAddr::V4(number.into()), now));
        assert_eq!(delays.max(), Some(MAX_DELAY));
        assert!(guesses.0.lock().unwrap().len() <= MAX_ADDRESSES + 1);
        let later = now + EVERY * 2;
        assert_eq!(guess(&guesses, address(77), 1, later), [0], "room again");
    }
}
