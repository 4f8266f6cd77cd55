//! The schedule of keyframes. No clock: frames bring their times.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Interval without requests: a viewer that cannot continue waits this long at most, and a new viewer decodes no more
/// than this. A shorter interval would cost all viewers: a keyframe is about eight times as large as another frame.
const INTERVAL: Duration = Duration::from_secs(2);
/// Shortest interval, whatever the number of requests: viewers that lose frames do not cost the others more than this.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The keyframes of one run of an encoder.
#[derive(Debug, Default)]
pub(super) struct KeyframeSchedule {
    last: Option<Timestamp>,
}

impl KeyframeSchedule {
    /// Returns whether a frame captured at that time must be a keyframe. `requested` states whether a viewer needs one.
    pub(super) fn is_due(&self, captured_at: Timestamp, requested: bool) -> bool {
        let Some(last) = self.last else { return true };
        let interval = if requested { MIN_INTERVAL } else { INTERVAL };
        // A clock that was set back would delay the next keyframe by that time.
        captured_at < last || captured_at.since(last) >= interval
    }

    /// Notes that the frame captured at that time is a keyframe.
    pub(super) fn encoded(&mut self, captured_at: Timestamp) {
        self.last = Some(captured_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the numbers of the keyframes among frames at ten a second.
    fn keyframes(frames: u64, requested: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut schedule = KeyframeSchedule::default();
        let is_keyframe = |n: &u64| {
            let captured_at = Timestamp::from_micros(1_000_000 + n * 100_000);
            let due = schedule.is_due(captured_at, requested(*n));
            if due {
                schedule.encoded(captured_at);
            }
            due
        };
        (0..frames).filter(is_keyframe).collect()
    }

    #[test]
    fn the_first_frame_is_a_keyframe_and_then_one_every_two_seconds() {
        assert_eq!(keyframes(50, |_| false), [0, 20, 40]);
    }

    #[test]
    fn a_request_is_met_but_no_more_than_once_a_second() {
        assert_eq!(keyframes(30, |n| n == 13), [0, 13]);
        assert_eq!(keyframes(40, |_| true), [0, 10, 20, 30]);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_no_keyframe() {
        let mut schedule = KeyframeSchedule::default();
        schedule.encoded(Timestamp::from_micros(9_000_000));
        assert!(schedule.is_due(Timestamp::from_micros(1_000_000), false));
    }
}
