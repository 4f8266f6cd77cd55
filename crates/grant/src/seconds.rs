//! Times as they are written into signed texts: Unix seconds.

use fanlight_protocol::Timestamp;

/// Returns a time in seconds, rounded down.
pub fn of(time: Timestamp) -> u64 {
    time.micros() / 1_000_000
}

/// Returns the time that is written as seconds; `None` if it is no such text.
pub fn parse(text: &str) -> Option<Timestamp> {
    let seconds: u64 = text.parse().ok()?;
    Some(Timestamp::from_micros(seconds.checked_mul(1_000_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_seconds_and_read_again() {
        assert_eq!(of(Timestamp::from_micros(7_999_999)), 7);
        assert_eq!(parse("7"), Some(Timestamp::from_micros(7_000_000)));
        for bad in ["", "x", "-1", "18446744073709551615"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
