//! Recent events, so that repeated ones can be suppressed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Least time between two lines of the same event.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// Number of different events that are remembered: some tens of kilobytes at most, and more kinds of lines than a
/// person reads in ten seconds.
pub(super) const REMEMBERED: usize = 1024;

/// Remembers when each kind of event was last written, and how often it was suppressed since then.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    seen: HashMap<u64, Seen>,
    /// Number of events suppressed because more than [`REMEMBERED`] different ones came within [`QUIET`].
    beyond: u64,
}

#[derive(Debug)]
struct Seen {
    written: Instant,
    held_back: u64,
}

impl Repeats {
    /// Returns `Some` if an event of this kind is written now, with the number suppressed before it.
    pub(super) fn admit(&mut self, kind: u64, now: Instant) -> Option<u64> {
        if !self.seen.contains_key(&kind) && !self.has_room(now) {
            self.beyond += 1;
            return None;
        }
        match self.seen.get_mut(&kind) {
            Some(seen) if now.saturating_duration_since(seen.written) < QUIET => {
                seen.held_back += 1;
                None
            }
            Some(seen) => {
                seen.written = now;
                Some(std::mem::take(&mut seen.held_back))
            }
            None => {
                self.seen.insert(kind, Seen { written: now, held_back: 0 });
                Some(std::mem::take(&mut self.beyond))
            }
        }
    }

    /// Makes room by forgetting kinds that may be written again anyway. If there are none, too many different events
    /// arrive and all new kinds are suppressed.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.seen.len() >= REMEMBERED {
            self.seen.retain(|_, seen| now.saturating_duration_since(seen.written) < QUIET);
        }
        self.seen.len() < REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repeated_event_is_suppressed_for_ten_seconds_and_counted() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(repeats.admit(1, at(0)), Some(0));
        assert_eq!(repeats.admit(1, at(1)), None);
        assert_eq!(repeats.admit(2, at(2)), Some(0), "another kind");
        assert_eq!(repeats.admit(1, at(9)), None);
        assert_eq!(repeats.admit(1, at(10)), Some(2));
        assert_eq!(repeats.admit(1, at(11)), None);
        assert_eq!(repeats.admit(1, at(60)), Some(1));
    }

    #[test]
    fn a_flood_of_different_events_is_suppressed_and_counted() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let written = (0..3000).filter(|&kind| repeats.admit(kind, now).is_some()).count();
        assert_eq!((written, repeats.seen.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(repeats.admit(9999, now + QUIET), Some(3000 - REMEMBERED as u64));
    }

    proptest! {
        #[test]
        fn written_events_are_ten_seconds_apart_and_suppressed_ones_are_counted(
            steps in proptest::collection::vec((0u64..3, 0u64..4000), 1..200),
        ) {
            let mut repeats = Repeats::default();
            let mut now = Instant::now();
            let mut written: HashMap<u64, Instant> = HashMap::new();
            let mut held_back: HashMap<u64, u64> = HashMap::new();
            for (kind, pause) in steps {
                now += Duration::from_millis(pause);
                match repeats.admit(kind, now) {
                    None => *held_back.entry(kind).or_default() += 1,
                    Some(count) => {
                        prop_assert_eq!(count, held_back.remove(&kind).unwrap_or(0));
                        if let Some(before) = written.insert(kind, now) {
                            prop_assert!(now - before >= QUIET);
                        }
                    }
                }
            }
        }
    }
}
