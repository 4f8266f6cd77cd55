//! The time of day as people read it off a wall.

use fanlight_protocol::Timestamp;

/// Hours, minutes, seconds and thousandths in this machine's time zone.
pub(super) fn text(time: Timestamp) -> String {
    let local = local(time);
    let millis = time.micros() / 1000 % 1000;
    format!("{:02}:{:02}:{:02}.{millis:03}", local.tm_hour, local.tm_min, local.tm_sec)
}

/// This machine's time zone, as its distance from UTC.
pub(super) fn zone() -> String {
    zone_text(local(fanlight_bus::clock::now()).tm_gmtoff)
}

fn zone_text(seconds_east: i64) -> String {
    let sign = if seconds_east < 0 { '-' } else { '+' };
    let minutes = seconds_east.abs() / 60;
    match minutes {
        0 => "UTC".into(),
        _ => format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

#[expect(unsafe_code, reason = "the time zone database is the C library's")]
fn local(time: Timestamp) -> libc::tm {
    let seconds = (time.micros() / 1_000_000) as libc::time_t;
    // SAFETY: all zeros is a valid `tm`, and `localtime_r` writes to nothing but it.
    unsafe {
        let mut local = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut local);
        local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_distance_from_utc() {
        assert_eq!(zone_text(0), "UTC");
        assert_eq!(zone_text(7200), "UTC+02:00");
        assert_eq!(zone_text(-12_600), "UTC-03:30");
    }

    #[test]
    fn thousandths_are_those_of_the_stamp() {
        assert!(text(Timestamp::from_micros(1_700_000_000_042_999)).ends_with(":20.042"));
    }
}
