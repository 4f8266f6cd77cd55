//! Detection of a source whose own timestamps jump or drift. No clock: times are passed in.

use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::catalog::{CLOCK_DRIFTS, CLOCK_JUMPS};

use super::clock_offset::{ClockOffset, OffsetChange};

/// A jump is reported for this long, so that people can notice it.
const REPORTED_FOR: Duration = Duration::from_secs(60);
/// Change of the offset in one window that counts as drift, in microseconds: a thousandth of the time. A quartz is at
/// least ten times better.
const DRIFT: i64 = 60_000;
/// Number of windows in a row with a change in the same direction. A queue that fills up looks like a slow clock, and
/// holds less than some minutes.
const DRIFTING_WINDOWS: i32 = 3;

/// A fault of a source's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFault {
    /// The clock jumped by this many microseconds within the last minute.
    Jump(i64),
    /// The clock gains this many microseconds a minute, or loses them if negative.
    Drift(i64),
}

impl ClockFault {
    /// Returns the reason for the catalog, without numbers: every change of it is announced to all viewers.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Jump(_) => CLOCK_JUMPS,
            Self::Drift(_) => CLOCK_DRIFTS,
        }
    }
}

/// Observes the clock of one source, from its opening on.
#[derive(Debug, Default)]
pub struct SourceClock {
    offset: ClockOffset,
    jump: Option<(Timestamp, i64)>,
    /// Windows in a row in which the clock gained time (positive) or lost it (negative), and the time in the last one.
    drifting: i32,
    drift: i64,
}

impl SourceClock {
    /// Notes a frame: its time by the source's clock, and the time at which it arrived by this process's. Returns the
    /// present fault of the clock.
    pub fn note(&mut self, own: Timestamp, arrived: Timestamp) -> Option<ClockFault> {
        let own = i64::try_from(own.micros()).unwrap_or(i64::MAX);
        match self.offset.note(own, arrived) {
            Some(OffsetChange::Jump(jump)) => {
                (self.jump, self.drifting, self.drift) = (Some((arrived, jump)), 0, 0);
            }
            Some(OffsetChange::Gain(gained)) => self.drift_by(gained),
            None => {}
        }
        self.jump = self.jump.filter(|(at, _)| arrived.since(*at) < REPORTED_FOR);
        match self.jump {
            Some((_, jump)) => Some(ClockFault::Jump(jump)),
            None => {
                (self.drifting.abs() >= DRIFTING_WINDOWS).then_some(ClockFault::Drift(self.drift))
            }
        }
    }

    fn drift_by(&mut self, gained: i64) {
        self.drift = gained;
        self.drifting = match gained {
            gained if gained >= DRIFT => self.drifting.max(0).saturating_add(1),
            gained if gained <= -DRIFT => self.drifting.min(0).saturating_sub(1),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000_000;
    /// The source's clock is an hour behind.
    const OFFSET: i64 = -3_600_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(u64::try_from(micros).unwrap())
    }

    /// Plays frames, ten a second. `own` and `delay` return the deviation of the source's clock and the delay of a frame
    /// after these milliseconds, in milliseconds. Returns each change of the fault with its second.
    fn faults(
        seconds: i64,
        own: impl Fn(i64) -> i64,
        delay: impl Fn(i64) -> i64,
    ) -> Vec<(i64, Option<&'static str>)> {
        let (mut clock, mut shown, mut changes) = (SourceClock::default(), None, Vec::new());
        let mut last_arrival = 0;
        for millis in (0..seconds * 1000).step_by(100) {
            // A connection delivers in order.
            last_arrival = (millis + delay(millis)).max(last_arrival);
            let own = at(START + OFFSET + (millis + own(millis)) * 1000);
            let fault = clock.note(own, at(START + last_arrival * 1000));
            let reason = fault.map(ClockFault::reason);
            if std::mem::replace(&mut shown, reason) != reason {
                changes.push((millis / 1000, reason));
            }
        }
        changes
    }

    #[test]
    fn a_jump_in_either_direction_is_reported_for_a_minute() {
        for by in [-3_600_000, -700, 600, 3_600_000] {
            let jump = move |millis| if millis < 90_000 { 0 } else { by };
            let expected = [(90, Some(CLOCK_JUMPS)), (150, None)];
            assert_eq!(faults(600, jump, |_| 20), expected, "{by}");
        }
    }

    #[test]
    fn a_clock_that_runs_a_hundredth_too_fast_or_slow_is_reported_until_it_is_right() {
        for sign in [-1, 1] {
            let drift = move |millis: i64| sign * millis.min(600_000) / 100;
            let changes = faults(1200, drift, |millis| 20 + millis % 7);
            let [(begin, Some(reason)), (end, None)] = changes[..] else { panic!("{changes:?}") };
            assert_eq!(reason, CLOCK_DRIFTS);
            assert!((180..=300).contains(&begin) && (600..=780).contains(&end), "{changes:?}");
        }
    }

    #[test]
    fn neither_a_quartz_nor_the_network_is_a_fault_of_the_clock() {
        let exact = |_| 0;
        assert_eq!(faults(3600, |millis| millis / 20_000, |_| 5), [], "50 ppm");
        assert_eq!(faults(600, exact, |millis| millis * 7919 % 400), [], "jitter");
        let stall = |millis| if (60_000..64_000).contains(&millis) { 64_000 - millis } else { 20 };
        assert_eq!(faults(600, exact, stall), [], "a stall of 4 s, and all frames after it");
        let queue = |millis: i64| (millis - 100_000).clamp(0, 60_000) / 20;
        assert_eq!(faults(900, exact, queue), [], "a queue of 3 s that fills up once");
    }

    #[test]
    fn a_jump_is_measured() {
        let mut clock = SourceClock::default();
        for second in 0..10 {
            assert_eq!(clock.note(at(second * 1_000_000), at(START + second * 1_000_000)), None);
        }
        let fault = clock.note(at(5_000_000), at(START + 10_000_000));
        assert_eq!(fault, Some(ClockFault::Jump(-4_000_000)));
        let fault = clock.note(at(66_000_000), at(START + 11_000_000));
        assert_eq!(fault, Some(ClockFault::Jump(60_000_000)));
    }
}
