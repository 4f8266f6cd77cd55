//! The times in which a viewer received nothing. No IO and no clock.

use std::time::Instant;

/// A time without bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last byte before it, or the request.
    pub from: Instant,
    /// The first byte after it, or the end of the observation.
    pub to: Instant,
}

/// Keeps the longest gap of a viewer.
#[derive(Debug, Clone, Copy)]
pub struct Gaps {
    last: Instant,
    longest: Gap,
}

impl Gaps {
    /// Begins with the request: the wait for the first byte counts.
    pub fn begin(now: Instant) -> Self {
        Self { last: now, longest: Gap { from: now, to: now } }
    }

    /// Notes that bytes were read now.
    pub fn received(&mut self, now: Instant) {
        let gap = Gap { from: self.last, to: now };
        if gap.to.duration_since(gap.from) > self.longest.to.duration_since(self.longest.from) {
            self.longest = gap;
        }
        self.last = now;
    }

    /// The viewer stops reading now. The gap until now counts.
    pub fn suspend(&mut self, now: Instant) {
        self.received(now);
    }

    /// The viewer continues to read now. The gap since it stopped does not count.
    pub fn resume(&mut self, now: Instant) {
        self.last = now;
    }

    /// The longest gap, with the one that is open at the end.
    pub fn end(mut self, now: Instant) -> Gap {
        self.received(now);
        self.longest
    }
}
