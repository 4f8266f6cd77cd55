//! Thins a viewer's frames out to the frame rate it asked for. No clock: frames bring their capture times.

use fanlight_protocol::Timestamp;

/// The frame rate limit of one viewer.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// Microseconds between two frames; zero for no limit.
    interval: u64,
    next_due: Timestamp,
}

impl RateLimit {
    pub(super) fn new(max_fps: Option<f64>) -> Self {
        Self { interval: interval(max_fps), next_due: Timestamp::default() }
    }

    pub(super) fn set(&mut self, max_fps: Option<f64>) {
        self.interval = interval(max_fps);
    }

    /// Returns whether there is a limit.
    pub(super) fn is_set(&self) -> bool {
        self.interval > 0
    }

    pub(super) fn max_fps(&self) -> Option<f64> {
        self.is_set().then(|| 1e6 / self.interval as f64)
    }

    /// Returns whether the next frame is due, if it was captured at `captured_at`. A frame may be a little early and
    /// still be due.
    pub(super) fn is_due(&self, captured_at: Timestamp) -> bool {
        !self.is_set() || captured_at.offset((self.interval / 4) as i64) >= self.next_due
    }

    /// Returns whether to send a frame that was captured at `captured_at`. Due times advance by whole intervals, so
    /// that 10 of 30 frames a second are every third and not every fourth.
    pub(super) fn admit(&mut self, captured_at: Timestamp) -> bool {
        if !self.is_set() {
            return true;
        }
        // A clock that was set back would make every frame early for as long as it was set back.
        if captured_at.offset(2 * self.interval as i64) < self.next_due {
            self.next_due = captured_at;
        }
        if !self.is_due(captured_at) {
            return false;
        }
        let due = self.next_due.offset(self.interval as i64);
        let from_here = captured_at.offset(self.interval as i64 / 2);
        self.next_due = due.max(from_here);
        true
    }

    /// Counts the frames that were due after the one captured at `last` and before the one captured at `captured_at`;
    /// zero without a limit.
    pub(super) fn due_between(&self, last: Timestamp, captured_at: Timestamp) -> u64 {
        let since = captured_at.since(last).as_micros() as u64;
        let due = (since + self.interval / 4).checked_div(self.interval);
        due.unwrap_or(0).saturating_sub(1)
    }
}

fn interval(max_fps: Option<f64>) -> u64 {
    max_fps.map_or(0, |fps| (1_000_000.0 / fps) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn ten_of_thirty_frames_a_second_are_every_third() {
        let mut limit = RateLimit::new(Some(10.0));
        let sent: Vec<u64> = (0..90).filter(|n| limit.admit(at(1000 + n * 1000 / 30))).collect();
        // The second frame comes early: the first one sets the pace.
        assert!(sent[1..].windows(2).all(|two| two[1] - two[0] == 3), "{sent:?}");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_frames_back() {
        let mut limit = RateLimit::new(Some(10.0));
        assert!(limit.admit(at(100_000)));
        assert!(limit.admit(at(50_000)));
        assert!(!limit.admit(at(50_010)));
    }

    #[test]
    fn without_a_limit_every_frame_is_sent() {
        let mut limit = RateLimit::new(None);
        assert!((0..10).all(|n| limit.admit(at(n))));
        assert_eq!((limit.max_fps(), limit.due_between(at(0), at(1000))), (None, 0));
    }
}
