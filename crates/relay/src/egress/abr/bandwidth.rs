//! The bandwidth estimate of one socket, from the fate of the frames sent so far. No IO and no clock.
//!
//! No limit is known until the first congestion. The limit is then the measured throughput, less a margin. Only a probe
//! can show that it is too low: after some time without congestion, one viewer or more get a larger rendition and are
//! checked at short intervals. If that succeeds, the next probe follows immediately. If it fails, the previous
//! renditions are restored at the first sign of congestion, and the next probe comes later.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::hub::SendStats;

/// Interval of checks, and the interval after a change.
const CHECK: Duration = Duration::from_millis(300);
const CLOSE_CHECK: Duration = Duration::from_millis(100);
/// Congestion in this many checks in a row is more than a hiccup.
const IN_A_ROW: u32 = 2;
/// The same for close checks: a hiccup of a busy machine spans two of them.
const CLOSE_IN_A_ROW: u32 = 3;
/// Most close checks without congestion that do not end a row. Drops come in pairs because the ring of a JPEG track
/// holds two frames.
const MAX_CALM: u32 = 3;
/// Dropping more than one frame in this many is congestion. The same share makes a viewer count as slow.
const TOLERATED_DROPS: u64 = 5;
/// Weight of a dropped frame in a close check; a frame that waited counts 1.
const DROPPED: u32 = 2;
/// Number of frames dropped within one close check that is a stall, which alone counts as a full row.
const STALL: u64 = 5;
/// A share of dropped frames that is tolerated in one check is congestion if its average exceeds this. One hiccup stays
/// below.
const LASTING: f64 = 0.125;
/// Weight of one check in that average.
const WEIGHT: f64 = 0.1;
/// An average below this counts as no drops at all.
const NONE: f64 = 0.03;
/// More than one H.264 frame in this many that waited for the link shows that the link transmits keyframes slowly. The
/// next larger rendition, with about three times the bytes, would be too much.
const QUEUED_SHARE: u64 = 10;
/// Part of the measured throughput that becomes the limit. A fully used link has a queue.
const UTILISATION: f64 = 0.75;

/// Time after a change down for which checks are ignored, because the link still holds frames from before. Some round
/// trips are added.
const SETTLE: Duration = Duration::from_millis(400);
const ROUND_TRIPS: u32 = 4;
/// Longest round trip that counts here. A longer one was measured while a queue was full.
const MAX_RTT: Duration = Duration::from_millis(150);
/// In the first seconds of a socket, a receiver that limits sending is still starting: a browser loads a page, a
/// program opens a window. A narrow link does not show as a limit by the receiver.
const START_UP: Duration = Duration::from_secs(6);
/// Time for which a change is checked closely. A queue on a slightly too narrow link takes more than a second to show.
const PROBE: Duration = Duration::from_secs(2);
/// Time without congestion before a probe. It doubles with each failed probe, up to a maximum that keeps the recovery
/// of a link short: with two probes in a row, less than 10 s.
const FIRST_WAIT: Duration = Duration::from_secs(3);
const MAX_WAIT: Duration = Duration::from_secs(6);
/// The same for H.264 on a link that loses segments. Its throughput varies by chance, so a successful probe proves
/// little, and a failed one makes frames wait until the next keyframe.
const FIRST_WAIT_IF_LOSSY: Duration = Duration::from_secs(6);
/// The maximum for H.264, for which a failed probe costs two keyframes and the frames until the second one.
const MAX_WAIT_WITH_DELTAS: Duration = Duration::from_secs(24);
/// Factor of the limit that is probed if no ceiling is known. A wall has many tiles to raise.
const PROBE_FACTOR: u64 = 2;

/// The state of a socket at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observation {
    /// The counters of all its viewers together.
    pub stats: SendStats,
    /// Bytes that the other side has acknowledged.
    pub acked: u64,
    /// The shortest recent round trip.
    pub min_rtt: Duration,
    /// True if any of its viewers is sent deltas.
    pub has_deltas: bool,
    /// True if any of its viewers is switching to another track.
    pub switching: bool,
    /// True if that track has another size.
    pub resizing: bool,
    /// True if the receiver rather than the network has recently limited sending.
    pub receiver_limited: bool,
    /// True if the link has recently lost segments.
    pub lossy: bool,
}

