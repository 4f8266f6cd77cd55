//! Whether a track's frames can be made. No clock: `now` is passed in.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::backoff::Backoff;

/// A track is given up after this many failures in a row, which take at least this long: a single damaged frame gives up
/// nothing, and a relay that misses frames for 2 s looks for another track.
const FAILURES: u32 = 3;
const FAILS_FOR: Duration = Duration::from_secs(1);
/// A track that was given up is tried again after the first wait, doubling to the longest: a graphics driver that was reset
/// is back within seconds, and an attempt may cost a thread that gets stuck.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The health of a track's encoder.
#[derive(Debug)]
pub(super) struct Health {
    /// Since the last success.
    failing: Option<Failing>,
    /// The moment when a frame was made last after a failure.
    well_since: Timestamp,
    backoff: Backoff,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    since: Timestamp,
    failures: u32,
    /// The track was given up, and is tried again then.
    again_at: Option<Timestamp>,
}

impl Default for Health {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        Self { failing: None, well_since: Timestamp::default(), backoff }
    }
}

impl Health {
    /// A frame could not be made. Returns whether the track is given up by that, for a while.
    pub(super) fn failed(&mut self, now: Timestamp, reason: &str, random: f64) -> bool {
        let failing = self.failing.get_or_insert_with(|| Failing {
            reason: String::new(),
            since: now,
            failures: 0,
            again_at: None,
        });
        reason.clone_into(&mut failing.reason);
        failing.failures += 1;
        let (again_at, since) = (failing.again_at, failing.since);
        match again_at {
            // An attempt that had begun before it was given up.
            Some(again_at) if now < again_at => false,
            None if failing.failures < FAILURES || now.since(since) < FAILS_FOR => false,
            _ => self.give_up(now, random),
        }
    }

    /// A thread is stuck making a frame: the track is given up for a while.
    pub(super) fn stuck(&mut self, now: Timestamp, reason: &str, random: f64) {
        self.failing =
            Some(Failing { reason: reason.into(), since: now, failures: 1, again_at: None });
        self.give_up(now, random);
    }

    fn give_up(&mut self, now: Timestamp, random: f64) -> bool {
        let well_for = match self.well_since {
            never if never == Timestamp::default() => Duration::ZERO,
            since => now.since(since),
        };
        let wait = self.backoff.wait(well_for, random);
        self.well_since = Timestamp::default();
        let Some(failing) = &mut self.failing else { return false };
        failing.again_at = Some(now + wait);
        true
    }

    /// A frame was made. Returns whether the track had been given up.
    pub(super) fn well(&mut self, now: Timestamp) -> bool {
        let Some(failing) = self.failing.take() else { return false };
        let was_given_up = failing.again_at.is_some();
        if was_given_up {
            self.well_since = now;
        }
        was_given_up
    }

    /// Whether frames are to be made: the track is well, or it is time for another attempt.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        self.again_at().is_none_or(|again_at| now >= again_at)
    }

    /// Why no frame of the track can be expected, if none can. A track that is not watched may be worth another attempt,
    /// which only a viewer can begin.
    pub(super) fn given_up(&self, now: Timestamp, watched: bool) -> Option<&str> {
        let given_up = self.again_at().is_some() && (watched || !self.allows(now));
        self.failing.as_ref().filter(|_| given_up).map(|failing| failing.reason.as_str())
    }

    fn again_at(&self) -> Option<Timestamp> {
        self.failing.as_ref().and_then(|failing| failing.again_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    fn failed(health: &mut Health, millis: u64) -> bool {
        health.failed(at(millis), "no device", MIDDLE)
    }

    #[test]
    fn a_track_is_given_up_after_a_second_of_failures_alone() {
        let mut health = Health::default();
        for frame in 0..30 {
            assert!(!failed(&mut health, frame * 33), "{frame}");
            assert_eq!(health.given_up(at(frame * 33), true), None);
        }
        assert!(!health.well(at(995)), "it was not given up");
        assert!(!failed(&mut health, 1_000), "a success in between counts");
        assert!(!failed(&mut health, 3_000), "of a slow camera, two are not enough");
        assert!(failed(&mut health, 5_000));
        assert_eq!(health.given_up(at(5_000), true), Some("no device"));
    }

    #[test]
    fn it_is_tried_again_after_longer_and_longer_waits() {
        let mut health = Health::default();
        let (mut now, mut waits) = (0, Vec::new());
        assert_eq!([0, 500, 1_000].map(|n| failed(&mut health, n)), [false, false, true]);
        now += 1_000;
        for _ in 0..7 {
            let wait = (0..).find(|wait| health.allows(at(now + wait))).unwrap();
            assert!(
                !failed(&mut health, now + wait - 1),
                "what had begun before counts for nothing"
            );
            waits.push(wait);
            now += wait;
            assert!(failed(&mut health, now), "one failure is enough for an attempt");
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn one_frame_ends_it_and_only_time_shortens_the_next_wait() {
        let mut health = Health::default();
        health.stuck(at(0), "the encoder does not answer", MIDDLE);
        assert!(!health.allows(at(999)) && health.allows(at(1_000)));
        assert!(health.well(at(1_000)));
        assert_eq!((health.given_up(at(1_000), true), health.allows(at(1_000))), (None, true));
        health.stuck(at(2_000), "the encoder does not answer", MIDDLE);
        assert!(!health.allows(at(3_999)), "it was well for a second");
        assert!(health.well(at(4_000)));
        health.stuck(at(60_000), "the encoder does not answer", MIDDLE);
        assert!(health.allows(at(61_000)), "it was well for long");
    }

    #[test]
    fn a_track_without_viewers_is_listed_once_it_is_worth_an_attempt_and_one_with_viewers_when_it_succeeds()
     {
        let mut health = Health::default();
        health.stuck(at(0), "no device", MIDDLE);
        assert_eq!(health.given_up(at(500), false), Some("no device"));
        assert_eq!(health.given_up(at(1_000), false), None);
        assert_eq!(health.given_up(at(1_000), true), Some("no device"));
        health.well(at(1_500));
        assert_eq!(health.given_up(at(1_500), true), None);
    }
}
