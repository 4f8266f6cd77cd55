//! When a picture is to be a keyframe. No clock: pictures bring their moments.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Whoever cannot go on waits so long at most, and whoever comes decodes no more than that. More often would cost all
/// viewers: a keyframe is some eight times as large as another frame.
const EVERY: Duration = Duration::from_secs(2);
/// However many ask, and however often: so that those who lose frames do not cost the others more than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// When the last keyframe was, of one run of an encoder.
#[derive(Debug, Default)]
pub(super) struct Keyframes {
    last: Option<Timestamp>,
}

impl Keyframes {
    /// Whether a picture captured then is to be one, `wanted` by somebody or not.
    pub(super) fn is_due(&self, captured_at: Timestamp, wanted: bool) -> bool {
        let Some(last) = self.last else { return true };
        let pause = if wanted { AT_MOST_EVERY } else { EVERY };
        // A clock that was set back would put it off for as long.
        captured_at < last || captured_at.since(last) >= pause
    }

    /// That picture became one.
    pub(super) fn made(&mut self, captured_at: Timestamp) {
        self.last = Some(captured_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the keyframes among pictures that come ten a second.
    fn keyframes(pictures: u64, wanted: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut keyframes = Keyframes::default();
        let made = |n: &u64| {
            let at = Timestamp::from_micros(1_000_000 + n * 100_000);
            let due = keyframes.is_due(at, wanted(*n));
            if due {
                keyframes.made(at);
            }
            due
        };
        (0..pictures).filter(made).collect()
    }

    #[test]
    fn one_at_first_and_then_every_two_seconds() {
        assert_eq!(keyframes(50, |_| false), [0, 20, 40]);
    }

    #[test]
    fn who_asks_has_one_but_not_more_than_one_a_second() {
        assert_eq!(keyframes(30, |n| n == 13), [0, 13]);
        assert_eq!(keyframes(40, |_| true), [0, 10, 20, 30]);
    }

    #[test]
    fn a_clock_that_is_set_back_puts_none_off() {
        let mut keyframes = Keyframes::default();
        keyframes.made(Timestamp::from_micros(9_000_000));
        assert!(keyframes.is_due(Timestamp::from_micros(1_000_000), false));
    }
}
