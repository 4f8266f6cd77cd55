//! The offset between a source's clock and this process's. No clock: times are passed in.
//!
//! A source's clock has an unknown offset from this process's clock, and a frame takes an unknown time to arrive. The
//! smallest difference of both times that was observed is close to the offset, because no frame arrives before it is
//! captured. If it changes, one of the clocks did.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// A change of the offset that counts as a jump, in microseconds: more than rounding and the jitter of a driver.
const JUMP: i64 = 500_000;
/// The smallest difference is taken over windows of this length. A congested link delivers a frame in time now and then.
const WINDOW: Duration = Duration::from_secs(60);

/// Estimates the offset of a source's clock, from its opening on.
#[derive(Debug, Default)]
pub struct ClockOffset {
    last: Option<i64>,
    window: Option<Window>,
    /// The smallest difference of the previous window.
    previous: Option<i64>,
}

/// The time over which the smallest difference is taken.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    /// Arrival minus own time, in microseconds.
    smallest: i64,
}

/// A change of the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetChange {
    /// The source's clock jumped by this many microseconds.
    Jump(i64),
    /// The source's clock gained this many microseconds in one window, or lost them if negative.
    Gain(i64),
}

impl ClockOffset {
    /// Notes a frame: its time by the source's clock, in microseconds since any moment, and the time at which it arrived
    /// by this process's. Returns a change of the offset, if there is one. A jump starts the estimate again.
    pub fn note(&mut self, own: i64, arrived: Timestamp) -> Option<OffsetChange> {
        let difference = difference(own, arrived);
        let jump = self.jump_of(own, difference);
        if jump.is_some() {
            *self = Self::default();
        }
        self.last = Some(own);
        let gain = self.advance(difference, arrived);
        jump.map(OffsetChange::Jump).or(gain.map(OffsetChange::Gain))
    }

    /// Returns the smallest difference of arrival and own time within the last one or two minutes, in microseconds.
    pub fn smallest(&self) -> Option<i64> {
        self.window.map(|window| window.smallest).into_iter().chain(self.previous).min()
    }

    /// Returns by how much the clock jumped before this frame. A clock that jumps back repeats times; after a jump ahead,
    /// frames seem to arrive sooner than any before.
    fn jump_of(&self, own: i64, difference: i64) -> Option<i64> {
        let step = own.saturating_sub(self.last?);
        let ahead = self.smallest().map_or(0, |known| known.saturating_sub(difference));
        match (step < -JUMP, ahead > JUMP) {
            (true, _) => Some(step),
            (false, true) => Some(ahead),
            (false, false) => None,
        }
    }

    /// Returns how much the clock gained since the previous window, if one ends.
    fn advance(&mut self, difference: i64, arrived: Timestamp) -> Option<i64> {
        let window = self.window.get_or_insert(Window { began: arrived, smallest: difference });
        window.smallest = window.smallest.min(difference);
        if arrived.since(window.began) < WINDOW {
            return None;
        }
        let smallest = window.smallest;
        self.window = None;
        let gained = |previous: i64| previous.saturating_sub(smallest);
        Some(self.previous.replace(smallest).map_or(0, gained))
    }
}

/// Returns arrival minus own time, in microseconds.
fn difference(own: i64, arrived: Timestamp) -> i64 {
    let difference = i128::from(arrived.micros()) - i128::from(own);
    difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}
