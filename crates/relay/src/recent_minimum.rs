//! The minimum of recent durations. The shortest recent round trip is the one that met no queue.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The minimum covers the last one to two of these spans.
const SPAN: Duration = Duration::from_secs(5);

/// The minimum of recent durations, in a fixed amount of memory.
#[derive(Debug, Default)]
pub struct RecentMinimum {
    current: Option<Duration>,
    previous: Option<Duration>,
    since: Timestamp,
}

impl RecentMinimum {
    /// Records a duration and returns the minimum.
    pub fn note(&mut self, took: Duration, now: Timestamp) -> Duration {
        self.expire(now);
        let current = self.current.map_or(took, |known| known.min(took));
        self.current = Some(current);
        self.previous.map_or(current, |previous| previous.min(current))
    }

    /// Returns the minimum; `None` if no recent duration was recorded.
    pub fn known(&self) -> Option<Duration> {
        self.current.into_iter().chain(self.previous).min()
    }

    /// Drops durations that are too old.
    pub fn expire(&mut self, now: Timestamp) {
        let age = now.since(self.since);
        if age > SPAN {
            self.previous = self.current.take().filter(|_| age <= SPAN * 2);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_duration_counts_for_a_while_and_then_expires() {
        let (millis, at) =
            (Duration::from_millis, |seconds: u64| Timestamp::from_micros(seconds * 1_000_000));
        let mut minimum = RecentMinimum::default();
        assert_eq!(minimum.note(millis(20), at(100)), millis(20));
        assert_eq!(minimum.note(millis(90), at(104)), millis(20));
        assert_eq!(minimum.note(millis(90), at(106)), millis(20));
        assert_eq!(minimum.note(millis(90), at(112)), millis(90));
        minimum.expire(at(200));
        assert_eq!(minimum.known(), None);
    }
}
