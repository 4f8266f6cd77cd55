//! When a live packet arrived.
//!
//! FFmpeg stamps what it reads with the wall clock when asked to (`use_wallclock_as_timestamps`). That is better than to
//! look at the clock once a packet is handed out: a parser holds a picture back until the next one begins, an interval
//! later, but keeps the stamp of its first part.

use std::time::{SystemTime, UNIX_EPOCH};

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use ffmpeg_next::Rational;

/// A stamp longer ago than this is not the wall clock's.
const LONGEST_AGO_MICROS: i64 = 60_000_000;
/// A stamp this far in the future is only rounded.
const AHEAD_MICROS: i64 = 2_000;
/// Coarser units than this would lose more than reading the clock late does.
const COARSEST_UNIT_MICROS: f64 = 2_000.0;

/// Unix microseconds by the system's clock, which FFmpeg reads as well.
pub(super) fn wall_clock() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// When a packet with this stamp arrived, by this process's clock.
pub(super) fn arrived_at(stamp: Option<i64>, unit: Rational) -> Timestamp {
    // Both clocks read now: the wall clock may have been set since the last packet.
    let (wall_now, own_now) = (wall_clock(), clock::now());
    own_now.offset(arrival(stamp, unit, wall_now) - wall_now)
}

/// The stamp in microseconds of the wall clock where it is one, else now.
fn arrival(stamp: Option<i64>, unit: Rational, wall_now: i64) -> i64 {
    let unit_micros = f64::from(unit.numerator()) * 1e6 / f64::from(unit.denominator());
    match stamp.map(|stamp| micros(stamp, unit)) {
        Some(stamp)
            if unit_micros <= COARSEST_UNIT_MICROS
                && stamp >= wall_now - LONGEST_AGO_MICROS
                && stamp <= wall_now + AHEAD_MICROS =>
        {
            stamp.min(wall_now)
        }
        _ => wall_now,
    }
}

/// A stamp counted in `unit` seconds, in microseconds.
pub(super) fn micros(stamp: i64, unit: Rational) -> i64 {
    let denominator = i128::from(unit.denominator().max(1));
    let micros = i128::from(stamp) * i128::from(unit.numerator()) * 1_000_000 / denominator;
    i64::try_from(micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;
    const RTP: Rational = Rational(1, 90_000);
    const COARSE: Rational = Rational(1, 25);

    fn rtp(wall_micros: i64) -> i64 {
        wall_micros / 100 * 9
    }

    #[test]
    fn a_wall_clock_stamp_is_when_the_packet_arrived() {
        let arrived = arrival(Some(rtp(NOW - 33_000)), RTP, NOW);
        assert!((arrived - (NOW - 33_000)).abs() < 100, "{arrived}");
    }

    #[test]
    fn what_is_no_wall_clock_stamp_counts_as_arriving_now() {
        assert_eq!(arrival(None, RTP, NOW), NOW);
        assert_eq!(arrival(Some(90_000), RTP, NOW), NOW, "the camera's own count");
        assert_eq!(arrival(Some(rtp(NOW + 5_000_000)), RTP, NOW), NOW);
        assert_eq!(arrival(Some(i64::MAX), RTP, NOW), NOW);
        assert_eq!(arrival(Some(NOW / 40_000), COARSE, NOW), NOW, "too coarse");
    }

    #[test]
    fn arrival_is_never_in_the_future() {
        assert_eq!(arrival(Some(rtp(NOW + 1_000)), RTP, NOW), NOW);
        assert!(arrived_at(None, RTP) <= clock::now());
    }
}
