//! The usual time between two frames of a track, for waits that must not take a slow camera for a silent one. No clock:
//! frames bring their times.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The last gaps between frames of one track.
#[derive(Debug, Default)]
pub(super) struct ArrivalGaps {
    last: Option<Timestamp>,
    /// The newest gap first.
    gaps: (Option<Duration>, Option<Duration>),
}

impl ArrivalGaps {
    /// Notes the arrival of a frame.
    pub(super) fn note(&mut self, received_at: Timestamp) {
        let gap = self.last.replace(received_at).map(|last| received_at.since(last));
        self.gaps = (gap, self.gaps.0);
    }

    /// Returns the smaller one of the last two gaps, because one of them may have been an outage; `None` until both are
    /// known.
    pub(super) fn usual(&self) -> Option<Duration> {
        Some(self.gaps.0?.min(self.gaps.1?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(seconds: &[u64]) -> Option<u64> {
        let mut gaps = ArrivalGaps::default();
        seconds.iter().for_each(|second| gaps.note(Timestamp::from_micros(second * 1_000_000)));
        gaps.usual().map(|gap| gap.as_secs())
    }

    #[test]
    fn a_slow_camera_is_known_after_three_frames() {
        assert_eq!(usual(&[0]), None);
        assert_eq!(usual(&[0, 6]), None);
        assert_eq!(usual(&[0, 6, 13]), Some(6));
    }

    #[test]
    fn an_outage_is_no_usual_gap() {
        assert_eq!(usual(&[0, 1, 2, 62]), Some(1));
        assert_eq!(usual(&[0, 1, 2, 62, 63]), Some(1));
        assert_eq!(usual(&[0, 60, 61, 121]), Some(1));
    }
}
