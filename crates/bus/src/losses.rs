//! What was lost between a publisher and us: gaps in a track's sequence.

use fanlight_protocol::{Epoch, Timestamp};

/// Frames a second that a track can have at most: more than any camera. A count that runs faster is not believed.
const MOST_PER_SECOND: u64 = 1000;
/// Frames that may be lost beyond that rate in one subscription: a publisher of tiny frames sends 100,000 a second, and a
/// machine that does not run for a second loses them.
const MOST_AT_ONCE: u64 = 100_000;

/// What lies between a frame and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// This many frames were lost; usually none.
    Lost(u64),
    /// There is no frame before it to compare with: another publisher's run begins, or another subscription of ours, or
    /// the count jumped.
    Begins,
}

/// Follows one track within one subscription.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    last: Option<(Epoch, u64)>,
    /// The moment when the first frame came.
    since: Option<Timestamp>,
    /// Frames lost since then.
    lost: u64,
}

/// A count that cannot be: it goes back, or faster than frames can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jump;

impl Losses {
    /// Returns what lies just before this frame, which came at `now`.
    ///
    /// # Errors
    /// Fails if the count jumped within an epoch. The next frame is compared with this one.
    pub(crate) fn before(
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
    fn only_a_gap_within_an_epoch_is_lost() {
        let mut losses = Losses::default();
        let mut before = |epoch, sequence| losses.before(Epoch(epoch), sequence, at(1));
        assert_eq!(before(1, 1000), Ok(Gap::Begins), "the first frame of a subscription");
        assert_eq!(before(1, 1001), Ok(Gap::Lost(0)));
        assert_eq!(before(1, 1004), Ok(Gap::Lost(2)));
        assert_eq!(before(2, 7), Ok(Gap::Begins), "a restarted publisher");
        assert_eq!(before(2, 8), Ok(Gap::Lost(0)));
    }

    #[test]
    fn a_count_that_jumps_is_not_a_loss() {
        let mut losses = Losses::default();
        let mut before = |sequence| losses.before(Epoch(1), sequence, at(1));
        assert_eq!(before(5), Ok(Gap::Begins));
        assert_eq!(before(u64::MAX), Err(Jump));
        assert_eq!(before(u64::MAX), Err(Jump), "the count is at its end");
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
    fn what_is_counted_as_lost_grows_no_faster_than_frames_can_come() {
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
