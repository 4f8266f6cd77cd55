//! How many bits a second one socket may be sent, by how what was sent fared. No IO and no clock.
//!
//! A limit is not known until it is met. Then it is what came through meanwhile, less a little. It is known to be too low
//! only by trying: after a while without trouble somebody is given more, and watched closely. Where that goes well, the
//! next one follows at once; where it does not, what was before is restored at the first sign, and the next trial comes
//! later.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::hub::SendStats;

/// How often it is looked at how things fare, and how often after a change.
const LOOK: Duration = Duration::from_millis(300);
const CLOSE_LOOK: Duration = Duration::from_millis(100);
/// Trouble in so many looks in a row is no hiccup.
const IN_A_ROW: u32 = 2;
/// The same for close looks: a busy machine's hiccup spans two of them.
const CLOSE_IN_A_ROW: u32 = 3;
/// Drops come in twos, as a ring has that capacity: so many close looks without may lie in between.
const IN_BETWEEN: u32 = 3;
/// More than one frame in so many dropped is trouble: as it makes a viewer slow.
const TOLERATED_SHARE: u64 = 5;
/// Under a close look one that is late is trouble, one dropped is more, and so many dropped at once are a stall, which is
/// trouble enough.
const DROPPED: u32 = 2;
const STALL: u64 = 5;
/// A share of frames dropped that is no trouble at once is trouble when it lasts. It is averaged over looks, each
/// of which counts so much: one hiccup stays below it.
const LASTING: f64 = 0.125;
const WEIGHT: f64 = 0.1;
/// Below this there is none.
const NONE: f64 = 0.03;
/// More than one frame of GOPs in so many that waited for the link is a keyframe that it carries slowly: so slowly that the
/// next larger rendition, with some three times the bytes, would be too much.
const QUEUE: u64 = 10;
/// What is left of what came through: a link that is filled to its brim has a queue.
const KEPT: f64 = 0.75;

/// After a change down, what the link still holds of before says nothing, for this long and some round trips.
const SETTLE: Duration = Duration::from_millis(400);
const ROUND_TRIPS: u32 = 4;
/// Distance excuses no more than this: a round trip that is measured longer has met a queue.
const FAR: Duration = Duration::from_millis(150);
/// A receiver that was slow in the first seconds of a socket was starting: a browser that loads a page, a program that opens
/// a window. A narrow link does not make sending wait for the receiver.
const START_UP: Duration = Duration::from_secs(6);
/// How long a change is watched closely. A queue on a link that is a little too narrow takes more than a second to show.
const TRIAL: Duration = Duration::from_secs(2);
/// Without trouble for this long, more is tried; and twice as long after each time that failed, but no longer than can
/// be borne by somebody whose link is well again: with two trials one after the other, less than 10 s.
const FIRST_WAIT: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(6);
/// The same where there are deltas and the link loses segments: what it sustains changes by chance, so a trial that goes well
/// proves little, and one that fails makes pictures old until the next keyframe.
const FIRST_WAIT_IF_LOSSY: Duration = Duration::from_secs(6);
/// Where there are deltas, a trial that fails costs two keyframes, and the pictures until the second.
const LONGEST_WAIT_IN_GOPS: Duration = Duration::from_secs(24);
/// How much more is tried, in parts of the limit, where it is not known how much is too much: a wall has many tiles to
/// raise.
const BOLD: u64 = 2;

/// What was seen of a socket so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// What its viewers were sent, all together.
    pub tally: SendStats,
    /// Bytes that were acknowledged by the other side.
    pub acked: u64,
    /// The shortest round trip of late.
    pub distance: Duration,
    /// Whether any of its viewers is sent deltas.
    pub in_gops: bool,
    /// Whether any of its viewers is about to go on with another track.
    pub switching: bool,
    /// Whether that is one of another size.
    pub resizing: bool,
    /// Whether sending has recently waited for the receiver rather than for the network.
    pub waited_for_receiver: bool,
    /// Whether the link has recently lost segments.
    pub lossy: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// Keep to this limit, in bits a second, and less than now in any case.
    Less(u64),
    /// Try whether there is room for more: up to this limit, or the least that is more than now.
    More(u64),
    /// Restore what was before the trial.
    Back,
}

