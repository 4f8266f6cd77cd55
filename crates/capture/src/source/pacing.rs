//! Schedules: when the frames of a recording, or of the test picture, are due. Both take `now` as an argument.

use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;

/// A longer step between two timestamps is a gap in the recording, and is skipped instead of waited for.
pub(super) const LONGEST_STEP: Duration = Duration::from_secs(10);
/// A delay after which the schedule restarts: skipping frames has failed, because this machine cannot decode fast
/// enough. Otherwise every frame would be late, and none would be shown.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// The time at which a frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At this moment, now or in the future.
    At(Instant),
    /// In the past, and the next frame is due already. Skip it, unless later frames refer to it.
    Missed(Instant),
}

/// Schedules the frames of a recording by absolute times, so that errors do not add up.
#[derive(Debug)]
pub struct Pacing {
    /// The step to use if the timestamps give none.
    interval: Duration,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    stamp: Duration,
    due: Instant,
}

impl Pacing {
    /// Returns a schedule for frames at this interval, unless their timestamps differ from it.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Returns when the next frame is due, given its timestamp in the recording.
    pub fn next(&mut self, stamp: Duration, now: Instant) -> Due {
        let due = match self.last {
            Some(last) => last.due + self.step(last.stamp, stamp),
            None => now,
        };
        let late = now.saturating_duration_since(due);
        let due = if late > RESTART_AFTER { now } else { due };
        self.last = Some(Last { stamp, due });
        // The step to the next frame is not known yet; the nominal one is used instead.
        match late <= self.interval || late > RESTART_AFTER {
            true => Due::At(due),
            false => Due::Missed(due),
        }
    }

    /// Continues the schedule when the recording restarts and its timestamps start again.
    pub fn rewind(&mut self) {
        if let Some(last) = &mut self.last {
            last.stamp = Duration::MAX;
        }
    }

    /// Continues after a pause: the next frame is due now.
    pub fn resume(&mut self) {
        self.last = None;
    }

    /// Returns the step between two timestamps, if it is plausible.
    fn step(&self, from: Duration, to: Duration) -> Duration {
        match to.checked_sub(from) {
            Some(step) if step > Duration::ZERO && step <= LONGEST_STEP.max(self.interval * 2) => {
                step
            }
            _ => self.interval,
        }
    }
}

/// Schedules generated frames: numbered from 0, at an exact rate.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    fps: f64,
    next: u64,
}

impl Schedule {
    /// Returns a schedule whose first frame is due at `start`.
    pub fn new(start: Instant, fps: f64) -> Self {
        Self { start, fps, next: 0 }
    }

    /// Returns the number of the next frame, when it is due, and how many frames before it were missed.
    pub fn next(&mut self, now: Instant) -> (u64, Instant, u64) {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        let newest = (elapsed * self.fps) as u64;
        let number = self.next.max(newest);
        let skipped = number - self.next;
        self.next = number + 1;
        (number, self.start + Duration::from_secs_f64(number as f64 / self.fps), skipped)
    }

    /// Continues after a pause. Frames that were due during the pause do not count as missed.
    pub fn resume(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        self.next = self.next.max((elapsed * self.fps) as u64);
    }
}

/// Sleeps until `due`, or until `stop` is requested. Returns whether it was.
pub(super) fn sleep_until(due: Instant, stop: &Shutdown) -> bool {
    stop.wait_timeout(due.saturating_duration_since(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Plays frames with these timestamps as soon as they are due; returns the times.
    fn played(stamps: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut now = start;
        let mut pacing = Pacing::new(INTERVAL);
        let mut moments = Vec::new();
        for &stamp in stamps {
            let Due::At(due) = pacing.next(millis(stamp), now) else { panic!("not late") };
            now = now.max(due);
            moments.push((due - start).as_millis() as u64);
        }
        moments
    }

    #[test]
    fn a_recording_keeps_its_own_pace() {
        assert_eq!(played(&[0, 40, 80, 200, 210]), [0, 40, 80, 200, 210]);
        assert_eq!(played(&[5000, 5033, 5066]), [0, 33, 66]);
    }

    #[test]
    fn gaps_and_steps_back_become_one_interval() {
        assert_eq!(played(&[0, 40, 60_000, 60_040]), [0, 40, 80, 120]);
        assert_eq!(played(&[0, 40, 20, 60]), [0, 40, 80, 120]);
        assert_eq!(played(&[0, 0, 0]), [0, 40, 80]);
    }

    #[test]
    fn a_rewound_recording_continues_without_a_jump() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.next(millis(0), start);
        pacing.next(millis(40), start + millis(40));
        pacing.rewind();
        assert_eq!(pacing.next(millis(0), start + millis(41)), Due::At(start + millis(80)));
        assert_eq!(pacing.next(millis(40), start + millis(81)), Due::At(start + millis(120)));
    }

    #[test]
    fn a_late_reader_skips_frames_until_it_is_on_time() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.next(millis(0), start);
        let late = start + millis(170);
        let due: Vec<Due> = (1..=5).map(|n| pacing.next(millis(40 * n), late)).collect();
        assert!(due[..3].iter().all(|due| matches!(due, Due::Missed(_))));
        assert_eq!(due[3..], [Due::At(start + millis(160)), Due::At(start + millis(200))]);
    }

    #[test]
    fn a_reader_that_cannot_catch_up_restarts_the_schedule() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.next(millis(0), start);
        let late = start + millis(700);
        assert_eq!(pacing.next(millis(40), late), Due::At(late));
        assert_eq!(pacing.next(millis(80), late), Due::At(late + INTERVAL));
    }

    #[test]
    fn generated_frames_do_not_drift_and_are_numbered_by_the_schedule() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 29.97);
        let mut now = start;
        for expected in 0..100_000 {
            let (number, due, skipped) = schedule.next(now);
            assert_eq!((number, skipped), (expected, 0));
            now = due + Duration::from_micros(300);
        }
        let drift = (now - start).as_secs_f64() - 99_999.0 / 29.97;
        assert!(drift.abs() < 0.001, "{drift}");
    }

    #[test]
    fn after_a_pause_no_frame_counts_as_missed_and_the_next_is_due_immediately() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10.0);
        schedule.next(start);
        schedule.resume(start + millis(60_050));
        let (number, due, skipped) = schedule.next(start + millis(60_050));
        assert_eq!((number, due, skipped), (600, start + millis(60_000), 0));
        let mut pacing = Pacing::new(INTERVAL);
        pacing.next(millis(0), start);
        pacing.resume();
        assert_eq!(pacing.next(millis(40), start + millis(100)), Due::At(start + millis(100)));
    }

    #[test]
    fn pictures_whose_time_is_past_are_counted() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10.0);
        schedule.next(start);
        assert_eq!(schedule.next(start + millis(450)), (4, start + millis(400), 3));
        assert_eq!(schedule.next(start + millis(450)), (5, start + millis(500), 0));
    }
}
