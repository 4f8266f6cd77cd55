//! What was lost between a publisher and us: gaps in a track's sequence.

use fanlight_protocol::Epoch;

/// What lies between a frame and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// So many frames were lost; usually none.
    Lost(u64),
    /// There is no one before it: with it begins another publisher's run, or another subscription of ours. Sequences
    /// do not compare across.
    Begins,
}

/// Follows one track within one subscription.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    last: Option<(Epoch, u64)>,
}

impl Losses {
    /// What lies just before this frame. Only a step forward within one epoch counts as lost.
    pub(crate) fn before(&mut self, epoch: Epoch, sequence: u64) -> Gap {
        let gap = match self.last {
            Some((known, last)) if known == epoch => {
                Gap::Lost(sequence.saturating_sub(last.saturating_add(1)))
            }
            _ => Gap::Begins,
        };
        self.last = Some((epoch, sequence));
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gap_within_an_epoch_is_lost() {
        let mut losses = Losses::default();
        assert_eq!(losses.before(Epoch(1), 1000), Gap::Begins, "the first frame of a subscription");
        assert_eq!(losses.before(Epoch(1), 1001), Gap::Lost(0));
        assert_eq!(losses.before(Epoch(1), 1004), Gap::Lost(2));
        assert_eq!(losses.before(Epoch(2), 7), Gap::Begins, "a restarted publisher");
        assert_eq!(losses.before(Epoch(2), 8), Gap::Lost(0));
        assert_eq!(losses.before(Epoch(2), 3), Gap::Lost(0), "a step back");
        assert_eq!(losses.before(Epoch(2), u64::MAX), Gap::Lost(u64::MAX - 4));
        assert_eq!(losses.before(Epoch(2), u64::MAX), Gap::Lost(0));
    }
}
