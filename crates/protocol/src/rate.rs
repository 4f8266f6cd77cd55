//! Frame rate limits: the one rule by which capture thins a rendition and the relay thins a viewer. No clock: frames
//! bring their times.

use crate::Timestamp;

/// A limit of frames per second, or none.
///
/// Due times advance by whole intervals, so that 10 of 30 frames a second are every third and not every fourth. A frame
/// may be early by a quarter of an interval. After a gap the next frame is due half an interval after the late one, so
/// that a limit close to the source's own rate costs no frame. Over any time, one or two frames more than the limit are
/// admitted at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// The time between two frames, in microseconds; 0 without a limit.
    interval: u64,
    next_due: Timestamp,
}

impl RateLimit {
    /// Creates a limit of this many frames per second, or none if it is absent.
    pub fn new(max_fps: Option<f64>) -> Self {
        Self { interval: interval(max_fps), next_due: Timestamp::default() }
    }

    /// Changes the limit. The next due time stays.
    pub fn set(&mut self, max_fps: Option<f64>) {
        self.interval = interval(max_fps);
    }

    /// Returns whether there is a limit.
    pub fn is_set(&self) -> bool {
        self.interval > 0
    }

    /// Returns the limit in frames per second, if there is one.
    pub fn max_fps(&self) -> Option<f64> {
        self.is_set().then(|| 1e6 / self.interval as f64)
    }

    /// Returns whether a frame captured at that time would be admitted.
    pub fn is_due(&self, captured_at: Timestamp) -> bool {
        !self.is_set() || captured_at.offset((self.interval / 4) as i64) >= self.next_due
    }

    /// Returns whether a frame captured at that time is admitted. If it is, the next one is due an interval later.
    pub fn admit(&mut self, captured_at: Timestamp) -> bool {
        if !self.is_set() {
            return true;
        }
        let interval = self.interval as i64;
        // A clock that was set back would make every frame early for that time.
        if captured_at.offset(2 * interval) < self.next_due {
            self.next_due = captured_at;
        }
        if !self.is_due(captured_at) {
            return false;
        }
        self.next_due = self.next_due.offset(interval).max(captured_at.offset(interval / 2));
        true
    }

    /// Counts the frames that were due after the one captured at `last` and before the one captured at `captured_at`;
    /// zero without a limit.
    pub fn due_between(&self, last: Timestamp, captured_at: Timestamp) -> u64 {
        let apart = captured_at.since(last).as_micros() as u64 + self.interval / 4;
        apart.checked_div(self.interval).unwrap_or(0).saturating_sub(1)
    }
}

fn interval(max_fps: Option<f64>) -> u64 {
    max_fps.map_or(0, |fps| (1e6 / fps) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1_000)
    }

    /// Returns the times, in milliseconds, of the frames that are admitted.
    fn admitted(max_fps: Option<f64>, frames: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut limit = RateLimit::new(max_fps);
        frames.into_iter().filter(|millis| limit.admit(at(*millis))).collect()
    }

    /// Returns how many frames are admitted of a source with `source_fps`.
    fn count(max_fps: Option<f64>, source_fps: u64, seconds: u64) -> usize {
        let mut limit = RateLimit::new(max_fps);
        let times = (0..source_fps * seconds).map(|n| 1_000_000_000 + n * 1_000_000 / source_fps);
        times.filter(|&micros| limit.admit(Timestamp::from_micros(micros))).count()
    }

    #[test]
    fn as_many_frames_are_admitted_as_the_limit_allows() {
        assert_eq!(count(None, 30, 10), 300);
        assert_eq!(count(Some(60.0), 30, 10), 300);
        // The second frame is due half an interval after the first.
        assert_eq!(count(Some(10.0), 30, 10), 1 + 100);
        assert_eq!(count(Some(0.5), 30, 100), 1 + 50);
    }

    #[test]
    fn ten_of_thirty_frames_a_second_are_every_third() {
        let frames = admitted(Some(10.0), (0..90).map(|n| n * 1_000 / 30));
        assert!(frames[1..].windows(2).all(|two| (99..=101).contains(&(two[1] - two[0]))));
    }

    #[test]
    fn a_late_frame_delays_the_next_one_by_half_an_interval_at_most() {
        assert_eq!(admitted(Some(10.0), [0, 100, 270, 320, 350]), [0, 100, 270, 320]);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_no_frame() {
        assert_eq!(admitted(Some(10.0), [9_000, 1_000, 1_010, 1_100]), [9_000, 1_000, 1_100]);
    }

    #[test]
    fn due_frames_between_two_others_are_counted() {
        let limit = RateLimit::new(Some(10.0));
        let due = [30, 100, 170, 180, 300].map(|millis| limit.due_between(at(0), at(millis)));
        assert_eq!(due, [0, 0, 0, 1, 2]);
        assert_eq!(RateLimit::new(None).due_between(at(0), at(9_000)), 0);
    }

    #[test]
    fn a_check_takes_no_frame() {
        let mut limit = RateLimit::new(Some(1.0));
        assert!(limit.is_due(at(0)) && limit.is_due(at(0)) && limit.admit(at(0)));
        assert!(!limit.is_due(at(0)) && !limit.admit(at(0)));
        limit.set(None);
        assert!(limit.is_due(at(0)) && limit.admit(at(0)) && limit.max_fps().is_none());
    }
}
