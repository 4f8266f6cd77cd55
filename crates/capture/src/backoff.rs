//! Waits before retries: exponential backoff with jitter.

use std::time::Duration;

/// The first wait: a cable that was only touched is connected again by then.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait: a person in front of a stopped picture still accepts it.
const MAX: Duration = Duration::from_secs(5);
/// A source that was healthy for this long is retried quickly.
const HEALTHY: Duration = Duration::from_secs(10);
/// The wait for a source is at most this part of the time that it was healthy: some cameras end every connection after
/// a few seconds.
const WAIT_SHARE: u32 = 10;
/// A source that was healthy for less has not worked.
const MIN_HEALTHY: Duration = Duration::from_secs(1);
/// Waits vary by this share in both directions, so that twenty cameras behind one switch do not all reconnect in the
/// same instant.
const JITTER: f64 = 0.2;

/// Returns whether a source that was healthy for this long has worked.
pub fn has_worked(healthy_for: Duration) -> bool {
    healthy_for >= MIN_HEALTHY
}

/// Waits that double up to a longest one, and restart at the first one after ten healthy seconds.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    max: Duration,
    /// The wait is at most one part in this number of the healthy time, if that is not shorter than the first wait.
    share: Option<u32>,
}

impl Default for Backoff {
    /// Creates the waits for a source: 0.25 s that double up to 5 s, or less after a healthy time of some seconds.
    fn default() -> Self {
        Self { share: Some(WAIT_SHARE), ..Self::new(FIRST, MAX) }
    }
}

impl Backoff {
    /// Creates waits that double from `first` up to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, next: first, max, share: None }
    }

    /// Creates waits of zero, for tests of retries.
    pub fn none() -> Self {
        Self::new(Duration::ZERO, Duration::ZERO)
    }

    /// Returns the wait after a run that was healthy for `healthy_for`. `random`, from 0 to 1, selects within the
    /// jitter.
    pub fn wait(&mut self, healthy_for: Duration, random: f64) -> Duration {
        if healthy_for >= HEALTHY {
            self.next = self.first;
        }
        if let Some(share) = self.share.filter(|_| has_worked(healthy_for)) {
            self.next = self.next.min((healthy_for / share).max(self.first));
        }
        let wait = self.next.mul_f64(1.0 + JITTER * (2.0 * random - 1.0));
        self.next = (self.next * 2).min(self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    #[test]
    fn waits_double_from_a_quarter_of_a_second_to_five_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> =
            (0..7).map(|_| backoff.wait(Duration::ZERO, MIDDLE).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn waits_restart_after_ten_healthy_seconds() {
        let mut backoff = Backoff::new(FIRST, MAX);
        for _ in 0..6 {
            backoff.wait(Duration::ZERO, MIDDLE);
        }
        assert_eq!(backoff.wait(Duration::from_secs(9), MIDDLE), MAX);
        assert_eq!(backoff.wait(HEALTHY, MIDDLE), FIRST);
        assert_eq!(backoff.wait(Duration::ZERO, MIDDLE), FIRST * 2);
    }

    #[test]
    fn waits_for_a_source_that_ends_every_few_seconds_do_not_grow() {
        let mut backoff = Backoff::default();
        for _ in 0..6 {
            backoff.wait(Duration::ZERO, MIDDLE);
        }
        for _ in 0..6 {
            assert_eq!(backoff.wait(Duration::from_secs(5), MIDDLE), Duration::from_millis(500));
        }
        let waits = [(); 4].map(|()| backoff.wait(Duration::ZERO, MIDDLE).as_millis());
        assert_eq!(waits, [1000, 2000, 4000, 5000], "without a frame they do");
        assert_eq!(backoff.wait(Duration::from_millis(999), MIDDLE), MAX);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        assert_eq!(Backoff::default().wait(Duration::ZERO, 0.0), Duration::from_millis(200));
        assert_eq!(Backoff::default().wait(Duration::ZERO, 1.0), Duration::from_millis(300));
    }
}
