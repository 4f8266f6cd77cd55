//! The limits on what one publisher pushes. No clock: `now` is passed in.

use std::time::Duration;

use fanlight_protocol::MAX_PAYLOAD;
use tokio::time::Instant;

use crate::rate::{Events, Rate};
use crate::stats::labels::RefusedFrame;

/// Default of `--max-ingest-fps`.
pub const MAX_FPS: u32 = 120;
/// Default of `--max-ingest`, in bits per second.
pub const MAX_BITRATE: u64 = 100_000_000;
/// Most refused frames of a publisher in a short time: ten may be a camera that starts, a hundred are a program that sends
/// something else, or too much. One is forgiven every 100 ms.
pub const MAX_REFUSED: u32 = 100;
const REFUSED: Rate = Rate {
    every: Duration::from_millis(100),
    burst: MAX_REFUSED,
    max_delay: Duration::from_secs(1),
};
/// Most refused frames before the first that is accepted.
pub const MAX_REFUSED_AT_FIRST: u32 = 10;
/// Bytes that a publisher may send at most in one go, in addition to its rate: one frame of the largest size.
const BURST: u64 = MAX_PAYLOAD as u64;

/// The limits on each publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// Most frames per second.
    pub fps: u32,
    /// Most bits per second.
    pub bitrate: u64,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self { fps: MAX_FPS, bitrate: MAX_BITRATE }
    }
}

/// The recent frames of one publisher.
#[derive(Debug)]
pub struct Pace {
    limits: PushLimits,
    frames: Rate,
    sent: Events,
    refused: Events,
    refused_at_first: u32,
    has_frames: bool,
    bytes: ByteAllowance,
}

impl Pace {
    /// Creates the pace of a publisher that begins at `now`.
    pub fn new(limits: PushLimits, now: Instant) -> Self {
        // A sender's jitter must not count: half a second of frames may arrive together.
        let frames = Rate {
            every: Duration::from_secs(1) / limits.fps,
            burst: (limits.fps / 2).max(2),
            max_delay: Duration::from_secs(1),
        };
        Self {
            limits,
            frames,
            sent: Events::none(now),
            refused: Events::none(now),
            refused_at_first: 0,
            has_frames: false,
            bytes: ByteAllowance::new(limits.bitrate, now),
        }
    }

    /// Records a frame that arrived at `now`.
    ///
    /// # Errors
    /// Fails with the limit that it exceeds, and a text for the publisher.
    pub fn admit(&mut self, bytes: usize, now: Instant) -> Result<(), (RefusedFrame, String)> {
        if bytes > MAX_PAYLOAD {
            let message = format!("a frame of {bytes} bytes: at most {MAX_PAYLOAD} are accepted");
            return Err((RefusedFrame::Size, message));
        }
        let PushLimits { fps, bitrate } = self.limits;
        if !self.frames.admit(&mut self.sent, now) {
            let message = format!("more than {fps} frames per second (--max-ingest-fps)");
            return Err((RefusedFrame::Fps, message));
        }
        if !self.bytes.take(bytes as u64, now) {
            let message = format!("more than {bitrate} bits per second (--max-ingest)");
            return Err((RefusedFrame::Bitrate, message));
        }
        Ok(())
    }

    /// Notes that a frame was accepted.
    pub fn accept(&mut self) {
        self.has_frames = true;
    }

    /// Records a refused frame. Returns whether the publisher has had its most.
    pub fn refuse(&mut self, now: Instant) -> bool {
        if !self.has_frames {
            self.refused_at_first += 1;
        }
        let delay = REFUSED.record(&mut self.refused, now);
        !delay.is_zero() || self.refused_at_first >= MAX_REFUSED_AT_FIRST
    }
}

/// Bytes that a publisher may still send.
#[derive(Debug)]
struct ByteAllowance {
    per_second: f64,
    left: f64,
    most: f64,
    at: Instant,
}