/// The change that a check calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// No change.
    None,
    /// Stay within this limit, in bits a second, and send less than now in any case.
    Lower(u64),
    /// Probe for more bandwidth: up to this limit, or the smallest step up.
    Probe(u64),
    /// Restore the renditions from before the probe.
    Revert,
}

/// The bandwidth estimate of one socket.
#[derive(Debug, Default)]
pub struct BandwidthEstimate {
    /// The limit in bits a second; `None` while none is known.
    limit: Option<u64>,
    /// The moment and the observation of the last check.
    last: Option<(Timestamp, Observation)>,
    /// The moment when the first check began.
    started_at: Option<Timestamp>,
    /// Checks with congestion in a row, and checks without congestion since.
    congested: u32,
    calm: u32,
    /// The average share of dropped frames.
    dropped_share: f64,
    /// The moment and the observation before the congestion began.
    congestion_start: (Timestamp, Observation),
    /// Checks before this moment are ignored.
    settled_at: Timestamp,
    /// Checks are close until this moment.
    close_until: Timestamp,
    /// The moment since which there was no congestion.
    clear_since: Timestamp,
    /// The bitrate that was too much when it was last tried.
    ceiling: Option<u64>,
    /// Probes that have failed since the ceiling was last reached without congestion.
    failed_probes: u32,
    /// The limit before the probe in progress.
    probed_from: Option<u64>,
    /// True if the present renditions were restored after a probe; they are then known to fit.
    restored: bool,
}

impl BandwidthEstimate {
    /// Returns the limit in bits a second; `None` while none is known.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Returns whether a check is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let every = if now < self.close_until { CLOSE_CHECK } else { CHECK };
        self.last.is_none_or(|(last, _)| now.since(last) >= every)
    }

    /// Discards earlier observations, because the viewers or their requests have changed.
    pub fn restart(&mut self, now: Timestamp, observation: Observation) {
        self.last = None;
        self.skip(now, observation);
    }

    /// Takes an observation of now; returns the adjustment that it calls for.
    pub fn update(&mut self, now: Timestamp, observation: Observation) -> Adjustment {
        let settled = now >= self.settled_at && !observation.switching;
        let Some((from, before)) = self.last.filter(|_| settled) else {
            self.skip(now, observation);
            return Adjustment::None;
        };
        let started_at = *self.started_at.get_or_insert(from);
        if observation.receiver_limited && now.since(started_at) < START_UP {
            self.last = Some((now, observation));
            self.clear_congestion();
            return Adjustment::None;
        }
        let delta = StatsDelta::new(before.stats, observation.stats);
        if delta.sent + delta.dropped == 0 {
            // Drops since the last frame are only known with the next frame.
            return Adjustment::None;
        }
        self.last = Some((now, observation));
        if self.congested == 0 && self.dropped_share < NONE {
            self.congestion_start = (from, before);
        }
        let close = now < self.close_until;
        let congested = self.note(delta, close);
        if self.congested >= in_a_row(close) || self.dropped_share > LASTING {
            return self.back_off(now, observation);
        }
        // Slow keyframes are no congestion, but they rule out a probe.
        let queued = delta.queued * QUEUED_SHARE > delta.sent;
        if congested || queued && !close {
            self.clear_since = now;
            return Adjustment::None;
        }
        self.consider_probe(now, close, observation)
    }

    /// Takes the counters of one check; returns whether they show congestion.
    fn note(&mut self, delta: StatsDelta, close: bool) -> bool {
        let congestion = delta.congestion(close);
        self.calm = if congestion > 0 { 0 } else { self.calm + 1 };
        if self.calm > if close { MAX_CALM } else { 0 } {
            self.congested = 0;
        }
        self.congested += congestion;
        if !close {
            self.dropped_share += (delta.dropped_share() - self.dropped_share) * WEIGHT;
        }
        congestion > 0
    }

    /// Sets the limit, after `too_much` bits a second caused congestion.
    pub fn set_limit(&mut self, limit: u64, too_much: u64) {
        self.limit = Some(limit);
        self.ceiling = Some(too_much);
    }

    /// Begins a probe with this many bits a second in all. `None` means that no viewer needs more: the limit is then
    /// dropped.
    pub fn begin_probe(&mut self, now: Timestamp, bits: Option<u64>) {
        self.probed_from = self.limit.filter(|_| bits.is_some());
        self.limit = bits.and_then(|bits| Some(self.limit?.max(bits)));
        self.close_until = now + PROBE;
        self.restored = false;
    }

    /// Skips a check: the link still holds frames from before a change.
    fn skip(&mut self, now: Timestamp, observation: Observation) {
        // A new connection needs the same time to find its rate.
        if observation.switching || self.last.is_none() {
            let round_trips = observation.min_rtt.min(MAX_RTT) * ROUND_TRIPS;
            let settle = if self.probed_from.is_some() { Duration::ZERO } else { SETTLE };
            self.settled_at = now + settle + round_trips;
            if observation.resizing && !self.restored {
                self.close_until = self.settled_at + PROBE;
            }
        }
        self.last = Some((now, observation));
        self.clear_congestion();
        self.clear_since = now;
    }

    fn clear_congestion(&mut self) {
        (self.congested, self.calm, self.dropped_share) = (0, 0, 0.0);
    }

    /// Returns a probe if there was no congestion for long enough.
    fn consider_probe(
        &mut self,
        now: Timestamp,
        close: bool,
        observation: Observation,
    ) -> Adjustment {
        let Some(limit) = self.limit.filter(|_| !close) else { return Adjustment::None };
        if self.ceiling.is_some_and(|ceiling| limit >= ceiling) {
            (self.ceiling, self.failed_probes) = (None, 0);
        }
        let max = if observation.has_deltas { MAX_WAIT_WITH_DELTAS } else { MAX_WAIT };
        let patient = observation.has_deltas && observation.lossy;
        let first = if patient { FIRST_WAIT_IF_LOSSY } else { FIRST_WAIT };
        let wait = (first * 2_u32.pow(self.failed_probes.min(8))).min(max);
        let succeeded = self.probed_from.take().is_some();
        if succeeded && patient {
            self.clear_since = now;
        }
        if (patient || !succeeded) && now.since(self.clear_since) < wait {
            return Adjustment::None;
        }
        // The midpoint lies between a bitrate that is known to fit and one that is known not to.
        let midpoint = self.ceiling.map_or(u64::MAX, |ceiling| limit.midpoint(ceiling));
        Adjustment::Probe(midpoint.min(limit.saturating_mul(PROBE_FACTOR)))
    }

    /// Reacts to congestion: reverts a probe, or lowers the limit to the measured throughput less a margin.
    fn back_off(&mut self, now: Timestamp, observation: Observation) -> Adjustment {
        self.clear_congestion();
        self.clear_since = now;
        if let Some(limit) = self.probed_from.take() {
            self.ceiling = self.limit.replace(limit);
            self.failed_probes += 1;
            (self.restored, self.close_until) = (true, now);
            return Adjustment::Revert;
        }
        (self.failed_probes, self.restored) = (0, false);
        let (from, before) = self.congestion_start;
        let sent = observation.stats.bytes.saturating_sub(before.stats.bytes);
        let delivered = sent.min(observation.acked.saturating_sub(before.acked));
        let throughput = delivered as f64 * 8.0 / now.since(from).as_secs_f64();
        Adjustment::Lower((throughput * UTILISATION) as u64)
    }
}

