//! At most so many pictures a second. No clock of its own: pictures bring their moments.

use fanlight_protocol::Timestamp;

/// Lets every picture pass, or as many a second as it was made for.
#[derive(Debug, Default)]
pub struct RateLimit {
    /// The shortest time between two pictures, in microseconds; 0: any.
    interval: u64,
    due: Timestamp,
}

impl RateLimit {
    /// At most so many pictures a second; all where it is absent.
    pub fn new(fps: Option<f64>) -> Self {
        let interval = fps.map_or(0, |fps| (1e6 / fps) as u64);
        Self { interval, due: Timestamp::default() }
    }

    /// Whether a picture captured then may pass. Due times advance by whole intervals, so that 10 of 30 pictures a second
    /// are every third and not every fourth.
    pub fn passes(&mut self, captured_at: Timestamp) -> bool {
        let interval = self.interval as i64;
        if interval == 0 {
            return true;
        }
        // A clock that was set back would make everything early for as long.
        if captured_at.offset(2 * interval) < self.due {
            self.due = captured_at;
        }
        // A picture may be a little early and still be the one that is due.
        if captured_at.offset(interval / 4) < self.due {
            return false;
        }
        let next = self.due.offset(interval);
        let late = next < captured_at.offset(interval / 2);
        self.due = if late { captured_at.offset(interval) } else { next };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(fps: Option<f64>, of_fps: u64, seconds: u64) -> usize {
        let mut cap = RateLimit::new(fps);
        let moments = (0..of_fps * seconds).map(|n| 1_000_000_000 + n * 1_000_000 / of_fps);
        moments.filter(|&micros| cap.passes(Timestamp::from_micros(micros))).count()
    }

    #[test]
    fn as_many_pass_as_may() {
        assert_eq!(passed(None, 30, 10), 300);
        assert_eq!(passed(Some(10.0), 30, 10), 100);
        assert_eq!(passed(Some(60.0), 30, 10), 300);
        assert_eq!(passed(Some(0.5), 30, 100), 51, "the first is due at once");
    }
}
