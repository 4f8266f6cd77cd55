//! How a publisher's clock stands to ours, measured in the manner of NTP (RFC 5905, section 8).

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Samples kept. The best of eight has met a quiet moment; at one sample in five seconds they span 40 s, in which
/// two poor quartzes (50 ppm) drift apart by 4 ms.
const SAMPLES: usize = 8;

/// One exchange: asked (ours), received (theirs), answered (theirs), heard (ours).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) asked_at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) answered_at: Timestamp,
    pub(crate) heard_at: Timestamp,
}

impl Exchange {
    /// Time on the way, both ways, without the publisher's own.
    fn round_trip(&self) -> Duration {
        let total = self.heard_at.since(self.asked_at);
        total.saturating_sub(self.answered_at.since(self.received_at))
    }

    /// Their clock minus ours, in microseconds; off by at most half the round trip.
    fn offset(&self) -> i64 {
        let there = self.received_at.micros_from(self.asked_at);
        let back = self.answered_at.micros_from(self.heard_at);
        ((i128::from(there) + i128::from(back)) / 2) as i64
    }
}

/// The estimate of one publisher's clock.
#[derive(Debug, Default)]
pub(crate) struct ClockOffset {
    samples: VecDeque<Exchange>,
    /// The samples are of a clock that may have been set meanwhile: the next one replaces them all.
    doubtful: bool,
}

impl ClockOffset {
    pub(crate) fn add(&mut self, exchange: Exchange) {
        if std::mem::take(&mut self.doubtful) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(exchange);
    }

    /// The clock may be another from now on.
    pub(crate) fn expect_another(&mut self) {
        self.doubtful = true;
    }

    /// Their clock minus ours, in microseconds: that of the exchange that was shortest on the way.
    fn micros(&self) -> Option<i64> {
        self.samples.iter().min_by_key(|sample| sample.round_trip()).map(Exchange::offset)
    }

    pub(crate) fn is_known(&self) -> bool {
        !self.samples.is_empty()
    }

    /// A moment of their clock by ours, never later than `now`: a picture is not seen before it is taken.
    pub(crate) fn to_ours(&self, theirs: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.micros().map(|micros| theirs.offset(micros.saturating_neg()).min(now))
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
    fn an_even_way_gives_the_true_offset() {
        for offset in [0, HOUR, -HOUR] {
            let mut clock = ClockOffset::default();
            clock.add(exchange(0, 500, 500, offset));
            assert_eq!(clock.micros(), Some(offset));
        }
    }

    #[test]
    fn the_shortest_way_is_believed() {
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
    fn a_clock_that_may_be_another_is_believed_until_the_next_sample() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 1, 1, 0));
        clock.expect_another();
        assert_eq!(clock.micros(), Some(0));
        clock.add(exchange(1_000_000, 500, 500, HOUR));
        assert_eq!(clock.micros(), Some(HOUR));
    }

    #[test]
    fn a_frame_is_never_from_the_future() {
        let mut clock = ClockOffset::default();
        clock.add(exchange(0, 100, 100, HOUR));
        assert_eq!(clock.to_ours(at(500).offset(HOUR), at(400)), Some(at(400)));
        assert_eq!(clock.to_ours(at(300).offset(HOUR), at(400)), Some(at(300)));
    }

    #[test]
    fn hostile_timestamps_do_not_overflow() {
        let mut clock = ClockOffset::default();
        let (zero, end) = (Timestamp::from_micros(0), Timestamp::from_micros(u64::MAX));
        clock.add(Exchange { asked_at: zero, received_at: end, answered_at: zero, heard_at: end });
        clock.to_ours(end, zero);
        clock.to_ours(zero, end);
    }
}
