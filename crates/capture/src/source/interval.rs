//! Estimate of the frame interval of a source that does not announce it. Takes `now` as an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::stall;

/// The interval assumed at first. It suits sources that send a snapshot every few seconds: the silence that counts as a
/// stall is ten seconds long.
const ASSUMED: Duration = Duration::from_secs(2);
/// The longest interval, for which a silence of 50 s counts as a stall.
const LONGEST: Duration = Duration::from_secs(10);
/// The weight of a new gap is one in this number: after six gaps of a fast source, a silence of two seconds is a stall.
const SMOOTHING: u32 = 4;

/// The frame interval as earlier connections have shown it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct KnownInterval(Arc<Mutex<Known>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    #[default]
    Nothing,
    /// The source may be slow: it was silent for longer than allowed for an interval that was assumed to be shorter.
    AtMost(Duration),
    Measured(Duration),
}

impl KnownInterval {
    /// Returns the interval to assume for a new connection. Starting takes longer than one frame, so it is not shorter
    /// than that of an unknown source.
    fn assumed(&self) -> Duration {
        match *self.0.lock() {
            Known::Nothing => ASSUMED,
            Known::AtMost(interval) | Known::Measured(interval) => interval.max(ASSUMED),
        }
    }

    /// Allows for a slower source, unless its interval is known: the next attempt waits twice as long.
    pub(super) fn stalled(&self) {
        let mut known = self.0.lock();
        let assumed = match *known {
            Known::Nothing => ASSUMED,
            Known::AtMost(interval) => interval,
            Known::Measured(_) => return,
        };
        *known = Known::AtMost((assumed * 2).min(LONGEST));
    }
}

/// The frame interval, estimated from the frames that arrived.
#[derive(Debug)]
pub(super) struct IntervalEstimate {
    interval: Duration,
    alive_at: Instant,
    began: bool,
    known: KnownInterval,
}

impl IntervalEstimate {
    /// Returns the estimate for a source that was opened at this time.
    pub(super) fn new(known: &KnownInterval, opened_at: Instant) -> Self {
        let interval = known.assumed();
        Self { interval, alive_at: opened_at, began: false, known: known.clone() }
    }

    /// Records the arrival of a frame.
    pub(super) fn record(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.alive_at);
        if std::mem::replace(&mut self.began, true) {
            let smoothed = (self.interval * (SMOOTHING - 1) + gap) / SMOOTHING;
            self.interval = smoothed.min(LONGEST);
            *self.known.0.lock() = Known::Measured(self.interval);
        }
        self.alive_at = now;
    }

    /// Returns the estimated frame interval.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns the silence after which the source counts as stalled.
    pub(super) fn limit(&self) -> Duration {
        stall::limit(Some(self.interval))
    }

    /// Returns how long the source has been silent, if it counts as stalled.
    pub(super) fn stalled(&self, now: Instant) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.alive_at);
        (silent > self.limit()).then_some(silent)
    }

    /// Notes that the source counts as stalled.
    pub(super) fn stall(&self) {
        self.known.stalled();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stall limit after this number of frames at this interval.
    fn limit(gap: Duration, frames: u32) -> Duration {
        let start = Instant::now();
        let mut estimate = IntervalEstimate::new(&KnownInterval::default(), start);
        (0..frames).for_each(|number| estimate.record(start + gap * number));
        estimate.limit()
    }

    #[test]
    fn the_limit_is_ten_seconds_at_first_and_two_for_a_fast_source() {
        let fast = Duration::from_millis(33);
        assert_eq!(limit(fast, 0), Duration::from_secs(10));
        assert_eq!(limit(fast, 1), Duration::from_secs(10));
        assert_eq!(limit(fast, 8), Duration::from_secs(2));
    }

    #[test]
    fn the_limit_of_a_slow_source_is_longer_but_bounded() {
        let slow = limit(Duration::from_secs(4), 20);
        assert!((Duration::from_secs(15)..Duration::from_secs(21)).contains(&slow), "{slow:?}");
        assert_eq!(limit(Duration::from_secs(3600), 20), Duration::from_secs(50));
    }

    #[test]
    fn silence_counts_from_the_last_frame() {
        let start = Instant::now();
        let mut estimate = IntervalEstimate::new(&KnownInterval::default(), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(estimate.stalled(at(10)), None);
        assert_eq!(estimate.stalled(at(11)), Some(Duration::from_secs(11)));
        estimate.record(at(9));
        assert_eq!(estimate.stalled(at(19)), None);
    }

    #[test]
    fn a_silent_source_gets_more_time_at_each_attempt() {
        let known = KnownInterval::default();
        let start = Instant::now();
        let limits = [(); 5].map(|()| {
            let estimate = IntervalEstimate::new(&known, start);
            estimate.stall();
            estimate.limit().as_secs()
        });
        assert_eq!(limits, [10, 20, 40, 50, 50]);
    }

    #[test]
    fn a_measured_interval_outlives_the_connection() {
        let known = KnownInterval::default();
        let start = Instant::now();
        let mut slow = IntervalEstimate::new(&known, start);
        slow.record(start);
        slow.stall();
        assert_eq!(IntervalEstimate::new(&known, start).limit(), Duration::from_secs(20));
        (1..20).for_each(|number| slow.record(start + Duration::from_secs(30) * number));
        assert_eq!(IntervalEstimate::new(&known, start).limit(), Duration::from_secs(50));
        let fast = KnownInterval::default();
        let mut estimate = IntervalEstimate::new(&fast, start);
        (0..20).for_each(|number| estimate.record(start + Duration::from_millis(33) * number));
        assert_eq!(estimate.limit(), Duration::from_secs(2));
        estimate.stall();
        assert_eq!(IntervalEstimate::new(&fast, start).limit(), Duration::from_secs(10));
    }
}
