//! Frame rate, bitrate and drop ratio over the last seconds. No clock of its own: `now` is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Long enough to smooth random variation, short enough to follow a camera that slows down in the dark.
const WINDOW: Duration = Duration::from_secs(3);

/// Converts growing counters to rates.
#[derive(Debug, Default)]
pub struct RateMeter {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    frames: u64,
    dropped: u64,
    bytes: u64,
}

/// The share of frames that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropRatio {
    dropped: u64,
    frames: u64,
}

impl DropRatio {
    /// Returns the share in whole percent.
    pub fn percent(&self) -> u64 {
        self.dropped * 100 / self.frames.max(1)
    }

    /// Returns the number of frames, dropped ones included.
    pub fn frames(&self) -> u64 {
        self.frames
    }
}

impl RateMeter {
    /// Takes the present counters. Returns frames per thousand seconds and bits per second over the window.
    pub fn rates(&mut self, at: Instant, frames: u64, dropped: u64, bytes: u64) -> (u32, u64) {
        self.samples.push_back(Sample { at, frames, dropped, bytes });
        while self.samples.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            self.samples.pop_front();
        }
        let Some(first) = self.samples.front() else {
            return (0, 0);
        };
        let micros = at.duration_since(first.at).as_micros().max(1) as u64;
        if micros < 100_000 {
            return (0, 0);
        }
        let millifps = (frames - first.frames) * 1_000_000_000 / micros;
        let bitrate = (bytes - first.bytes) * 8_000_000 / micros;
        (u32::try_from(millifps).unwrap_or(u32::MAX), bitrate)
    }

    /// Returns the share of frames that were dropped over the window.
    pub fn drop_ratio(&self) -> DropRatio {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return DropRatio { dropped: 0, frames: 0 };
        };
        let dropped = last.dropped - first.dropped;
        DropRatio { dropped, frames: last.frames - first.frames + dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_cover_the_last_seconds() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        let mut at = |seconds: u64, frames| {
            meter.rates(start + Duration::from_secs(seconds), frames, frames / 10, frames * 1000)
        };
        assert_eq!(at(0, 0), (0, 0));
        assert_eq!(at(1, 30), (30_000, 240_000));
        assert_eq!(at(2, 60), (30_000, 240_000));
        assert_eq!(at(3, 60).0, 20_000);
        for seconds in 4..=6 {
            at(seconds, 60);
        }
        assert_eq!(at(7, 60), (0, 0));
        assert_eq!(meter.drop_ratio().percent(), 0);
        meter.rates(start + Duration::from_secs(8), 90, 16, 90_000);
        let ratio = meter.drop_ratio();
        assert_eq!(ratio.percent(), 25);
        assert_eq!(ratio.frames(), 40);
    }
}
