//! When a silent source counts as stalled.

use std::time::Duration;

/// The least silence that counts: shorter ones are everyday hiccups of networks and disks.
const LEAST: Duration = Duration::from_secs(2);
/// A slow source may be silent for so many of its own intervals.
const INTERVALS: u32 = 5;

/// The silence after which a source is stalled.
pub fn limit(interval: Option<Duration>) -> Duration {
    interval.map_or(LEAST, |interval| LEAST.max(interval * INTERVALS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_or_five_intervals() {
        assert_eq!(limit(None), Duration::from_secs(2));
        assert_eq!(limit(Some(Duration::from_millis(33))), Duration::from_secs(2));
        assert_eq!(limit(Some(Duration::from_secs(1))), Duration::from_secs(5));
    }
}
