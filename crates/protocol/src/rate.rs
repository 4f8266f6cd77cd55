//! Frame rate limits: the one rule by which capture thins a rendition and the relay thins a viewer. No clock: frames bring
//! their times.

use std::time::Duration;

use crate::Timestamp;

/// Lets every frame pass, or up to a number of frames per second.
///
/// Due times advance by whole intervals, so that 10 of 30 frames a second are every third and not every fourth. A frame may be
/// early by a quarter of an interval. After a gap the next frame is due half an interval after the late one, so that a limit
/// close to the source's own rate costs no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// The time between two frames, in microseconds; 0 without a limit.
    interval: u64,
    due: Timestamp,
}

impl RateLimit {
    /// Creates a limit of this many frames per second, or none if it is absent.
    pub fn new(fps: Option<f64>) -> Self {
        Self { interval: interval(fps), due: Timestamp::default() }
    }

    /// Changes the limit. The next due time stays.
    pub fn set(&mut self, fps: Option<f64>) {
        self.interval = interval(fps);
    }

    /// Returns the limit in frames per second, if there is one.
    pub fn fps(&self) -> Option<f64> {
        self.is_limited().then(|| 1e6 / self.interval as f64)
    }

    /// Returns whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.interval > 0
    }

    /// Returns whether a frame captured at that time is due, without taking it.
    pub fn is_due(&self, captured_at: Timestamp) -> bool {
        captured_at.offset(self.tolerance()) >= self.due || !self.is_limited()
    }

    /// Returns whether a frame captured at that time passes. If it does, the next one is due an interval later.
    pub fn passes(&mut self, captured_at: Timestamp) -> bool {
        if !self.is_limited() {
            return true;
        }
        let interval = self.interval as i64;
        // A clock that was set back would make every frame early for that time.
        if captured_at.offset(2 * interval) < self.due {
            self.due = captured_at;
        }
        if !self.is_due(captured_at) {
            return false;
        }
        self.due = self.due.offset(interval).max(captured_at.offset(interval / 2));
        true
    }

    /// Returns the number of due frames that are missing between two frames this far apart.
    pub fn missing(&self, apart: Duration) -> u64 {
        let apart = apart.as_micros() as u64 + self.interval / 4;
        apart.checked_div(self.interval).unwrap_or(0).saturating_sub(1)
    }

    fn tolerance(&self) -> i64 {
        (self.interval / 4) as i64
    }
}

fn interval(fps: Option<f64>) -> u64 {
    fps.map_or(0, |fps| (1e6 / fps) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the times, in milliseconds, of the frames that pass.
    fn passing(limit: Option<f64>, frames: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut limit = RateLimit::new(limit);
        let at = |millis| Timestamp::from_micros(1_000_000_000 + millis * 1_000);
        frames.filter(|millis| limit.passes(at(*millis))).collect()
    }

    /// Returns how many frames pass of a source with `source_fps`.
    fn count(limit: Option<f64>, source_fps: u64, seconds: u64) -> usize {
        let mut limit = RateLimit::new(limit);
        let times = (0..source_fps * seconds).map(|n| 1_000_000_000 + n * 1_000_000 / source_fps);
        times.filter(|&micros| limit.passes(Timestamp::from_micros(micros))).count()
    }

    #[test]
    fn as_many_frames_pass_as_the_limit_allows() {
        assert_eq!(count(None, 30, 10), 300);
        assert_eq!(count(Some(60.0), 30, 10), 300);
        // The second frame is due half an interval after the first.
        assert_eq!(count(Some(10.0), 30, 10), 1 + 100);
        assert_eq!(count(Some(0.5), 30, 100), 1 + 50);
    }

    #[test]
    fn ten_of_thirty_frames_are_every_third() {
        let frames = passing(Some(10.0), (0..30).map(|n| n * 1_000 / 30));
        assert!(frames[1..].windows(2).all(|two| (99..=101).contains(&(two[1] - two[0]))));
    }

    #[test]
    fn a_late_frame_delays_the_next_one_by_half_an_interval_at_most() {
        assert_eq!(passing(Some(10.0), [0, 100, 270, 320, 350].into_iter()), [0, 100, 270, 320]);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_no_frame() {
        assert_eq!(passing(Some(10.0), [9_000, 1_000, 1_100].into_iter()), [9_000, 1_000, 1_100]);
    }

    #[test]
    fn due_frames_between_two_others_are_missing() {
        let limit = RateLimit::new(Some(10.0));
        let missing =
            [30, 100, 170, 180, 300].map(|millis| limit.missing(Duration::from_millis(millis)));
        assert_eq!(missing, [0, 0, 0, 1, 2]);
        assert_eq!(RateLimit::new(None).missing(Duration::from_secs(9)), 0);
    }

    #[test]
    fn a_look_takes_no_frame() {
        let mut limit = RateLimit::new(Some(1.0));
        let now = Timestamp::from_micros(1_000_000);
        assert!(limit.is_due(now) && limit.is_due(now) && limit.passes(now) && !limit.passes(now));
        limit.set(None);
        assert!(limit.is_due(now) && limit.passes(now) && limit.fps().is_none());
    }
}
