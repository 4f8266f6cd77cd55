//! How long a decoder may wait for a point of the source's own H.264 at which it can begin. No clock: frames bring their
//! moments.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The source is opened again after this long: a camera whose keyframes are close enough for passthrough has sent one by
/// then, and most cameras begin with one when they are opened.
const FIRST: Duration = Duration::from_secs(5);
/// A camera that does not begin with one is given twice as long each time, so that its own interval is reached; for longer
/// than this no camera is waited for.
const LONGEST: Duration = Duration::from_secs(160);

/// The wait of one decoder.
#[derive(Debug)]
pub(super) struct EntryWait {
    /// Since when it has waited, since the source was opened.
    since: Option<Timestamp>,
    /// The same over several openings.
    since_first: Option<Timestamp>,
    limit: Duration,
}

impl Default for EntryWait {
    fn default() -> Self {
        Self { since: None, since_first: None, limit: FIRST }
    }
}

impl EntryWait {
    /// The decoder cannot begin yet. Returns for how long it has waited, if that is long enough to be told.
    pub(super) fn waits(&mut self, now: Timestamp) -> Option<Duration> {
        self.since.get_or_insert(now);
        let waited = now.since(*self.since_first.get_or_insert(now));
        (waited >= FIRST).then_some(waited)
    }

    /// The decoder has begun.
    pub(super) fn ends(&mut self) {
        *self = Self::default();
    }

    /// No track needs the decoder at the moment.
    pub(super) fn pauses(&mut self) {
        (self.since, self.since_first) = (None, None);
    }

    /// Whether the source must be opened again, because the wait has become too long.
    pub(super) fn is_over(&mut self, now: Timestamp) -> bool {
        let over = self.since.is_some_and(|since| now.since(since) > self.limit);
        if over {
            self.since = None;
            self.limit = (self.limit * 2).min(LONGEST);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros((1_000 + seconds) * 1_000_000)
    }

    #[test]
    fn the_source_is_opened_again_after_longer_and_longer_waits_until_the_decoder_begins() {
        let (mut wait, mut now) = (EntryWait::default(), 0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let began = now;
            wait.waits(at(now));
            while !wait.is_over(at(now)) {
                now += 1;
            }
            waits.push(now - began - 1);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 160]);
        wait.ends();
        wait.waits(at(now));
        assert!(!wait.is_over(at(now + 5)) && wait.is_over(at(now + 6)));
    }

    #[test]
    fn a_wait_is_told_once_it_is_long_and_does_not_go_on_while_no_track_needs_the_decoder() {
        let mut wait = EntryWait::default();
        assert_eq!(wait.waits(at(0)), None);
        assert_eq!(wait.waits(at(4)), None);
        assert_eq!(wait.waits(at(5)), Some(Duration::from_secs(5)));
        assert!(wait.is_over(at(6)));
        assert_eq!(wait.waits(at(8)), Some(Duration::from_secs(8)), "over several openings");
        wait.pauses();
        assert!(!wait.is_over(at(60)));
        assert_eq!(wait.waits(at(60)), None);
    }
}
