//! Liveness of a publisher, decided from times alone.
//!
//! Any message is a sign of life, so a link that delivers old frames and no catalog is alive. While tracks of a publisher
//! are watched, a publisher that stops sending is pinged. If it does not answer the pings, it is *silent*: another publisher
//! with the same names may take over. Without a sign of life for longer it is *gone*.

use std::time::{Duration, Instant};

use super::publisher_state::ANNOUNCE_EVERY;

/// Announcements missed before a publisher is gone.
const MISSED: u32 = 3;
/// Silence after which a watched publisher is pinged: more than a frame interval at 3 frames per second.
const QUIET: Duration = Duration::from_millis(400);
/// The timeout of a ping, beyond the round trip. The publisher's bus thread never blocks, so it answers within a few
/// milliseconds, on a busy machine within some tens.
const PING_EVERY: Duration = Duration::from_millis(200);
/// Unanswered pings after which a publisher is silent. With the two times above that is after one second.
const PINGS: u32 = 3;
/// The longest round trip that a ping waits for, so that every wait has an end.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);
/// A pause between two checks that means that this process was not running: it checks at least once a second.
const OWN_PAUSE: Duration = Duration::from_millis(1500);

/// The next step for a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send it a request that it answers.
    Ping,
    /// Report that it does not answer.
    Silent,
    /// Report that it is gone.
    Gone,
}

/// The signs of life of one publisher.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Time of the last message; `None` while it is gone.
    heard_at: Option<Instant>,
    checked_at: Option<Instant>,
    pinged_at: Option<Instant>,
    pings: u32,
    silent: bool,
}

