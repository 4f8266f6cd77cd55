//! How fast the pictures of something come that does not say so itself. No clock of its own: `now` is passed in.

use std::time::{Duration, Instant};

use crate::stall;

/// Until it is known better: slow enough for whoever takes a snapshot every few seconds, so that the silence that counts
/// as a stall is ten seconds long.
const ASSUMED: Duration = Duration::from_secs(2);
/// Slower ones count as this fast: a silence of 50 s is a stall in any case.
const SLOWEST: Duration = Duration::from_secs(10);
/// One gap counts for so much of the whole: after six gaps of a fast source a silence of two seconds is a stall.
const SHARE: u32 = 4;

/// The time from picture to picture, learnt from those that came.
#[derive(Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    alive_at: Instant,
    began: bool,
}

impl Rhythm {
    /// Of what was opened at that moment.
    pub(super) fn new(opened_at: Instant) -> Self {
        Self { interval: ASSUMED, alive_at: opened_at, began: false }
    }

    /// A picture came.
    pub(super) fn beat(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.alive_at);
        if std::mem::replace(&mut self.began, true) {
            let smoothed = (self.interval * (SHARE - 1) + gap) / SHARE;
            self.interval = smoothed.min(SLOWEST);
        }
        self.alive_at = now;
    }

    /// The time from picture to picture, or what is assumed of it.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The silence after which it is stalled.
    pub(super) fn limit(&self) -> Duration {
        stall::limit(Some(self.interval))
    }

    /// How long it has been silent, if that is too long.
    pub(super) fn stalled(&self, now: Instant) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.alive_at);
        (silent > self.limit()).then_some(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The silence that counts after so many pictures, each so long after the one before.
    fn limit(gap: Duration, pictures: u32) -> Duration {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start);
        (0..pictures).for_each(|number| rhythm.beat(start + gap * number));
        rhythm.limit()
    }

    #[test]
    fn ten_seconds_at_first_and_two_once_it_is_fast() {
        let fast = Duration::from_millis(33);
        assert_eq!(limit(fast, 0), Duration::from_secs(10));
        assert_eq!(limit(fast, 1), Duration::from_secs(10));
        assert_eq!(limit(fast, 8), Duration::from_secs(2));
    }

    #[test]
    fn a_slow_one_may_be_silent_for_longer_but_not_for_ever() {
        let slow = limit(Duration::from_secs(4), 20);
        assert!((Duration::from_secs(15)..Duration::from_secs(21)).contains(&slow), "{slow:?}");
        assert_eq!(limit(Duration::from_secs(3600), 20), Duration::from_secs(50));
    }

    #[test]
    fn silence_counts_from_the_last_picture() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rhythm.stalled(at(10)), None);
        assert_eq!(rhythm.stalled(at(11)), Some(Duration::from_secs(11)));
        rhythm.beat(at(9));
        assert_eq!(rhythm.stalled(at(19)), None);
    }
}
