//! Rate limits for requests: a flood from one peer costs almost nothing, and takes no answer from another peer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fanlight_protocol::Request;

/// Requests that a peer may send in a burst: a keyframe of every track of a wall, if all were lost together.
const BURST: f64 = 512.0;
/// Requests that a peer may send each second, on average. A relay requests the clock every 5 s, and at most one keyframe
/// per second and track.
const PER_SECOND: f64 = 128.0;
/// The cost of a request for the catalog, in requests: its answer goes to all peers. A peer causes 4 announcements a second at
/// most.
const CATALOG_COSTS: f64 = 32.0;
/// Requests per second, and in a burst, from all peers together: more than 32 relays need, and processed in some 20 ms.
const ALL_PER_SECOND: f64 = 4096.0;
/// Peers that are counted separately; a capture has a few relays. Beyond it, peers that have requested nothing for 4 s are
/// forgotten; if there are none, new peers are not answered.
const MAX_PEERS: usize = 256;
/// The shortest interval between two log lines about ignored requests.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The recent requests of each peer, as token buckets.
#[derive(Debug)]
pub(super) struct RequestLimits {
    peers: HashMap<u64, Bucket>,
    all: Bucket,
    ignored: u64,
    logged_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    fn full(most: f64, now: Instant) -> Self {
        Self { tokens: most, filled_at: now }
    }

    fn refill(&mut self, per_second: f64, most: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + seconds * per_second).min(most);
        self.filled_at = now;
    }

    fn has(&self, cost: f64) -> bool {
        self.tokens >= cost
    }
}

impl RequestLimits {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            peers: HashMap::new(),
            all: Bucket::full(ALL_PER_SECOND, now),
            ignored: 0,
            logged_at: None,
        }
    }

    /// Returns whether to answer a request. `peer` is the number under which the peer was admitted.
    pub(super) fn admit(&mut self, peer: u64, request: &Request, now: Instant) -> bool {
        let cost = match request {
            Request::Catalog => CATALOG_COSTS,
            Request::Clock { .. } | Request::Keyframe { .. } => 1.0,
        };
        self.all.refill(ALL_PER_SECOND, ALL_PER_SECOND, now);
        let admitted = self.all.has(cost) && self.charge(peer, cost, now);
        match admitted {
            true => self.all.tokens -= cost,
            false => self.ignored += 1,
        }
        admitted
    }

    fn charge(&mut self, peer: u64, cost: f64, now: Instant) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_PEERS {
            self.forget_idle(now);
            if self.peers.len() >= MAX_PEERS {
                return false;
            }
        }
        let bucket = self.peers.entry(peer).or_insert_with(|| Bucket::full(BURST, now));
        bucket.refill(PER_SECOND, BURST, now);
        let has = bucket.has(cost);
        if has {
            bucket.tokens -= cost;
        }
        has
    }

    /// Forgets the peers whose bucket is full again: they are treated like peers that never sent a request.
    fn forget_idle(&mut self, now: Instant) {
        self.peers.retain(|_, bucket| {
            bucket.refill(PER_SECOND, BURST, now);
            !bucket.has(BURST)
        });
    }

    /// Counts a request that could not be decoded, or a subscription that is not remembered.
    pub(super) fn ignore(&mut self) {
        self.ignored += 1;
    }

    /// Returns the number of messages ignored since the last report, if there are any and a report is due.
    pub(super) fn take_ignored(&mut self, now: Instant) -> Option<u64> {
        if self.ignored == 0 || self.logged_at.is_some_and(|at| now < at + LOG_EVERY) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.ignored))
    }
}

#[cfg(test)]
mod tests {
    use fanlight_protocol::Timestamp;

    use super::*;

    const CLOCK: Request = Request::Clock { asker: 1, asked_at: Timestamp::from_micros(1) };

    fn seconds(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    fn admitted(
        limits: &mut RequestLimits,
        peer: u64,
        request: &Request,
        count: usize,
        now: Instant,
    ) -> usize {
        (0..count).filter(|_| limits.admit(peer, request, now)).count()
    }

    #[test]
    fn a_flood_from_one_peer_takes_nothing_from_another() {
        let start = Instant::now();
        let mut limits = RequestLimits::new(start);
        assert_eq!(admitted(&mut limits, 1, &CLOCK, 100_000, start), 512);
        assert_eq!(admitted(&mut limits, 2, &CLOCK, 4, start), 4);
        assert_eq!(admitted(&mut limits, 1, &CLOCK, 100_000, seconds(start, 1.0)), 128);
        assert_eq!(limits.take_ignored(seconds(start, 1.0)), Some(200_000 - 512 - 128));
        limits.ignore();
        assert_eq!(limits.take_ignored(seconds(start, 10.0)), None);
        assert_eq!(limits.take_ignored(seconds(start, 11.0)), Some(1));
    }

    #[test]
    fn one_peer_causes_four_announcements_a_second_at_most() {
        let start = Instant::now();
        let mut limits = RequestLimits::new(start);
        assert_eq!(admitted(&mut limits, 1, &Request::Catalog, 1000, start), 16);
        assert_eq!(admitted(&mut limits, 1, &Request::Catalog, 1000, seconds(start, 1.0)), 4);
    }

    #[test]
    fn the_requests_of_all_peers_and_the_number_of_counted_peers_are_bounded() {
        let start = Instant::now();
        let mut limits = RequestLimits::new(start);
        let total: usize =
            (0..1000).map(|peer| admitted(&mut limits, peer, &CLOCK, 1000, start)).sum();
        assert_eq!(total, 4096);
        let later = seconds(start, 1.0);
        let counted = (0..10_000).filter(|peer| limits.admit(*peer, &CLOCK, later)).count();
        assert!(counted <= 4096 && limits.peers.len() <= MAX_PEERS);
        // Idle peers make room.
        assert!(limits.admit(77_777, &CLOCK, seconds(start, 60.0)));
        assert_eq!(limits.peers.len(), 1);
    }
}
