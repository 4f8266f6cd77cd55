//! Estimate of the frame interval of a source that does not announce it. Takes `now` as an argument.

use std::time::{Duration, Instant};

use crate::stall;

/// The interval assumed at first. It suits sources that send a snapshot every few seconds: the silence that counts as a
/// stall is ten seconds long.
const ASSUMED: Duration = Duration::from_secs(2);
/// The longest interval, for which a silence of 50 s counts as a stall.
const LONGEST: Duration = Duration::from_secs(10);
/// The weight of a new gap is one in this number: after six gaps of a fast source, a silence of two seconds is a stall.
const SMOOTHING: u32 = 4;

/// The frame interval, estimated from the frames that arrived.
#[derive(Debug)]
pub(super) struct IntervalEstimate {
    interval: Duration,
    alive_at: Instant,
    began: bool,
}

impl IntervalEstimate {
    /// Returns the estimate for a source that was opened at this time.
    pub(super) fn new(opened_at: Instant) -> Self {
        Self { interval: ASSUMED, alive_at: opened_at, began: false }
    }

    /// Records the arrival of a frame.
    pub(super) fn record(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.alive_at);
        if std::mem::replace(&mut self.began, true) {
            let smoothed = (self.interval * (SMOOTHING - 1) + gap) / SMOOTHING;
            self.interval = smoothed.min(LONGEST);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stall limit after this number of frames at this interval.
    fn limit(gap: Duration, frames: u32) -> Duration {
        let start = Instant::now();
        let mut estimate = IntervalEstimate::new(start);
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
        let mut estimate = IntervalEstimate::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(estimate.stalled(at(10)), None);
        assert_eq!(estimate.stalled(at(11)), Some(Duration::from_secs(11)));
        estimate.record(at(9));
        assert_eq!(estimate.stalled(at(19)), None);
    }
}
