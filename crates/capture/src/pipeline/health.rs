//! The health of a track's encoder. No clock: `now` is passed in.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::backoff::Backoff;

/// An encoder has failed after this many failures in a row that span at least this time. A single damaged frame is not
/// enough, and a relay that misses frames for 2 s looks for another track.
const MIN_FAILURES: u32 = 3;
const MIN_FAILING: Duration = Duration::from_secs(1);
/// A failed encoder is retried after the first wait, which doubles up to the longest. A graphics driver that was reset
/// works again within seconds, and an attempt may cost a thread that gets stuck.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The health of one encoder.
#[derive(Debug)]
pub(super) struct EncoderHealth {
    /// The failures since the last success.
    failing: Option<Failing>,
    /// Time of the first success after the encoder had failed.
    healthy_since: Timestamp,
    backoff: Backoff,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    since: Timestamp,
    failures: u32,
    /// Time of the next attempt, once the encoder has failed.
    retry_at: Option<Timestamp>,
}

impl Default for EncoderHealth {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        Self { failing: None, healthy_since: Timestamp::default(), backoff }
    }
}

impl EncoderHealth {
    /// Counts a frame that was not encoded. Returns whether the encoder has failed by that, so that the next attempt
    /// waits.
    pub(super) fn failed(&mut self, now: Timestamp, reason: &str, random: f64) -> bool {
        let failing = self.failing.get_or_insert_with(|| Failing {
            reason: String::new(),
            since: now,
            failures: 0,
            retry_at: None,
        });
        reason.clone_into(&mut failing.reason);
        failing.failures += 1;
        let (retry_at, since) = (failing.retry_at, failing.since);
        match retry_at {
            // This attempt began before the encoder had failed.
            Some(retry_at) if now < retry_at => false,
            None if failing.failures < MIN_FAILURES || now.since(since) < MIN_FAILING => false,
            _ => self.back_off(now, random),
        }
    }

    /// Marks the encoder as failed, because a thread is stuck in it.
    pub(super) fn stuck(&mut self, now: Timestamp, reason: &str, random: f64) {
        self.failing =
            Some(Failing { reason: reason.into(), since: now, failures: 1, retry_at: None });
        self.back_off(now, random);
    }

    fn back_off(&mut self, now: Timestamp, random: f64) -> bool {
        let healthy_for = match self.healthy_since {
            never if never == Timestamp::default() => Duration::ZERO,
            since => now.since(since),
        };
        let wait = self.backoff.wait(healthy_for, random);
        self.healthy_since = Timestamp::default();
        let Some(failing) = &mut self.failing else { return false };
        failing.retry_at = Some(now + wait);
        true
    }

    /// Notes a frame that was encoded. Returns whether the encoder had failed before.
    pub(super) fn succeeded(&mut self, now: Timestamp) -> bool {
        let Some(failing) = self.failing.take() else { return false };
        let had_failed = failing.retry_at.is_some();
        if had_failed {
            self.healthy_since = now;
        }
        had_failed
    }

    /// Returns whether the encoder is used now: it works, or a retry is due.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        self.retry_at().is_none_or(|retry_at| now >= retry_at)
    }

    /// Returns the reason why the encoder has failed. An unwatched track has failed only until its retry is due,
    /// because only a viewer can start the retry.
    pub(super) fn failure(&self, now: Timestamp, watched: bool) -> Option<&str> {
        let failed = self.retry_at().is_some() && (watched || !self.allows(now));
        self.failing.as_ref().filter(|_| failed).map(|failing| failing.reason.as_str())
    }

    fn retry_at(&self) -> Option<Timestamp> {
        self.failing.as_ref().and_then(|failing| failing.retry_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1000)
    }

    fn failed(health: &mut EncoderHealth, millis: u64) -> bool {
        health.failed(at(millis), "no device", MIDDLE)
    }

    #[test]
    fn an_encoder_has_failed_after_a_second_of_nothing_but_failures() {
        let mut health = EncoderHealth::default();
        for frame in 0..30 {
            assert!(!failed(&mut health, frame * 33), "{frame}");
            assert_eq!(health.failure(at(frame * 33), true), None);
        }
        assert!(!health.succeeded(at(995)), "it had not failed");
        assert!(!failed(&mut health, 1_000), "a success in between restarts the count");
        assert!(!failed(&mut health, 3_000), "two failures of a slow camera are not enough");
        assert!(failed(&mut health, 5_000));
        assert_eq!(health.failure(at(5_000), true), Some("no device"));
    }

    #[test]
    fn retries_wait_longer_each_time() {
        let mut health = EncoderHealth::default();
        let (mut now, mut waits) = (0, Vec::new());
        assert_eq!([0, 500, 1_000].map(|n| failed(&mut health, n)), [false, false, true]);
        now += 1_000;
        for _ in 0..7 {
            let wait = (0..).find(|wait| health.allows(at(now + wait))).unwrap();
            assert!(
                !failed(&mut health, now + wait - 1),
                "an attempt that began before does not count"
            );
            waits.push(wait);
            now += wait;
            assert!(failed(&mut health, now), "one failure is enough for an attempt");
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn one_frame_ends_the_failure_and_only_time_resets_the_next_wait() {
        let mut health = EncoderHealth::default();
        health.stuck(at(0), "the encoder does not answer", MIDDLE);
        assert!(!health.allows(at(999)) && health.allows(at(1_000)));
        assert!(health.succeeded(at(1_000)));
        assert_eq!((health.failure(at(1_000), true), health.allows(at(1_000))), (None, true));
        health.stuck(at(2_000), "the encoder does not answer", MIDDLE);
        assert!(!health.allows(at(3_999)), "it was healthy for a second");
        assert!(health.succeeded(at(4_000)));
        health.stuck(at(60_000), "the encoder does not answer", MIDDLE);
        assert!(health.allows(at(61_000)), "it was healthy for a minute");
    }

    #[test]
    fn an_unwatched_track_has_failed_until_its_retry_is_due_and_a_watched_one_until_it_succeeds() {
        let mut health = EncoderHealth::default();
        health.stuck(at(0), "no device", MIDDLE);
        assert_eq!(health.failure(at(500), false), Some("no device"));
        assert_eq!(health.failure(at(1_000), false), None);
        assert_eq!(health.failure(at(1_000), true), Some("no device"));
        health.succeeded(at(1_500));
        assert_eq!(health.failure(at(1_500), true), None);
    }
}
