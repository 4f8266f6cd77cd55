//! Counters and histograms of the viewers, in bounded memory.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::v1::ViewerState;

/// A gap longer than this is visible as a freeze.
pub const FREEZE: Duration = Duration::from_millis(200);
/// Longest age and gap that is recorded: an hour.
const LONGEST: u64 = 3_600_000_000;
/// Microseconds by which a timestamp may be ahead of the local clock, because the two clocks are not read at the same
/// time.
const AHEAD: u64 = 1000;
/// Number of different reasons that are counted separately.
const MAX_REASONS: usize = 32;

/// Counts of an event, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    /// Counts the event for this reason.
    pub fn count(&mut self, reason: &str) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: &str, times: u64) {
        let known = self.0.len() < MAX_REASONS || self.0.contains_key(reason);
        let reason = if known { reason } else { "other reasons" };
        match self.0.get_mut(reason) {
            Some(count) => *count += times,
            None => drop(self.0.insert(reason.to_owned(), times)),
        }
    }

    /// Returns the count for all reasons.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the most frequent reason.
    pub fn most_frequent(&self) -> Option<&str> {
        self.0.iter().max_by_key(|(_, times)| **times).map(|(reason, _)| &**reason)
    }

    /// Returns the counts by reason.
    pub fn by_reason(&self) -> &BTreeMap<String, u64> {
        &self.0
    }

    fn merge(&mut self, other: &Self) {
        for (reason, times) in &other.0 {
            self.add(reason, *times);
        }
    }
}

/// A frame that is complete.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Length of its message, including the header of `fanlight.v1`.
    pub bytes: u64,
    /// Arrival of its last byte, in Unix microseconds.
    pub at: u64,
    /// Capture time, if known, in Unix microseconds.
    pub captured_at: Option<u64>,
    /// Time at which the server started to send it, if known, in Unix microseconds.
    pub sent_at: Option<u64>,
    /// Time since the viewer's previous frame.
    pub gap: Option<Duration>,
    /// Number of sequences missing before it.
    pub missing: u64,
    /// It refers to the frame before.
    pub delta: bool,
    /// Its viewer did not receive, or could not decode, the frame it refers to.
    pub broken: bool,
}

/// Viewers of one kind.
#[derive(Debug, Clone)]
pub struct Group {
    /// Complete frames received.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Age at the last byte, in microseconds.
    pub ages: Histogram<u64>,
    /// Time from the start of sending to the last byte, in microseconds.
    pub sendings: Histogram<u64>,
    /// Time between complete frames, in microseconds.
    pub gaps: Histogram<u64>,
    /// Gaps longer than [`FREEZE`].
    pub freezes: u64,
    /// Sequences missing.
    pub missing: u64,
    /// Frames that refer to the frame before.
    pub deltas: u64,
    /// Frames that could not be decoded, because a frame they refer to is missing.
    pub broken: u64,
    /// Invalid capture times: in the future, or more than an hour old.
    pub odd_stamps: u64,
    /// Frames of each viewer.
    pub frames_of_each: Vec<u64>,
}

impl Default for Group {
    fn default() -> Self {
        let histogram = || Histogram::new_with_max(LONGEST, 3).expect("three digits are possible");
        Self {
            frames: 0,
            bytes: 0,
            ages: histogram(),
            sendings: histogram(),
            gaps: histogram(),
            freezes: 0,
            missing: 0,
            deltas: 0,
            broken: 0,
            odd_stamps: 0,
            frames_of_each: Vec::new(),
        }
    }
}

impl Group {
    /// Records a frame.
    pub fn frame(&mut self, arrival: &Arrival) {
        self.frames += 1;
        self.bytes += arrival.bytes;
        self.missing += arrival.missing;
        self.deltas += u64::from(arrival.delta);
        self.broken += u64::from(arrival.broken);
        if let Some(captured_at) = arrival.captured_at {
            match age(captured_at, arrival.at) {
                Some(age) => self.ages.saturating_record(age),
                None => self.odd_stamps += 1,
            }
        }
        if let Some(sending) = arrival.sent_at.and_then(|sent_at| age(sent_at, arrival.at)) {
            self.sendings.saturating_record(sending);
        }
        if let Some(gap) = arrival.gap {
            self.gap(gap);
        }
    }

    /// Records a time without a frame.
    pub fn gap(&mut self, gap: Duration) {
        self.gaps.saturating_record(u64::try_from(gap.as_micros()).unwrap_or(LONGEST));
        self.freezes += u64::from(gap > FREEZE);
    }

