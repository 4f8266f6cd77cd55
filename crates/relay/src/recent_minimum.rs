//! The shortest of late: of round trips, the one that met no queue.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// What is remembered: the last one to two of these spans.
const MEMORY: Duration = Duration::from_secs(5);

/// The shortest of late, in a fixed amount of memory.
#[derive(Debug, Default)]
pub struct Shortest {
    this: Option<Duration>,
    before: Option<Duration>,
    since: Timestamp,
}

impl Shortest {
    /// Takes one in; returns the shortest.
    pub fn note(&mut self, took: Duration, now: Timestamp) -> Duration {
        self.forget(now);
        let this = self.this.map_or(took, |known| known.min(took));
        self.this = Some(this);
        self.before.map_or(this, |before| before.min(this))
    }

    /// The shortest that was taken in of late.
    pub fn known(&self) -> Option<Duration> {
        self.this.into_iter().chain(self.before).min()
    }

    /// Lets go of what is too long ago.
    pub fn forget(&mut self, now: Timestamp) {
        let age = now.since(self.since);
        if age > MEMORY {
            self.before = self.this.take().filter(|_| age <= MEMORY * 2);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_one_is_remembered_for_a_while_and_then_forgotten() {
        let (millis, at) =
            (Duration::from_millis, |seconds: u64| Timestamp::from_micros(seconds * 1_000_000));
        let mut shortest = Shortest::default();
        assert_eq!(shortest.note(millis(20), at(100)), millis(20));
        assert_eq!(shortest.note(millis(90), at(104)), millis(20));
        assert_eq!(shortest.note(millis(90), at(106)), millis(20));
        assert_eq!(shortest.note(millis(90), at(112)), millis(90));
        shortest.forget(at(200));
        assert_eq!(shortest.known(), None);
    }
}
