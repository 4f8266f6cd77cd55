//! Whether this process was held up itself: stopped (SIGSTOP), frozen with its machine, or starved of processor time.
//!
//! Frames that waited until then waited for the relay, and a viewer must not be blamed for them. A task notes the time
//! ten times a second; a gap between two notes shows that nothing here ran. No clock: `now` is passed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The interval at which the time is noted.
pub const BEAT: Duration = Duration::from_millis(100);
/// A longer gap than this is one: a frame that waited half a second makes its viewer slow.
const GAP: Duration = Duration::from_millis(500);
/// For this long after a gap frames may still be late because of it: as far back as a viewer's pace is looked at.
const AFTERMATH: Duration = Duration::from_secs(2);

/// The pulse of this process.
pub static PULSE: Pulse = Pulse::new();

/// The times at which this process ran.
#[derive(Debug)]
pub struct Pulse {
    /// The last beat, in microseconds; zero before the first one.
    last: AtomicU64,
    /// The end of the last gap's aftermath.
    recovered_at: AtomicU64,
}

impl Pulse {
    const fn new() -> Self {
        Self { last: AtomicU64::new(0), recovered_at: AtomicU64::new(0) }
    }

    /// Notes that this process runs at `now`.
    pub fn beat(&self, now: Timestamp) {
        self.was_held_up(now);
        self.last.store(now.micros(), Ordering::Relaxed);
    }

    /// Returns whether this process was held up shortly before `now`. Whichever thread runs first after a gap finds it.
    pub fn was_held_up(&self, now: Timestamp) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        if last > 0 && now.since(Timestamp::from_micros(last)) > GAP {
            self.recovered_at.fetch_max((now + AFTERMATH).micros(), Ordering::Relaxed);
        }
        now.micros() < self.recovered_at.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn a_steady_pulse_excuses_nothing() {
        let pulse = Pulse::new();
        assert!(!pulse.was_held_up(at(5_000)), "before the first beat");
        for tenth in 100..200 {
            pulse.beat(at(tenth * 100));
            assert!(!pulse.was_held_up(at(tenth * 100 + 99)));
        }
    }

    #[test]
    fn a_gap_excuses_two_seconds_whoever_finds_it_first() {
        let (by_viewer, by_beat) = (Pulse::new(), Pulse::new());
        for pulse in [&by_viewer, &by_beat] {
            pulse.beat(at(1_000));
        }
        assert!(by_viewer.was_held_up(at(4_000)));
        by_beat.beat(at(4_000));
        for pulse in [&by_viewer, &by_beat] {
            pulse.beat(at(4_001));
            assert!(pulse.was_held_up(at(4_100)));
            pulse.beat(at(4_500));
            pulse.beat(at(5_000));
            assert!(pulse.was_held_up(at(5_400)));
            pulse.beat(at(5_500));
            pulse.beat(at(6_000));
            assert!(!pulse.was_held_up(at(6_001)));
        }
    }
}