    fn merge(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.freezes += other.freezes;
        self.missing += other.missing;
        self.deltas += other.deltas;
        self.broken += other.broken;
        self.odd_stamps += other.odd_stamps;
        for (mine, theirs) in [
            (&mut self.ages, &other.ages),
            (&mut self.sendings, &other.sendings),
            (&mut self.gaps, &other.gaps),
        ] {
            mine.add(theirs).expect("both have the same bounds");
        }
        self.frames_of_each.extend(other.frames_of_each);
    }
}

/// Returns the age, or `None` if the timestamp is invalid.
fn age(stamp: u64, now: u64) -> Option<u64> {
    let age = now.saturating_sub(stamp);
    (stamp <= now + AHEAD && age <= LONGEST).then_some(age)
}

/// Everything that one thread counts.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// Viewers that read as fast as they can.
    pub normal: Group,
    /// Viewers that read slowly.
    pub trickling: Group,
    /// Frames since the start, of all viewers.
    pub frames_ever: u64,
    /// Successful handshakes, including those of reconnecting viewers.
    pub connected: u64,
    /// Failed handshakes of viewers that had no successful one before.
    pub refused: Reasons,
    /// Viewers closed after a successful handshake, except stalled ones; also attempts to reconnect that failed.
    pub closed: Reasons,
    /// Stalled viewers closed.
    pub stalled_closed: Reasons,
    /// Successful handshakes of viewers that reconnected.
    pub reconnects: u64,
    /// Requests that a relay denied.
    pub errors: Reasons,
    /// States that a relay sent.
    pub states: BTreeMap<&'static str, u64>,
    /// Text messages over a plain WebSocket, which are not frames.
    pub texts: u64,
    /// Binary messages that are not frames of `fanlight.v1`.
    pub not_frames: u64,
}

impl Meter {
    /// Records a state that a relay sent.
    pub fn state(&mut self, state: ViewerState) {
        let name = match state {
            ViewerState::Live => "live",
            ViewerState::Late => "late",
            ViewerState::Slow => "slow",
            ViewerState::Idle => "idle",
            ViewerState::Offline => "offline",
            ViewerState::Frozen => "frozen",
            ViewerState::Ended => "ended",
        };
        *self.states.entry(name).or_default() += 1;
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: Self) {
        self.normal.merge(other.normal);
        self.trickling.merge(other.trickling);
        self.frames_ever += other.frames_ever;
        self.connected += other.connected;
        self.reconnects += other.reconnects;
        self.texts += other.texts;
        self.not_frames += other.not_frames;
        self.refused.merge(&other.refused);
        self.closed.merge(&other.closed);
        self.stalled_closed.merge(&other.stalled_closed);
        self.errors.merge(&other.errors);
        for (state, times) in other.states {
            *self.states.entry(state).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Arrival = Arrival {
        bytes: 10,
        at: 5_000_000_000,
        captured_at: None,
        sent_at: None,
        gap: None,
        missing: 0,
        delta: false,
        broken: false,
    };

    #[test]
    fn an_invalid_timestamp_is_counted_but_not_used() {
        let mut group = Group::default();
        for captured_at in [ARRIVAL.at - 1500, ARRIVAL.at + 500, ARRIVAL.at + 5000, 17] {
            group.frame(&Arrival { captured_at: Some(captured_at), ..ARRIVAL });
        }
        assert_eq!((group.frames, group.ages.len(), group.odd_stamps), (4, 2, 2));
        assert!((1500..=1501).contains(&group.ages.max()));
    }

    #[test]
    fn a_long_gap_is_a_freeze() {
        let mut group = Group::default();
        for millis in [33, 200, 201, 9_000_000] {
            group.frame(&Arrival { gap: Some(Duration::from_millis(millis)), ..ARRIVAL });
        }
        assert_eq!((group.gaps.len(), group.freezes), (4, 2));
    }

    #[test]
    fn reasons_are_bounded_and_every_event_is_counted() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.count(&format!("reason {number}"));
        }
        let mut both = Reasons::default();
        both.merge(&reasons);
        both.merge(&reasons);
        assert_eq!((both.total(), both.most_frequent()), (200, Some("other reasons")));
        assert!(both.by_reason().len() <= MAX_REASONS + 1);
    }

    #[test]
    fn counts_of_threads_are_added() {
        let mut all = Meter::default();
        for _ in 0..2 {
            let mut one = Meter::default();
            one.normal.frame(&Arrival { missing: 3, ..ARRIVAL });
            one.state(ViewerState::Slow);
            all.merge(one);
        }
        assert_eq!((all.normal.frames, all.normal.missing, all.states["slow"]), (2, 6, 2));
    }
}
