//! Frames and bits a second, over the last seconds. No clock of its own: `now` is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Long enough to smooth a second's chance, short enough to follow a camera that slows down in the dark.
const WINDOW: Duration = Duration::from_secs(3);

/// Turns counts that only grow into rates.
#[derive(Debug, Default)]
pub struct Meter {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    frames: u64,
    dropped: u64,
    bytes: u64,
}

/// What part of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    /// In whole percent.
    pub fn percent(&self) -> u64 {
        self.part * 100 / self.whole.max(1)
    }

    /// Of how many.
    pub fn whole(&self) -> u64 {
        self.whole
    }
}

impl Meter {
    /// Takes the counts of this moment; returns frames in a thousand seconds and bits a second over the window.
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

    /// What part of the frames was dropped, over the window.
    pub fn dropped_share(&self) -> Share {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Share { part: 0, whole: 0 };
        };
        let part = last.dropped - first.dropped;
        Share { part, whole: last.frames - first.frames + part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::default();
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
        assert_eq!(meter.dropped_share().percent(), 0);
        meter.rates(start + Duration::from_secs(8), 90, 16, 90_000);
        let share = meter.dropped_share();
        assert_eq!(share.percent(), 25);
        assert_eq!(share.whole(), 40);
    }
}