/// The budget of one socket.
#[derive(Debug, Default)]
pub struct BandwidthEstimate {
    /// Bits a second; `None` while no limit is known.
    limit: Option<u64>,
    /// When this look began, and what had been seen until then.
    from: Option<(Timestamp, Seen)>,
    /// The moment when the first look began.
    began: Option<Timestamp>,
    /// Looks with trouble in a row, and those without since.
    troubled: u32,
    calm: u32,
    /// The average share of frames dropped.
    share: f64,
    /// Where the trouble began.
    trouble_from: (Timestamp, Seen),
    /// What comes before this says nothing.
    deaf_until: Timestamp,
    /// Looks are close until then.
    close_until: Timestamp,
    /// Since when there was no trouble.
    well_since: Timestamp,
    /// So much was too much, when it was tried last.
    ceiling: Option<u64>,
    /// How many trials have failed since as much as that went well.
    failed: u32,
    /// The limit before the trial that is under way.
    trial: Option<u64>,
    /// What is sent is what was sent before a trial: known to fit.
    restored: bool,
}

impl BandwidthEstimate {
    /// Bits a second; `None` while no limit is known.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// When to look next.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let every = if now < self.close_until { CLOSE_LOOK } else { LOOK };
        self.from.is_none_or(|(from, _)| now.since(from) >= every)
    }

    /// What was seen until now says nothing any more: there are other viewers, or they want something else.
    pub fn restart(&mut self, now: Timestamp, seen: Seen) {
        self.from = None;
        self.overlook(now, seen);
    }

    /// Looks at what was seen until now.
    pub fn look(&mut self, now: Timestamp, seen: Seen) -> Verdict {
        let Some((from, before)) = self.from.filter(|_| now >= self.deaf_until && !seen.switching)
        else {
            self.overlook(now, seen);
            return Verdict::Stay;
        };
        let began = *self.began.get_or_insert(from);
        if seen.waited_for_receiver && now.since(began) < START_UP {
            self.from = Some((now, seen));
            self.forget_trouble();
            return Verdict::Stay;
        }
        let since = Since::new(before.tally, seen.tally);
        if since.sent + since.dropped == 0 {
            // Whether anything is dropped meanwhile is known with the next frame.
            return Verdict::Stay;
        }
        self.from = Some((now, seen));
        if self.troubled == 0 && self.share < NONE {
            self.trouble_from = (from, before);
        }
        let close = now < self.close_until;
        let trouble = self.note(since, close);
        if self.troubled >= in_a_row(close) || self.share > LASTING {
            return self.give_way(now, seen);
        }
        // No trouble, but no time to try more either.
        let queues = since.queued * QUEUE > since.sent;
        if trouble || queues && !close {
            self.well_since = now;
            return Verdict::Stay;
        }
        self.fare_well(now, close, seen)
    }

    /// Takes in what was sent and dropped during one look; returns whether that was trouble.
    fn note(&mut self, since: Since, close: bool) -> bool {
        let trouble = since.trouble(close);
        self.calm = if trouble > 0 { 0 } else { self.calm + 1 };
        if self.calm > if close { IN_BETWEEN } else { 0 } {
            self.troubled = 0;
        }
        self.troubled += trouble;
        if !close {
            self.share += (since.share() - self.share) * WEIGHT;
        }
        trouble > 0
    }

    /// From now on this limit is kept to, as so many bits a second were too many.
    pub fn keep_to(&mut self, limit: u64, too_many: u64) {
        self.limit = Some(limit);
        self.ceiling = Some(too_many);
    }

    /// More is tried, so many bits a second in all. Without: nobody needs more, and no limit is known.
    pub fn attempt(&mut self, now: Timestamp, bits: Option<u64>) {
        self.trial = self.limit.filter(|_| bits.is_some());
        self.limit = bits.and_then(|bits| Some(self.limit?.max(bits)));
        self.close_until = now + TRIAL;
        self.restored = false;
    }

    fn overlook(&mut self, now: Timestamp, seen: Seen) {
        // At the beginning a connection has to find out how fast it is.
        if seen.switching || self.from.is_none() {
            let round_trips = seen.distance.min(FAR) * ROUND_TRIPS;
            let settle = if self.trial.is_some() { Duration::ZERO } else { SETTLE };
            self.deaf_until = now + settle + round_trips;
            if seen.resizing && !self.restored {
                self.close_until = self.deaf_until + TRIAL;
            }
        }
        self.from = Some((now, seen));
        self.forget_trouble();
        self.well_since = now;
    }

    fn forget_trouble(&mut self) {
        (self.troubled, self.calm, self.share) = (0, 0, 0.0);
    }

    fn fare_well(&mut self, now: Timestamp, close: bool, seen: Seen) -> Verdict {
        let Some(limit) = self.limit.filter(|_| !close) else { return Verdict::Stay };
        if self.ceiling.is_some_and(|ceiling| limit >= ceiling) {
            (self.ceiling, self.failed) = (None, 0);
        }
        let longest = if seen.in_gops { LONGEST_WAIT_IN_GOPS } else { LONGEST_WAIT };
        let patient = seen.in_gops && seen.lossy;
        let first = if patient { FIRST_WAIT_IF_LOSSY } else { FIRST_WAIT };
        let wait = (first * 2_u32.pow(self.failed.min(8))).min(longest);
        let went_well = self.trial.take().is_some();
        if went_well && patient {
            self.well_since = now;
        }
        if (patient || !went_well) && now.since(self.well_since) < wait {
            return Verdict::Stay;
        }
        // Between what is known to fit and what is known not to.
        let midway = self.ceiling.map_or(u64::MAX, |ceiling| limit.midpoint(ceiling));
        Verdict::More(midway.min(limit.saturating_mul(BOLD)))
    }

    fn give_way(&mut self, now: Timestamp, seen: Seen) -> Verdict {
        self.forget_trouble();
        self.well_since = now;
        if let Some(limit) = self.trial.take() {
            self.ceiling = self.limit.replace(limit);
            self.failed += 1;
            (self.restored, self.close_until) = (true, now);
            return Verdict::Back;
        }
        (self.failed, self.restored) = (0, false);
        let (from, before) = self.trouble_from;
        let sent = seen.tally.bytes.saturating_sub(before.tally.bytes);
        let came_through = sent.min(seen.acked.saturating_sub(before.acked));
        let bits = came_through as f64 * 8.0 / now.since(from).as_secs_f64();
        Verdict::Less((bits * KEPT) as u64)
    }
}

