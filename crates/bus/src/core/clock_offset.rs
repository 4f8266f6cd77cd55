//! The offset of a publisher's clock, measured as in NTP (RFC 5905, section 8).

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Samples kept: the best one, however old, and the newest ones. One of eight is likely to have met an idle link.
const SAMPLES: usize = 8;
/// The drift between two clocks: two poor quartz oscillators, 50 ppm each. It increases the error of a sample as it ages. A
/// link that is congested for a while therefore does not replace a good measurement by bad ones.
const DRIFT_PPM: u64 = 100;
/// Microseconds by which samples of one clock may differ beyond their errors: readings are not exact.
const AGREEMENT: u128 = 1000;

/// One exchange: asked and heard by this process's clock, received and answered by the publisher's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) asked_at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) answered_at: Timestamp,
    pub(super) heard_at: Timestamp,
}

impl Exchange {
    /// Returns the round trip, without the publisher's processing time.
    fn round_trip(&self) -> Duration {
        let total = self.heard_at.since(self.asked_at);
        total.saturating_sub(self.answered_at.since(self.received_at))
    }

    /// Returns the largest error of the offset at `now`, in microseconds: half the round trip plus the drift since then.
    fn uncertainty(&self, now: Timestamp) -> u64 {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let drift = micros(now.since(self.heard_at)) / 1_000_000 * DRIFT_PPM;
        (micros(self.round_trip()) / 2).saturating_add(drift)
    }

    /// Returns whether these times are possible: making an answer takes no longer than waiting for it.
    pub(super) fn is_possible(&self) -> bool {
        let making = self.answered_at.micros_from(self.received_at);
        (0..=self.heard_at.micros_from(self.asked_at)).contains(&making)
    }

    /// Returns the publisher's clock minus this process's, in microseconds; wrong by at most half the round trip.
    fn offset(&self) -> i64 {
        let there = self.received_at.micros_from(self.asked_at);
        let back = self.answered_at.micros_from(self.heard_at);
        ((i128::from(there) + i128::from(back)) / 2) as i64
    }
}

/// The estimate of one publisher's clock.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    /// Oldest first.
    samples: VecDeque<Exchange>,
    /// The publisher's clock may have been set since these samples: a sample that contradicts them replaces them all.
    doubtful: bool,
}

impl ClockOffset {
    pub(super) fn add(&mut self, exchange: Exchange) {
        if std::mem::take(&mut self.doubtful) && !self.agrees_with(&exchange) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES {
            // The oldest, or the second oldest if the oldest is the best.
            let oldest_is_best = self.best(exchange.heard_at) == Some(0);
            self.samples.remove(usize::from(oldest_is_best));
        }
        self.samples.push_back(exchange);
    }

    /// Returns whether the estimate lies within the error of a new sample. A sample from a congested link has an error of
    /// seconds: it adds no information, and must not replace a good estimate.
    fn agrees_with(&self, exchange: &Exchange) -> bool {
        let Some(estimate) = self.micros() else { return false };
        let difference = (i128::from(estimate) - i128::from(exchange.offset())).unsigned_abs();
        difference <= u128::from(exchange.uncertainty(exchange.heard_at)) + AGREEMENT
    }

    /// Returns the index of the sample with the smallest error at `now`; the newest of equals.
    fn best(&self, now: Timestamp) -> Option<usize> {
        let newest_first = self.samples.iter().enumerate().rev();
        newest_first.min_by_key(|(_, sample)| sample.uncertainty(now)).map(|(index, _)| index)
    }

    /// Notes that the clock may have been set.
    pub(super) fn expect_another(&mut self) {
        self.doubtful = true;
    }

    /// Returns the publisher's clock minus this process's, in microseconds, by the exchange with the smallest error.
    fn micros(&self) -> Option<i64> {
        let now = self.samples.back()?.heard_at;
        self.best(now).and_then(|index| self.samples.get(index)).map(Exchange::offset)
    }

    /// Returns the shortest known round trip; zero while none is known.
    pub(super) fn round_trip(&self) -> Duration {
        self.samples.iter().map(Exchange::round_trip).min().unwrap_or_default()
    }

    pub(super) fn is_known(&self) -> bool {
        !self.samples.is_empty()
    }

    /// Translates a time of the publisher's clock to this process's. The result may lie in the future, by the error of the
    /// estimate or because the publisher's time is wrong.
    pub(super) fn to_ours(&self, theirs: Timestamp) -> Option<Timestamp> {
        self.micros().map(|micros| theirs.offset(micros.saturating_neg()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + micros)
    }

    fn exchange(asked: u64, there: u64, back: u64, offset: i64) -> Exchange {
        Exchange {
            asked_at: at(asked),
            received_at: at(asked + there).offset(offset),
            answered_at: at(asked + there + 10).offset(offset),
            heard_at: at(asked + there + 10 + back),
        }
    }

    #[test]
    fn a_symmetric_link_gives_the_true_offset() {
        for offset in [0, HOUR, -HOUR] {
            let mut clock = ClockOffset::default();
            clock.add(exchange(0, 500, 500, offset));
            assert_eq!(clock.micros(), Some(offset));
        }
    }

    #[test]
    fn the_shortest_round_trip_is_believed() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 90_000, 10, HOUR));
        clock.add(exchange(100_000, 100, 100, HOUR));
        clock.add(exchange(200_000, 10, 90_000, HOUR));
        assert_eq!(clock.micros(), Some(HOUR));
    }

    #[test]
    fn old_samples_are_forgotten_so_that_drift_is_followed() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 1, 1, 0));
        for sample in 1..=SAMPLES as u64 {
            clock.add(exchange(sample * 5_000_000, 100, 100, 700));
        }
        assert_eq!(clock.micros(), Some(700));
    }

    #[test]
    fn a_clock_that_may_have_been_set_is_believed_until_the_next_sample() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 1, 1, 0));
        clock.expect_another();
        assert_eq!(clock.micros(), Some(0));
        clock.add(exchange(1_000_000, 500, 500, HOUR));
        assert_eq!(clock.micros(), Some(HOUR));
    }

    #[test]
    fn a_link_that_becomes_congested_does_not_move_the_clock() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 500, 500, HOUR));
        // Answers wait behind 8 s of frames: each of these samples alone is off by 4 s.
        for sample in 1..=100 {
            clock.add(exchange(sample * 5_000_000, 500, 8_000_000, HOUR));
        }
        assert_eq!(clock.micros(), Some(HOUR));
        clock.expect_another();
        clock.add(exchange(505_000_000, 500, 8_000_000, HOUR));
        assert_eq!(clock.micros(), Some(HOUR), "also after a silence");
    }

    #[test]
    fn an_answer_that_took_longer_to_make_than_to_wait_for_is_not_possible() {
        assert!(exchange(0, 100, 100, HOUR).is_possible());
        let moved = Exchange { answered_at: at(1_000_000), ..exchange(0, 100, 100, 0) };
        assert!(!moved.is_possible());
        let backwards = Exchange { answered_at: at(50), ..exchange(0, 100, 100, 0) };
        assert!(!backwards.is_possible());
    }

    #[test]
    fn hostile_timestamps_do_not_overflow() {
        let mut clock = ClockOffset::default();
        let (zero, end) = (Timestamp::from_micros(0), Timestamp::from_micros(u64::MAX));
        clock.add(Exchange { asked_at: zero, received_at: end, answered_at: zero, heard_at: end });
        clock.add(Exchange { asked_at: end, received_at: zero, answered_at: end, heard_at: zero });
        clock.to_ours(end);
        clock.to_ours(zero);
    }
}
