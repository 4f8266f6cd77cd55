//! Due times of frames.

use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;

/// An even pace. Deadlines are counted from the start, so that the delay of one frame is not added to the next.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    begun: Instant,
    fps: f64,
    beat: u64,
}

impl Pacing {
    /// Returns a pace of `fps` frames per second, with the first frame due at `begun`.
    pub fn new(begun: Instant, fps: f64) -> Self {
        Self { begun, fps, beat: 0 }
    }

    /// Returns the time from `now` until the next frame is due; zero if it is due.
    pub fn wait(&self, now: Instant) -> Duration {
        self.deadline(self.beat).saturating_duration_since(now)
    }

    /// Records that the due frame was made. Frames that could not be made in time are skipped: a burst to catch up
    /// would distort the measurement.
    pub fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.begun).as_secs_f64() * self.fps;
        self.beat = (self.beat + 1).max(passed as u64);
    }

    fn deadline(&self, beat: u64) -> Instant {
        self.begun + Duration::from_secs_f64(beat as f64 / self.fps)
    }
}

/// Calls `make` with 0, 1, 2 … at an even pace until `stop` is requested.
pub fn keep(fps: f64, stop: &Shutdown, mut make: impl FnMut(u64)) {
    let mut pacing = Pacing::new(Instant::now(), fps);
    let mut number = 0;
    while !stop.wait_timeout(pacing.wait(Instant::now())) {
        make(number);
        number += 1;
        pacing.advance(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn the_delay_of_one_frame_is_not_added_to_the_next() {
        let begun = Instant::now();
        let mut pacing = Pacing::new(begun, 10.0);
        assert_eq!(pacing.wait(begun), Duration::ZERO);
        let late = begun + Duration::from_millis(30);
        pacing.advance(late);
        assert_eq!(pacing.wait(late), Duration::from_millis(70));
    }

    #[test]
    fn missed_frames_are_skipped() {
        let begun = Instant::now();
        let mut pacing = Pacing::new(begun, 10.0);
        pacing.advance(begun + Duration::from_millis(350));
        let now = begun + Duration::from_millis(350);
        assert_eq!(pacing.wait(now), Duration::ZERO, "the fourth is due");
        pacing.advance(now);
        assert_eq!(pacing.wait(now), Duration::from_millis(50));
    }

    #[test]
    fn a_fraction_of_a_millisecond_is_kept() {
        let begun = Instant::now();
        let mut pacing = Pacing::new(begun, 30.0);
        for beat in 0..300 {
            pacing.advance(begun + Duration::from_secs_f64(f64::from(beat) / 30.0));
        }
        assert_eq!(pacing.wait(begun + 99 * TENTH), TENTH);
    }

    #[test]
    fn the_loop_ends_when_stop_is_requested() {
        let stop = Shutdown::new();
        let mut made = Vec::new();
        keep(1000.0, &stop, |number| {
            made.push(number);
            if number == 2 {
                stop.request();
            }
        });
        assert_eq!(made, [0, 1, 2]);
    }
}