fn in_a_row(close: bool) -> u32 {
    if close { CLOSE_IN_A_ROW } else { IN_A_ROW }
}

/// What happened from one tally to the next.
#[derive(Debug, Clone, Copy)]
struct Since {
    sent: u64,
    /// Not sent, or so late that it need not have been.
    dropped: u64,
    late: u64,
    queued: u64,
}

impl Since {
    fn new(before: SendStats, after: SendStats) -> Self {
        let since = |of: fn(&SendStats) -> u64| of(&after).saturating_sub(of(&before));
        Self {
            sent: since(|tally| tally.sent),
            dropped: since(|tally| tally.dropped + tally.far_behind),
            late: since(|tally| tally.late),
            queued: since(|tally| tally.queued),
        }
    }

    /// How much trouble that was, in looks.
    fn trouble(self, close: bool) -> u32 {
        let Self { sent, dropped, late, .. } = self;
        match dropped {
            _ if !close => (dropped * TOLERATED_SHARE > sent + dropped).into(),
            STALL.. => CLOSE_IN_A_ROW,
            1.. => DROPPED,
            0 => (late > 0).into(),
        }
    }

    /// The share of frames that were dropped.
    fn share(self) -> f64 {
        self.dropped as f64 / (self.sent + self.dropped) as f64
    }
}
