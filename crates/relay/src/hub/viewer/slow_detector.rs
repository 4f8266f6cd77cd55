//! Slow viewers: detects whether a viewer keeps up, from its last two seconds. No clock: `now` is passed in.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::process_stall::STALLS;

/// A viewer is slow if more than one in this many frames is dropped.
const TOLERATED_DROP_RATIO: u64 = 5;
/// A viewer is slow if a frame waited longer than this.
const TOLERATED_WAIT: Duration = Duration::from_millis(500);
/// A slow viewer has recovered after this long without a fault.
const RECOVERY: Duration = Duration::from_secs(3);
/// The window consists of this many steps of this length.
const STEPS: usize = 4;
const STEP: Duration = Duration::from_millis(500);

/// One step of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sent: u32,
    dropped: u32,
}

/// Detects whether one viewer is slow.
#[derive(Debug, Default)]
pub struct SlowDetector {
    window: [Count; STEPS],
    /// The number of the current step since the Unix epoch.
    step: u64,
    slow_since: Option<Timestamp>,
    last_fault: Timestamp,
}

impl SlowDetector {
    /// Records a frame sent at `now`, after it `waited` in this relay and `dropped` frames before it were skipped.
    pub fn note(&mut self, now: Timestamp, waited: Duration, dropped: u64) {
        // Frames held up by a stall of this process do not count against the viewer.
        let (waited, dropped) = match STALLS.recently_stalled(now) {
            true => (Duration::ZERO, 0),
            false => (waited, dropped),
        };
        self.count(now, dropped);
        let waited_long = waited > TOLERATED_WAIT;
        if dropped > 0 || waited_long {
            self.last_fault = now;
        }
        self.slow_since = match self.slow_since {
            Some(since) => (now.since(self.last_fault) < RECOVERY).then_some(since),
            None => (waited_long || dropped > 0 && self.drops_too_many()).then_some(now),
        };
    }

    /// Returns since when the viewer is slow; `None` while it keeps up.
    pub fn slow_since(&self) -> Option<Timestamp> {
        self.slow_since
    }

    fn drops_too_many(&self) -> bool {
        let sum = |of: fn(&Count) -> u32| self.window.iter().map(of).map(u64::from).sum::<u64>();
        let (sent, dropped) = (sum(|count| count.sent), sum(|count| count.dropped));
        dropped * TOLERATED_DROP_RATIO > sent + dropped
    }

    fn count(&mut self, now: Timestamp, dropped: u64) {
        let step = now.micros() / STEP.as_micros() as u64;
        // Steps without a frame count as empty.
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

    /// Sends frames for `seconds`, each after `dropped` others. Returns the changes of the verdict.
    fn send(
        detector: &mut SlowDetector,
        now: &mut Timestamp,
        seconds: u64,
        dropped: u64,
    ) -> Vec<bool> {
        let interval = FRAME * (dropped as u32 + 1);
        let frames = Duration::from_secs(seconds).as_micros() / interval.as_micros();
        (0..frames)
            .filter_map(|_| {
                *now = *now + interval;
                let before = detector.slow_since().is_some();
                detector.note(*now, Duration::from_millis(5), dropped);
                let after = detector.slow_since().is_some();
                (before != after).then_some(after)
            })
            .collect()
    }

    #[test]
    fn a_viewer_that_gets_every_frame_is_never_slow() {
        let (mut detector, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        assert_eq!(send(&mut detector, &mut now, 60, 0), UNCHANGED);
    }

    #[test]
    fn a_viewer_that_misses_every_second_frame_is_slow_and_recovers_after_three_good_seconds() {
        let (mut detector, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        send(&mut detector, &mut now, 5, 0);
        assert_eq!(send(&mut detector, &mut now, 5, 1), [true]);
        assert_eq!(send(&mut detector, &mut now, 2, 0), UNCHANGED);
        assert_eq!(send(&mut detector, &mut now, 2, 0), [false]);
    }

    #[test]
    fn one_short_stall_is_not_slow() {
        let (mut detector, mut now) = (SlowDetector::default(), Timestamp::from_micros(1));
        send(&mut detector, &mut now, 5, 0);
        now = now + FRAME * 4;
        detector.note(now, Duration::from_millis(5), 3);
        assert_eq!(detector.slow_since(), None);
        assert_eq!(send(&mut detector, &mut now, 10, 0), UNCHANGED);
    }

    #[test]
    fn a_viewer_whose_frame_waited_half_a_second_is_slow() {
        let mut detector = SlowDetector::default();
        detector.note(Timestamp::from_micros(9), Duration::from_millis(501), 0);
        assert_eq!(detector.slow_since(), Some(Timestamp::from_micros(9)));
    }
}
