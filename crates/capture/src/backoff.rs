//! How long to wait before a source is tried again.

use std::time::Duration;

/// The first wait: a cable that was only touched is back by then.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait: what a person in front of a dead picture still calls soon.
const LONGEST: Duration = Duration::from_secs(5);
/// A source that was well for so long has earned a quick retry.
const WELL: Duration = Duration::from_secs(10);
/// Waits are spread by this part of themselves to either side, so that twenty cameras behind one switch do not all
/// come back in the same instant.
const JITTER: f64 = 0.2;

/// Waits of 0.25 s doubling to 5 s; back to the first after ten seconds of health.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(FIRST, LONGEST)
    }
}

impl Backoff {
    /// Waits of `first` doubling to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, next: first, longest }
    }

    /// No waits: for tests of what happens again and again.
    pub fn none() -> Self {
        Self::new(Duration::ZERO, Duration::ZERO)
    }

    /// The wait after a run that was well for `well_for`. `random` from 0 to 1 chooses within the jitter.
    pub fn wait(&mut self, well_for: Duration, random: f64) -> Duration {
        if well_for >= WELL {
            self.next = self.first;
        }
        let wait = self.next.mul_f64(1.0 + JITTER * (2.0 * random - 1.0));
        self.next = (self.next * 2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    #[test]
    fn waits_double_from_a_quarter_second_to_five() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> =
            (0..7).map(|_| backoff.wait(Duration::ZERO, MIDDLE).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn ten_seconds_of_health_start_over() {
        let mut backoff = Backoff::default();
        for _ in 0..6 {
            backoff.wait(Duration::ZERO, MIDDLE);
        }
        assert_eq!(backoff.wait(Duration::from_secs(9), MIDDLE), LONGEST);
        assert_eq!(backoff.wait(WELL, MIDDLE), FIRST);
        assert_eq!(backoff.wait(Duration::ZERO, MIDDLE), FIRST * 2);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        assert_eq!(Backoff::default().wait(Duration::ZERO, 0.0), Duration::from_millis(200));
        assert_eq!(Backoff::default().wait(Duration::ZERO, 1.0), Duration::from_millis(300));
    }
}