fn in_a_row(close: bool) -> u32 {
    if close { CLOSE_IN_A_ROW } else { IN_A_ROW }
}

/// The change of the counters between two checks.
#[derive(Debug, Clone, Copy)]
struct StatsDelta {
    sent: u64,
    /// Frames that were not sent, or waited too long to be of use.
    dropped: u64,
    waited: u64,
    queued: u64,
}

impl StatsDelta {
    fn new(before: SendStats, after: SendStats) -> Self {
        let delta = |of: fn(&SendStats) -> u64| of(&after).saturating_sub(of(&before));
        Self {
            sent: delta(|stats| stats.sent),
            dropped: delta(|stats| stats.dropped + stats.far_behind),
            waited: delta(|stats| stats.waited),
            queued: delta(|stats| stats.queued),
        }
    }

    /// Returns the congestion, counted in checks.
    fn congestion(self, close: bool) -> u32 {
        let Self { sent, dropped, waited, .. } = self;
        match dropped {
            _ if !close => (dropped * TOLERATED_DROPS > sent + dropped).into(),
            STALL.. => CLOSE_IN_A_ROW,
            1.. => DROPPED,
            0 => (waited > 0).into(),
        }
    }

    /// Returns the share of frames that were dropped.
    fn dropped_share(self) -> f64 {
        self.dropped as f64 / (self.sent + self.dropped) as f64
    }
}
