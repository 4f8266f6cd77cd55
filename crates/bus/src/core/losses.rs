//! Frames lost between a publisher and a subscriber: gaps in a track's sequence.

use fanlight_protocol::{Epoch, Timestamp};

/// The highest plausible frame rate of a track: higher than that of any camera. A sequence that advances faster is not
/// believed.
const MOST_PER_SECOND: u64 = 1000;
/// Frames that may be lost beyond that rate in one subscription. A publisher of tiny frames sends 100,000 per second, and a
/// machine that stalls for a second loses them.
const MOST_AT_ONCE: u64 = 100_000;

/// The frames missing between a frame and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// This many frames were lost; usually 0.
    Lost(u64),
    /// There is no frame before it to compare with: an epoch or a subscription begins, or the sequence jumped.
    Begins,
}

/// The losses of one track within one subscription.
#[derive(Debug, Default)]
pub(super) struct Losses {
    last: Option<(Epoch, u64)>,
    /// Arrival of the first frame.
    since: Option<Timestamp>,
    /// Frames lost since then.
    lost: u64,
}

/// An impossible sequence: it goes back, or advances faster than frames can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump;

impl Losses {
    /// Returns the gap before this frame, which was received at `now`.
    ///
    /// # Errors
    /// Fails if the sequence jumped within an epoch. The next frame is compared with this one.
    pub(super) fn before(
        &mut self,
        epoch: Epoch,
        sequence: u64,
        now: Timestamp,
    ) -> Result<Gap, Jump> {
        let Some((known, last)) = self.last.replace((epoch, sequence)) else {
            return Ok(Gap::Begins);
        };
        if known != epoch {
            return Ok(Gap::Begins);
        }
        let since = *self.since.get_or_insert(now);
        let next = last.checked_add(1).ok_or(Jump)?;
        let lost = sequence.checked_sub(next).ok_or(Jump)?;
        let possible = MOST_AT_ONCE + MOST_PER_SECOND.saturating_mul(now.since(since).as_secs());
        let total = self.lost.saturating_add(lost);
        if total > possible {
            return Err(Jump);
        }
        self.lost = total;
        Ok(Gap::Lost(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn only_a_gap_within_an_epoch_counts_as_lost() {
        let mut losses = Losses::default();
        let mut before = |epoch, sequence| losses.before(Epoch(epoch), sequence, at(1));
        assert_eq!(before(1, 1000), Ok(Gap::Begins), "the first frame of a subscription");
        assert_eq!(before(1, 1001), Ok(Gap::Lost(0)));
        assert_eq!(before(1, 1004), Ok(Gap::Lost(2)));
        assert_eq!(before(2, 7), Ok(Gap::Begins), "a restarted publisher");
        assert_eq!(before(2, 8), Ok(Gap::Lost(0)));
    }

    #[test]
    fn a_sequence_that_jumps_is_not_a_loss() {
        let mut losses = Losses::default();
        let mut before = |sequence| losses.before(Epoch(1), sequence, at(1));
        assert_eq!(before(5), Ok(Gap::Begins));
        assert_eq!(before(u64::MAX), Err(Jump));
        assert_eq!(before(u64::MAX), Err(Jump), "the sequence is at its end");
        assert_eq!(before(3), Err(Jump), "a step back");
        assert_eq!(before(4), Ok(Gap::Lost(0)));
    }

    #[test]
    fn a_long_pause_of_this_process_counts_as_lost() {
        let mut losses = Losses::default();
        assert_eq!(losses.before(Epoch(1), 0, at(0)), Ok(Gap::Begins));
        assert_eq!(losses.before(Epoch(1), 1, at(0)), Ok(Gap::Lost(0)));
        assert_eq!(losses.before(Epoch(1), 1 + 3600 * 60, at(3600)), Ok(Gap::Lost(3600 * 60 - 1)));
    }

    #[test]
    fn the_lost_count_grows_no_faster_than_frames_can_be_published() {
        let mut losses = Losses::default();
        let mut sequence = 0_u64;
        let mut lost = 0;
        for frame in 0..100_000 {
            sequence += 90_000;
            if let Ok(Gap::Lost(count)) = losses.before(Epoch(1), sequence, at(frame / 10_000)) {
                lost += count;
            }
        }
        assert!(lost <= MOST_AT_ONCE + 10 * MOST_PER_SECOND, "{lost}");
    }
}