impl ByteAllowance {
    fn new(bitrate: u64, now: Instant) -> Self {
        let per_second = bitrate as f64 / 8.0;
        let most = per_second.max(BURST as f64);
        Self { per_second, left: most, most, at: now }
    }

    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let earned = self.per_second * now.saturating_duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + earned).min(self.most), now);
        let fits = bytes as f64 <= self.left;
        if fits {
            self.left -= bytes as f64;
        }
        fits
    }
}

/// Slows down the reading of one connection: a publisher that sends without end must not occupy its thread. The rate is
/// twice that of `--max-ingest`, so that frames are refused and the publisher learns why.
#[derive(Debug)]
pub struct ReadPace {
    per_second: f64,
    /// The time at which all that was read is paid for.
    paid_at: Instant,
}

/// Time in advance that a connection may read.
const READ_AHEAD: Duration = Duration::from_secs(2);

impl ReadPace {
    /// Creates the pace of a connection.
    pub fn new(limits: PushLimits, now: Instant) -> Self {
        Self { per_second: limits.bitrate as f64 / 4.0, paid_at: now }
    }

    /// Records bytes that were read at `now`. Returns the time before which nothing more must be read.
    pub fn record(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let cost = Duration::from_secs_f64(bytes as f64 / self.per_second);
        self.paid_at = self.paid_at.max(now) + cost;
        let due = self.paid_at.checked_sub(READ_AHEAD)?;
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(fps: u32, bitrate: u64) -> (Pace, Instant) {
        let now = Instant::now();
        (Pace::new(PushLimits { fps, bitrate }, now), now)
    }

    #[test]
    fn frames_up_to_the_limit_are_accepted_and_those_beyond_it_are_not() {
        for (sent, accepted) in [(100u32, 1000usize), (120, 1200), (1000, 1260)] {
            let (mut pace, begin) = pace(120, u64::MAX);
            let at = |number: u32| begin + Duration::from_secs(1) * number / sent;
            let count = (0..10 * sent).filter(|number| pace.admit(10, at(*number)).is_ok()).count();
            assert!(count.abs_diff(accepted) <= 2, "{sent} per second: {count}");
        }
    }

    #[test]
    fn bits_beyond_the_limit_are_refused_and_a_large_frame_is_not() {
        let (mut pace, begin) = pace(1000, 8_000_000);
        assert!(pace.admit(MAX_PAYLOAD, begin).is_ok());
        let (kind, message) = pace.admit(1000, begin).unwrap_err();
        assert!(kind == RefusedFrame::Bitrate && message.contains("--max-ingest"), "{message}");
        assert!(pace.admit(1_000_000, begin + Duration::from_secs(1)).is_ok());
        assert!(pace.admit(MAX_PAYLOAD + 1, begin + Duration::from_secs(90)).is_err());
    }

    #[test]
    fn a_publisher_that_sends_no_frame_is_given_up_sooner_than_one_that_does() {
        let (mut strange, now) = pace(120, MAX_BITRATE);
        let refused = (0..MAX_REFUSED_AT_FIRST).position(|_| strange.refuse(now));
        assert_eq!(refused, Some(MAX_REFUSED_AT_FIRST as usize - 1));
        let (mut known, now) = pace(120, MAX_BITRATE);
        known.accept();
        let refused = (0..200).position(|_| known.refuse(now));
        assert_eq!(refused, Some(MAX_REFUSED as usize));
        let (mut few, begin) = pace(120, MAX_BITRATE);
        few.accept();
        let at = |number: u32| begin + Duration::from_millis(100) * number;
        assert!(!(0..1000).any(|number| few.refuse(at(number))), "ten per second are forgiven");
    }

    #[test]
    fn a_connection_reads_ahead_and_then_at_twice_the_rate() {
        let now = Instant::now();
        let mut pace = ReadPace::new(PushLimits { fps: 1, bitrate: 8_000_000 }, now);
        assert_eq!(pace.record(4_000_000, now), None);
        assert_eq!(pace.record(2_000_000, now), Some(now + Duration::from_secs(1)));
    }
}
