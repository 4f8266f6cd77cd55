//! The wait of a decoder for an entry point in the source's own H.264. No clock: frames bring their times.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The source is opened again after this wait. A camera with keyframes close enough for passthrough has sent one by
/// then, and most cameras begin with one when they are opened.
const FIRST: Duration = Duration::from_secs(5);
/// The wait doubles up to this for a camera that does not begin with a keyframe, so that the camera's own keyframe
/// interval is reached. No camera is given more time.
const MAX: Duration = Duration::from_secs(160);
/// The waits that are reported, in seconds. A camera that begins within a short GOP is not reported, and each change of
/// a report is sent to all viewers.
const REPORTED: [u64; 10] = [1, 2, 5, 10, 20, 40, 60, 120, 300, 600];

/// The wait of one decoder.
#[derive(Debug)]
pub(super) struct EntryWait {
    /// Beginning of the wait within this opening of the source.
    since: Option<Timestamp>,
    /// Beginning of the wait over several openings.
    since_first: Option<Timestamp>,
    limit: Duration,
}

impl Default for EntryWait {
    fn default() -> Self {
        Self { since: None, since_first: None, limit: FIRST }
    }
}

impl EntryWait {
    /// Notes that the decoder cannot begin yet. Returns the wait to report, if it is long enough.
    pub(super) fn wait(&mut self, now: Timestamp) -> Option<Duration> {
        self.since.get_or_insert(now);
        let waited = now.since(*self.since_first.get_or_insert(now));
        let reported = REPORTED.into_iter().map(Duration::from_secs);
        reported.take_while(|step| *step <= waited).last()
    }

    /// Returns the length of the wait over all openings.
    pub(super) fn waited(&self, now: Timestamp) -> Duration {
        self.since_first.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Ends the wait, because the decoder has begun.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Interrupts the wait, because no track needs the decoder.
    pub(super) fn pause(&mut self) {
        (self.since, self.since_first) = (None, None);
    }

    /// Returns whether the source must be opened again, because the wait was too long.
    pub(super) fn is_over(&mut self, now: Timestamp) -> bool {
        let over = self.since.is_some_and(|since| now.since(since) > self.limit);
        if over {
            self.since = None;
            self.limit = (self.limit * 2).min(MAX);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros((1_000 + seconds) * 1_000_000)
    }

    #[test]
    fn the_source_is_opened_again_after_ever_longer_waits_until_the_decoder_begins() {
        let (mut wait, mut now) = (EntryWait::default(), 0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let began = now;
            wait.wait(at(now));
            while !wait.is_over(at(now)) {
                now += 1;
            }
            waits.push(now - began - 1);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 160]);
        wait.end();
        wait.wait(at(now));
        assert!(!wait.is_over(at(now + 5)) && wait.is_over(at(now + 6)));
    }

    #[test]
    fn a_wait_is_reported_in_steps_and_pauses_while_no_track_needs_the_decoder() {
        let mut wait = EntryWait::default();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait.wait(at(0)), None);
        assert_eq!([wait.wait(at(1)), wait.wait(at(4))], [seconds(1), seconds(2)]);
        assert_eq!(wait.wait(at(5)), seconds(5));
        assert!(wait.is_over(at(6)));
        assert_eq!(wait.wait(at(12)), seconds(10), "over several openings");
        wait.pause();
        assert!(!wait.is_over(at(60)));
        assert_eq!(wait.wait(at(60)), None);
    }
}
