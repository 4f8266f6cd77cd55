//! Date and time of day in human-readable form.

use std::fmt;
use std::str::FromStr;

use fanlight_protocol::Timestamp;
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    Utc,
    /// The time zone of this machine.
    Local,
}

/// An error for a text that is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone: write utc or local")]
pub struct InvalidZone(String);

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        match text {
            "utc" => Ok(Self::Utc),
            "local" => Ok(Self::Local),
            _ => Err(InvalidZone(text.chars().take(20).collect())),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utc => "utc",
            Self::Local => "local",
        })
    }
}

impl Zone {
    /// Formats the time of day with milliseconds.
    pub fn time_of_day(self, time: Timestamp) -> String {
        self.zoned(time).strftime("%H:%M:%S%.3f").to_string()
    }

    /// Formats the date as in ISO 8601.
    pub fn date(self, time: Timestamp) -> String {
        self.zoned(time).strftime("%F").to_string()
    }

    /// Formats the offset from UTC at that time.
    pub fn offset(self, time: Timestamp) -> String {
        offset_text(self.zoned(time).offset().seconds())
    }

    /// Returns the time in this zone. Times after the year 9999 are shown as its end.
    fn zoned(self, time: Timestamp) -> ZonedDateTime {
        let micros = i64::try_from(time.micros()).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        time.to_zoned_datetime(match self {
            Self::Utc => TimeZone::UTC,
            Self::Local => TimeZone::system(),
        })
    }
}

fn offset_text(seconds_east: i32) -> String {
    let sign = if seconds_east < 0 { '-' } else { '+' };
    let minutes = seconds_east.abs() / 60;
    match minutes {
        0 => "UTC".into(),
        _ => format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_shown_in_hours_and_minutes() {
        assert_eq!(offset_text(0), "UTC");
        assert_eq!(offset_text(7200), "UTC+02:00");
        assert_eq!(offset_text(-12_600), "UTC-03:30");
    }

    #[test]
    fn utc_does_not_depend_on_the_machine() {
        let time = Timestamp::from_micros(1_700_000_000_042_999);
        let zone: Zone = "utc".parse().unwrap();
        assert_eq!(zone.date(time), "2023-11-14");
        assert_eq!(zone.time_of_day(time), "22:13:20.042");
        assert_eq!(zone.offset(time), "UTC");
        assert!(Zone::Local.time_of_day(time).ends_with(":20.042"));
        assert!("mars".parse::<Zone>().unwrap_err().to_string().contains("utc or local"));
    }
}
