//! Arrival times of live packets.
//!
//! With `use_wallclock_as_timestamps`, FFmpeg stamps data with the wall clock when it reads them. This is more precise
//! than reading the clock when a packet is returned: a parser holds a frame until the next one starts, one interval
//! later, but keeps the timestamp of its first part.

use std::time::{SystemTime, UNIX_EPOCH};

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::packet::side_data::Type;
use ffmpeg_next::{Packet, Rational};

/// The largest plausible age of a wall-clock timestamp.
const MAX_AGE_MICROS: i64 = 60_000_000;
/// A timestamp may be this far in the future, by rounding.
const MAX_AHEAD_MICROS: i64 = 2_000;
/// The coarsest usable time base. A coarser one would lose more precision than reading the clock late.
const MAX_UNIT_MICROS: f64 = 2_000.0;

/// Returns Unix microseconds by the system's clock, which FFmpeg reads too.
pub(super) fn wall_clock() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// Returns when a packet with this timestamp arrived, by this process's clock.
pub(super) fn arrived_at(timestamp: Option<i64>, unit: Rational) -> Timestamp {
    // Both clocks are read now, because the wall clock may have been set since the last packet.
    let (wall_now, own_now) = (wall_clock(), clock::now());
    own_now.offset(arrival(timestamp, unit, wall_now) - wall_now)
}

/// Returns the time of a packet by the clock of the camera that sent it, if known: `AVProducerReferenceTime`, which begins
/// with Unix microseconds.
pub(super) fn own_time(packet: &Packet) -> Option<Timestamp> {
    let reference = packet.side_data().find(|data| data.kind() == Type::PRFT)?;
    let micros = i64::from_ne_bytes(*reference.data().first_chunk()?);
    u64::try_from(micros).ok().map(Timestamp::from_micros)
}

/// Returns the timestamp in microseconds of the wall clock if it is plausible, otherwise `wall_now`.
fn arrival(timestamp: Option<i64>, unit: Rational, wall_now: i64) -> i64 {
    let unit_micros = f64::from(unit.numerator()) * 1e6 / f64::from(unit.denominator());
    match timestamp.map(|timestamp| micros(timestamp, unit)) {
        Some(timestamp)
            if unit_micros <= MAX_UNIT_MICROS
                && timestamp >= wall_now - MAX_AGE_MICROS
                && timestamp <= wall_now + MAX_AHEAD_MICROS =>
        {
            timestamp.min(wall_now)
        }
        _ => wall_now,
    }
}

/// Converts a timestamp in units of `unit` seconds to microseconds.
pub(super) fn micros(timestamp: i64, unit: Rational) -> i64 {
    let denominator = i128::from(unit.denominator().max(1));
    let micros = i128::from(timestamp) * i128::from(unit.numerator()) * 1_000_000 / denominator;
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
    fn a_wall_clock_timestamp_is_the_arrival_time() {
        let arrived = arrival(Some(rtp(NOW - 33_000)), RTP, NOW);
        assert!((arrived - (NOW - 33_000)).abs() < 100, "{arrived}");
    }

    #[test]
    fn any_other_timestamp_counts_as_arriving_now() {
        assert_eq!(arrival(None, RTP, NOW), NOW);
        assert_eq!(arrival(Some(90_000), RTP, NOW), NOW, "the camera's own count");
        assert_eq!(arrival(Some(rtp(NOW + 5_000_000)), RTP, NOW), NOW);
        assert_eq!(arrival(Some(i64::MAX), RTP, NOW), NOW);
        assert_eq!(arrival(Some(NOW / 40_000), COARSE, NOW), NOW, "too coarse");
    }

    #[test]
    fn an_arrival_time_is_never_in_the_future() {
        assert_eq!(arrival(Some(rtp(NOW + 1_000)), RTP, NOW), NOW);
        assert!(arrived_at(None, RTP) <= clock::now());
    }
}
