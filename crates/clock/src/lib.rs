//! The only clock of this process: Unix time, read once and then continued by the monotonic clock.
//!
//! Differences of its readings are therefore correct even while the wall clock is set. Its offset from another process's
//! clock is measured by the bus, never assumed.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanlight_protocol::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// One moment on the three clocks.
struct Anchor {
    unix: Timestamp,
    instant: Instant,
    /// CLOCK_MONOTONIC, since its zero.
    monotonic: Duration,
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| {
        // A clock set before 1970 reads as 1970: ages stay correct, only dates are wrong.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let monotonic = clock_gettime(ClockId::Monotonic);
        Anchor {
            unix: Timestamp::from_micros(unix.as_micros() as u64),
            instant: Instant::now(),
            monotonic: Duration::new(monotonic.tv_sec as u64, monotonic.tv_nsec as u32),
        }
    })
}

/// Returns the present time by this process's clock.
pub fn now() -> Timestamp {
    at(Instant::now())
}

/// Converts an [`Instant`] to this process's clock.
pub fn at(instant: Instant) -> Timestamp {
    let anchor = anchor();
    match instant.checked_duration_since(anchor.instant) {
        Some(after) => anchor.unix + after,
        None => moved(anchor.unix, -signed_micros(anchor.instant - instant)),
    }
}

/// Converts a reading of CLOCK_MONOTONIC (such as the timestamp of a V4L2 driver) to this process's clock.
pub fn from_monotonic(reading: Duration) -> Timestamp {
    let anchor = anchor();
    moved(anchor.unix, signed_micros(reading) - signed_micros(anchor.monotonic))
}

fn moved(timestamp: Timestamp, micros: i64) -> Timestamp {
    timestamp.offset(micros)
}

fn signed_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_reading_and_an_instant_of_one_moment_agree() {
        let before = now();
        let reading = clock_gettime(ClockId::Monotonic);
        let converted =
            from_monotonic(Duration::new(reading.tv_sec as u64, reading.tv_nsec as u32));
        let after = now();
        // A millisecond for the gap between the three readings of the anchor.
        assert!(converted.offset(1000) >= before && converted <= after.offset(1000));
    }

    #[test]
    fn an_instant_before_the_anchor_reads_as_earlier() {
        let now = now();
        let Some(earlier) = Instant::now().checked_sub(Duration::from_millis(50)) else { return };
        assert!(at(earlier) < now);
    }
}
