//! One direction of a link: the fate of a packet, and its time of arrival. No IO and no clock.

use std::collections::VecDeque;
use std::time::Duration;

/// Most bytes that one direction holds: it bounds the memory, because the limits of the command line allow a link on
/// which 1.9 GB are in flight. Packets beyond it count as dropped by the queue.
pub const MAX_HELD: usize = 64 * 1024 * 1024;

/// The properties of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Bits per second, each way.
    pub bits_per_second: f64,
    /// The round trip of a small packet through empty queues.
    pub round_trip: Duration,
    /// Share of packets that are lost at random, each way: 0 to 1.
    pub loss: f64,
    /// A packet that would wait for longer than this before it is sent is dropped.
    pub queue: Duration,
    /// Seed of the random losses.
    pub seed: u64,
}

/// Counts of packets by their fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrived at the other end.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
}

/// Packets in flight to one end. Times count from any moment, the same for all calls.
#[derive(Debug)]
pub struct Direction {
    link: Link,
    random: fastrand::Rng,
    /// The moment when the last packet in the queue will have been sent.
    free: Duration,
    /// The moment when each packet arrives. All take the same distance, so they stay in order.
    under_way: VecDeque<(Duration, Vec<u8>)>,
    held: usize,
    counts: Counts,
}

impl Direction {
    /// Returns an empty direction. The two directions of a link have different numbers, so that they lose different
    /// packets.
    pub fn new(link: Link, number: u64) -> Self {
        Self {
            link,
            random: fastrand::Rng::with_seed(link.seed.wrapping_mul(2).wrapping_add(number)),
            free: Duration::ZERO,
            under_way: VecDeque::new(),
            held: 0,
            counts: Counts::default(),
        }
    }

    /// Puts a packet into the link, or counts it as lost or dropped.
    pub fn enter(&mut self, now: Duration, packet: Vec<u8>) {
        if self.random.f64() < self.link.loss {
            self.counts.lost += 1;
            return;
        }
        let free = self.free.max(now);
        if free - now > self.link.queue || self.held + packet.len() > MAX_HELD {
            self.counts.dropped += 1;
            return;
        }
        let sending = packet.len() as f64 * 8.0 / self.link.bits_per_second;
        self.free = free + Duration::from_secs_f64(sending);
        self.held += packet.len();
        self.under_way.push_back((self.free + self.link.round_trip / 2, packet));
    }

    /// Removes and returns the next packet that has arrived by now, if there is one.
    pub fn leave(&mut self, now: Duration) -> Option<Vec<u8>> {
        let (_, packet) = self.under_way.pop_front_if(|(arrives, _)| *arrives <= now)?;
        self.held -= packet.len();
        self.counts.delivered += 1;
        Some(packet)
    }

    /// Returns the moment when the next packet arrives, if one is in flight.
    pub fn next(&self) -> Option<Duration> {
        self.under_way.front().map(|(arrives, _)| *arrives)
    }

    /// Returns the counts of packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 Mbit/s: a packet of 1000 bytes takes a millisecond.
    const LINK: Link = Link {
        bits_per_second: 8e6,
        round_trip: Duration::from_millis(40),
        loss: 0.0,
        queue: Duration::from_millis(100),
        seed: 1,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn packet() -> Vec<u8> {
        vec![0; 1000]
    }

    /// Takes all packets; returns the moment when each arrives, in milliseconds.
    fn arrivals(direction: &mut Direction) -> Vec<u64> {
        let mut arrivals = Vec::new();
        while let Some(next) = direction.next() {
            assert_eq!(direction.leave(next - Duration::from_nanos(1)), None, "none is early");
            direction.leave(next).expect("it has arrived");
            arrivals.push(next.as_millis() as u64);
        }
        arrivals
    }

    #[test]
    fn a_packet_takes_its_time_at_the_rate_and_half_a_round_trip() {
        let mut direction = Direction::new(LINK, 0);
        direction.enter(ms(5), packet());
        assert_eq!(arrivals(&mut direction), [5 + 1 + 20]);
    }

    #[test]
    fn packets_that_enter_together_leave_at_the_rate() {
        let mut direction = Direction::new(LINK, 0);
        (0..4).for_each(|_| direction.enter(ms(0), packet()));
        assert_eq!(arrivals(&mut direction), [21, 22, 23, 24]);
    }

    #[test]
    fn an_idle_link_allows_no_burst_later() {
        let mut direction = Direction::new(LINK, 0);
        direction.enter(ms(0), packet());
        direction.enter(ms(500), packet());
        direction.enter(ms(500), packet());
        assert_eq!(arrivals(&mut direction), [21, 521, 522]);
    }

    #[test]
    fn the_queue_drops_packets_that_would_wait_too_long() {
        let mut direction = Direction::new(LINK, 0);
        (0..300).for_each(|_| direction.enter(ms(0), packet()));
        // The packet that waits for exactly 100 ms still fits.
        assert_eq!(arrivals(&mut direction).len(), 101);
        let counts = Counts { delivered: 101, lost: 0, dropped: 199 };
        assert_eq!(direction.counts(), counts);
    }

    #[test]
    fn the_queue_is_bounded_in_bytes() {
        let slow = Link { bits_per_second: 1e12, round_trip: Duration::from_secs(20), ..LINK };
        let mut direction = Direction::new(slow, 0);
        let large = vec![0; MAX_HELD / 4];
        (0..5).for_each(|_| direction.enter(ms(0), large.clone()));
        assert_eq!(direction.counts().dropped, 1);
    }

    #[test]
    fn loss_is_as_frequent_as_chosen_and_the_same_for_the_same_seed() {
        let lossy = Link { loss: 0.02, ..LINK };
        let lost = |number: u64, seed: u64| -> Vec<u64> {
            let mut direction = Direction::new(Link { seed, ..lossy }, number);
            let mut lost = Vec::new();
            for at in 0..10_000 {
                direction.enter(ms(at), vec![0; 100]);
                if direction.counts().lost > lost.len() as u64 {
                    lost.push(at);
                }
            }
            lost
        };
        let one = lost(0, 1);
        assert!((150..250).contains(&one.len()), "{} of 10000, and 200 expected", one.len());
        assert_eq!(one, lost(0, 1));
        assert_ne!(one, lost(0, 2), "another seed");
        assert_ne!(one, lost(1, 1), "the other direction");
    }

    #[test]
    fn a_lost_packet_takes_no_time_of_the_link() {
        let mut direction = Direction::new(Link { loss: 1.0, ..LINK }, 0);
        direction.enter(ms(0), packet());
        assert_eq!((direction.next(), direction.counts().lost), (None, 1));
    }
}
