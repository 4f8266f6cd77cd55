//! When the pictures of something recorded are due. No clock of its own: `now` is passed in.

use std::time::{Duration, Instant};

/// A step between two stamps longer than this is a gap in the recording, not a wait anybody wants to sit through.
pub(super) const LONGEST_STEP: Duration = Duration::from_secs(10);
/// So late, catching up by skipping has failed (the machine cannot decode so fast), and the schedule starts anew.
/// Otherwise every picture would be late, and so none would be shown.
const HOPELESS: Duration = Duration::from_millis(500);

/// What to do with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Show it at this moment, which is now or to come.
    Show(Instant),
    /// Pass over it, unless what follows needs it: it was due then, and its successor is due already.
    Skip(Instant),
}

/// Gives each picture its moment on an absolute schedule, so that errors do not add up.
#[derive(Debug)]
pub struct Pacing {
    /// The step where the stamps do not tell one.
    interval: Duration,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    stamp: Duration,
    due: Instant,
}

impl Pacing {
    /// A schedule for pictures that come every `interval` unless their stamps say otherwise.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// What to do with the picture stamped so in its recording.
    pub fn turn(&mut self, stamp: Duration, now: Instant) -> Turn {
        let due = match self.last {
            Some(last) => last.due + self.step(last.stamp, stamp),
            None => now,
        };
        let late = now.saturating_duration_since(due);
        let due = if late > HOPELESS { now } else { due };
        self.last = Some(Last { stamp, due });
        // The step to the successor is not known yet; the nominal one stands for it.
        if late <= self.interval || late > HOPELESS { Turn::Show(due) } else { Turn::Skip(due) }
    }

    /// The recording begins again: its stamps do, the schedule goes on.
    pub fn rewind(&mut self) {
        if let Some(last) = &mut self.last {
            last.stamp = Duration::MAX;
        }
    }

    /// After a pause: the next picture is due now.
    pub fn resume(&mut self) {
        self.last = None;
    }

    /// From one stamp to the next, where that is a believable step forward.
    fn step(&self, from: Duration, to: Duration) -> Duration {
        match to.checked_sub(from) {
            Some(step) if step > Duration::ZERO && step <= LONGEST_STEP.max(self.interval * 2) => {
                step
            }
            _ => self.interval,
        }
    }
}

/// The pictures of a source that makes them itself: numbered from 0, at an exact rate.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    fps: f64,
    next: u64,
}

impl Schedule {
    /// The first picture is due at `start`.
    pub fn new(start: Instant, fps: f64) -> Self {
        Self { start, fps, next: 0 }
    }

    /// The number of the next picture to show, its moment, and how many were passed over because theirs is past.
    pub fn next(&mut self, now: Instant) -> (u64, Instant, u64) {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        let newest = (elapsed * self.fps) as u64;
        let number = self.next.max(newest);
        let skipped = number - self.next;
        self.next = number + 1;
        (number, self.start + Duration::from_secs_f64(number as f64 / self.fps), skipped)
    }

    /// After a pause: what would have been due meanwhile was passed over by nobody.
    pub fn resume(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        self.next = self.next.max((elapsed * self.fps) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Shows pictures with these stamps as soon as they are due; returns the moments.
    fn played(stamps: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut now = start;
        let mut pacing = Pacing::new(INTERVAL);
        let mut moments = Vec::new();
        for &stamp in stamps {
            let Turn::Show(due) = pacing.turn(millis(stamp), now) else { panic!("not late") };
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
    fn a_rewound_recording_goes_on_without_a_jump() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.turn(millis(0), start);
        pacing.turn(millis(40), start + millis(40));
        pacing.rewind();
        assert_eq!(pacing.turn(millis(0), start + millis(41)), Turn::Show(start + millis(80)));
        assert_eq!(pacing.turn(millis(40), start + millis(81)), Turn::Show(start + millis(120)));
    }

    #[test]
    fn a_late_reader_skips_and_is_on_time_again() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.turn(millis(0), start);
        let late = start + millis(170);
        let turns: Vec<Turn> = (1..=5).map(|n| pacing.turn(millis(40 * n), late)).collect();
        assert!(turns[..3].iter().all(|turn| matches!(turn, Turn::Skip(_))));
        assert_eq!(turns[3..], [Turn::Show(start + millis(160)), Turn::Show(start + millis(200))]);
    }

    #[test]
    fn a_hopelessly_late_reader_starts_anew_rather_than_skip_for_ever() {
        let start = Instant::now();
        let mut pacing = Pacing::new(INTERVAL);
        pacing.turn(millis(0), start);
        let late = start + millis(700);
        assert_eq!(pacing.turn(millis(40), late), Turn::Show(late));
        assert_eq!(pacing.turn(millis(80), late), Turn::Show(late + INTERVAL));
    }

    #[test]
    fn made_pictures_do_not_drift_and_numbers_follow_the_schedule() {
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
    fn after_a_pause_nothing_counts_as_passed_over_and_the_next_is_due_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10.0);
        schedule.next(start);
        schedule.resume(start + millis(60_050));
        let (number, due, skipped) = schedule.next(start + millis(60_050));
        assert_eq!((number, due, skipped), (600, start + millis(60_000), 0));
        let mut pacing = Pacing::new(INTERVAL);
        pacing.turn(millis(0), start);
        pacing.resume();
        assert_eq!(pacing.turn(millis(40), start + millis(100)), Turn::Show(start + millis(100)));
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