impl Liveness {
    /// Returns whether the publisher is present, as far as is known.
    pub(super) fn is_present(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Notes a catalog. Returns whether the publisher was gone before.
    pub(super) fn announce(&mut self, now: Instant) -> bool {
        self.heard_at.replace(now).is_none()
    }

    /// Notes a message. Returns whether it ended a silence. A publisher that is gone returns only with its next catalog.
    pub(super) fn hear(&mut self, now: Instant) -> bool {
        if let Some(heard_at) = &mut self.heard_at {
            *heard_at = now;
        }
        self.pinged_at = None;
        self.pings = 0;
        std::mem::take(&mut self.silent)
    }

    /// Notes that the publisher is gone. Returns whether it was present before.
    pub(super) fn leave(&mut self) -> bool {
        self.heard_at.take().is_some_and(|_| {
            *self = Self { checked_at: self.checked_at, ..Self::default() };
            true
        })
    }

    /// Returns the step to take now, given whether tracks are watched and the round trip to the publisher.
    pub(super) fn check(
        &mut self,
        now: Instant,
        watched: bool,
        round_trip: Duration,
    ) -> Option<Step> {
        self.excuse_own_pause(now);
        if now >= self.heard_at? + MISSED * ANNOUNCE_EVERY {
            return Some(Step::Gone);
        }
        if now < self.next_ping(watched, round_trip)? {
            return None;
        }
        if self.pings == PINGS {
            self.silent = true;
            return Some(Step::Silent);
        }
        self.pings += 1;
        self.pinged_at = Some(now);
        Some(Step::Ping)
    }

    /// Returns when the next check is due if nothing is heard before.
    pub(super) fn deadline(&self, watched: bool, round_trip: Duration) -> Option<Instant> {
        let gone_at = self.heard_at? + MISSED * ANNOUNCE_EVERY;
        Some(self.next_ping(watched, round_trip).map_or(gone_at, |ping| ping.min(gone_at)))
    }

    fn next_ping(&self, watched: bool, round_trip: Duration) -> Option<Instant> {
        let heard_at = self.heard_at.filter(|_| watched && !self.silent)?;
        let last =
            if self.pings == PINGS { round_trip.min(LONGEST_ROUND_TRIP) } else { Duration::ZERO };
        Some(self.pinged_at.map_or(heard_at + QUIET, |pinged_at| pinged_at + PING_EVERY + last))
    }

    /// Excuses the publisher for the time in which this process was not running.
    fn excuse_own_pause(&mut self, now: Instant) {
        let pause =
            self.checked_at.replace(now).map(|before| now.saturating_duration_since(before));
        if let (Some(heard_at), Some(pause)) = (&mut self.heard_at, pause)
            && pause > OWN_PAUSE
        {
            *heard_at = now.min(*heard_at + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Duration = Duration::from_millis(1);

    /// A publisher heard at time zero, to be checked at given milliseconds after it.
    struct Watch(Liveness, Instant);

    impl Watch {
        fn new() -> Self {
            let (mut liveness, now) = (Liveness::default(), Instant::now());
            liveness.announce(now);
            Self(liveness, now)
        }

        fn at(&self, millis: u64) -> Instant {
            self.1 + Duration::from_millis(millis)
        }

        /// Returns every step until then, with its time. Checks when something is due, and every second.
        fn steps(&mut self, until: u64, watched: bool, round_trip: Duration) -> Vec<(u64, Step)> {
            let mut steps = Vec::new();
            while let Some(due) = self.0.deadline(watched, round_trip) {
                let second = self.0.checked_at.unwrap_or(self.1) + Duration::from_secs(1);
                let now = due.min(second);
                if now > self.at(until) {
                    break;
                }
                let Some(step) = self.0.check(now, watched, round_trip) else { continue };
                steps.push((now.duration_since(self.1).as_millis() as u64, step));
                if step == Step::Gone {
                    self.0.leave();
                }
            }
            steps
        }
    }

    #[test]
    fn a_watched_publisher_that_does_not_answer_is_silent_after_one_second_and_gone_after_three() {
        let steps = Watch::new().steps(10_000, true, NEAR);
        let expected = [
            (400, Step::Ping),
            (600, Step::Ping),
            (800, Step::Ping),
            (1001, Step::Silent),
            (3000, Step::Gone),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn an_unwatched_publisher_is_not_pinged() {
        assert_eq!(Watch::new().steps(10_000, false, NEAR), [(3000, Step::Gone)]);
    }

    #[test]
    fn a_publisher_that_answers_late_on_a_busy_machine_is_not_silent() {
        let mut watch = Watch::new();
        // Each answer takes 500 ms: more than a ping waits, less than all of them together.
        for answer in 1..=20 {
            let steps = watch.steps(answer * 900, true, NEAR);
            assert!(steps.iter().all(|(_, step)| *step == Step::Ping), "{steps:?}");
            assert!(!watch.0.hear(watch.at(answer * 900)));
        }
    }

    #[test]
    fn the_round_trip_is_waited_for() {
        let steps = Watch::new().steps(2_000, true, Duration::from_millis(300));
        assert_eq!(steps.last(), Some(&(1300, Step::Silent)));
        let steps = Watch::new().steps(2_500, true, Duration::from_secs(100));
        assert_eq!(steps.last(), Some(&(2000, Step::Silent)), "with a limit");
    }

    #[test]
    fn any_message_ends_a_silence_but_only_a_catalog_ends_an_absence() {
        let mut watch = Watch::new();
        watch.steps(1_500, true, NEAR);
        assert!(watch.0.hear(watch.at(1_500)), "it was silent");
        assert!(!watch.0.hear(watch.at(1_501)));
        assert_eq!(watch.steps(9_000, true, NEAR).last(), Some(&(4_501, Step::Gone)));
        watch.0.hear(watch.at(9_000));
        assert!(!watch.0.is_present());
        assert!(watch.0.announce(watch.at(9_001)));
        assert!(!watch.0.announce(watch.at(9_002)));
    }

    #[test]
    fn a_pause_of_this_process_does_not_count_as_silence_of_the_publisher() {
        let mut watch = Watch::new();
        watch.0.check(watch.at(100), true, NEAR);
        assert_eq!(watch.0.check(watch.at(60_000), true, NEAR), None);
        let steps = watch.steps(62_000, true, NEAR);
        assert_eq!(steps.last().map(|(_, step)| *step), Some(Step::Silent), "it is still watched");
    }
}
