//! Whether a viewer keeps up, going by the last two seconds. No clock: `now` is passed in.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::process_stall::PULSE;

/// More than one frame in so many dropped is slow.
const TOLERATED_SHARE: u64 = 5;
/// A frame that waited longer than this for its turn is slow.
const TOLERATED_WAIT: Duration = Duration::from_millis(500);
/// Without a drop for this long a slow viewer is well again.
const RECOVERY: Duration = Duration::from_secs(3);
/// The window is kept in so many steps of this length.
const STEPS: usize = 4;
const STEP: Duration = Duration::from_millis(500);

/// One step of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sent: u32,
    dropped: u32,
}

/// The pace of one viewer.
#[derive(Debug, Default)]
pub struct SlowDetector {
    window: [Count; STEPS],
    /// Which step is being counted, since the beginning of time.
    step: u64,
    slow_since: Option<Timestamp>,
    last_fault: Timestamp,
}

impl SlowDetector {
    /// Notes a frame sent at `now`, which had `waited` in this relay, after `dropped` others.
    pub fn note(&mut self, now: Timestamp, waited: Duration, dropped: u64) {
        // A viewer is not blamed for frames that this process itself held up.
        let (waited, dropped) = match PULSE.was_held_up(now) {
            true => (Duration::ZERO, 0),
            false => (waited, dropped),
        };
        self.count(now, dropped);
        let late = waited > TOLERATED_WAIT;
        if dropped > 0 || late {
            self.last_fault = now;
        }
        self.slow_since = match self.slow_since {
            Some(since) => (now.since(self.last_fault) < RECOVERY).then_some(since),
            None => (late || dropped > 0 && self.drops_too_many()).then_some(now),
        };
    }

    /// Since when the viewer is slow; `None` while it keeps up.
    pub fn slow_since(&self) -> Option<Timestamp> {
        self.slow_since
    }

    fn drops_too_many(&self) -> bool {
        let sum = |of: fn(&Count) -> u32| self.window.iter().map(of).map(u64::from).sum::<u64>();
        let (sent, dropped) = (sum(|count| count.sent), sum(|count| count.dropped));
        dropped * TOLERATED_SHARE > sent + dropped
    }

    fn count(&mut self, now: Timestamp, dropped: u64) {
        let step = now.micros() / STEP.as_micros() as u64;
        // Steps that went by without a frame count as well: as nothing.
        for passed in (self.step + 1..=step).rev().take(STEPS) {
            self.window[passed as usize % STEPS] = Count::default();
        }
        self.step = step;
        let count = &mut self.window[step as usize % STEPS];
        count.sent += 1;
        count.dropped = count.dropped.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNCHANGED: [bool; 0] = [];
    const FRAME: Duration = Duration::from_millis(33);

    /// Sends a frame every `interval` for `seconds`, each after `dropped` others; returns the changes seen.
    fn send(pace: &mut SlowDetector, now: &mut Timestamp, seconds: u64, dropped: u64) -> Vec<bool> {
        let interval = FRAME * (dropped as u32 + 1);
        let frames = Duration::from_secs(seconds).as_micros() / interval.as_micros();
        (0..frames)
            .filter_map(|_| {
                *now = *now + interval;
                let before = pace.slow_since().is_some();
                pace.note(*now, Duration::from_millis(5), dropped);
                let after = pace.slow_since().is_some();
                (before != after).then_some(after)
            })
            .collect()
    }

    #[test]
    fn a_viewer_that_gets_everything_is_never_slow() {
        let (mut pace, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        assert_eq!(send(&mut pace, &mut now, 60, 0), UNCHANGED);
    }

    #[test]
    fn every_second_frame_dropped_is_slow_and_three_good_seconds_are_well_again() {
        let (mut pace, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        send(&mut pace, &mut now, 5, 0);
        assert_eq!(send(&mut pace, &mut now, 5, 1), [true]);
        assert_eq!(send(&mut pace, &mut now, 2, 0), UNCHANGED);
        assert_eq!(send(&mut pace, &mut now, 2, 0), [false]);
    }

    #[test]
    fn one_hiccup_is_not_slow() {
        let (mut pace, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        send(&mut pace, &mut now, 5, 0);
        now = now + FRAME * 4;
        pace.note(now, Duration::from_millis(5), 3);
        assert_eq!(pace.slow_since(), None);
        assert_eq!(send(&mut pace, &mut now, 10, 0), UNCHANGED);
    }

    #[test]
    fn a_frame_that_waited_half_a_second_is_slow() {
        let mut pace = SlowDetector::default();
        pace.note(Timestamp::from_micros(9), Duration::from_millis(501), 0);
        assert_eq!(pace.slow_since(), Some(Timestamp::from_micros(9)));
    }
}
