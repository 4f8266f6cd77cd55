//! The validity of a link, as people write it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use fanlight_grant::link::{MAX_LINK, MIN_LINK, USUAL_LINK};

/// The units and their seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600)];

/// Returns the validity that is written as a number with a unit; a day if none is written.
///
/// # Errors
/// Fails if it is no such text, or out of the limits of links.
pub fn parse(text: Option<&str>) -> anyhow::Result<Duration> {
    let Some(text) = text else { return Ok(USUAL_LINK) };
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| seconds);
    let form =
        || format!("--for {text}: write a number and s, m, h or d, for example 90s, 1h or 7d");
    let (seconds, number) = seconds.zip(number.parse().ok()).with_context(form)?;
    let validity = Duration::from_secs(seconds.saturating_mul(number));
    ensure!(
        (MIN_LINK..=MAX_LINK).contains(&validity),
        "--for {text}: a link is valid for 10s to 7d"
    );
    Ok(validity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("10s", 10),
            ("90s", 90),
            ("5m", 300),
            ("1h", 3600),
            ("7d", 604_800),
            ("0168h", 604_800),
        ] {
            assert_eq!(parse(Some(text)).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(parse(None).unwrap(), USUAL_LINK);
    }

    #[test]
    fn a_text_that_is_no_validity_is_refused_with_the_rule() {
        let refused = |text| parse(Some(text)).unwrap_err().to_string();
        for text in ["", "90", "h", "1w", "-1h", "1.5h", "1 h", "1hh", "99999999999999999999s"] {
            let error = refused(text);
            assert!(error.contains(text) && error.contains("90s, 1h or 7d"), "{error}");
        }
        for text in ["9s", "0d", "8d", "604801s", "18446744073709551615d"] {
            let error = refused(text);
            assert!(error.contains(text) && error.contains("10s to 7d"), "{error}");
        }
    }
}
