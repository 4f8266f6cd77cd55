//! The silence after which a source is stalled.

use std::time::Duration;

/// Shorter silence is common jitter of networks and disks.
const MIN: Duration = Duration::from_secs(2);
/// A slow source may be silent for this many of its own frame intervals.
const INTERVALS: u32 = 5;

/// Returns the silence after which a source with this frame interval is stalled.
pub fn limit(interval: Option<Duration>) -> Duration {
    interval.map_or(MIN, |interval| MIN.max(interval * INTERVALS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_stalled_after_two_seconds_or_five_intervals() {
        assert_eq!(limit(None), Duration::from_secs(2));
        assert_eq!(limit(Some(Duration::from_millis(33))), Duration::from_secs(2));
        assert_eq!(limit(Some(Duration::from_secs(1))), Duration::from_secs(5));
    }
}
