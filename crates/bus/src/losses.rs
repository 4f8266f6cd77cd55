//! What was lost between a publisher and us: gaps in a track's sequence.

use fanlight_protocol::Epoch;

/// Follows one track within one subscription.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    last: Option<(Epoch, u64)>,
}

impl Losses {
    /// Frames missing just before this one. Only a step forward within one epoch counts: before it there was another
    /// publisher's run, or no subscription of ours.
    pub(crate) fn before(&mut self, epoch: Epoch, sequence: u64) -> u64 {
        let lost = match self.last {
            Some((known, last)) if known == epoch => {
                sequence.saturating_sub(last.saturating_add(1))
            }
            _ => 0,
        };
        self.last = Some((epoch, sequence));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gap_within_an_epoch_is_lost() {
        let mut losses = Losses::default();
        assert_eq!(losses.before(Epoch(1), 1000), 0, "the first frame of a subscription");
        assert_eq!(losses.before(Epoch(1), 1001), 0);
        assert_eq!(losses.before(Epoch(1), 1004), 2);
        assert_eq!(losses.before(Epoch(2), 7), 0, "a restarted publisher");
        assert_eq!(losses.before(Epoch(2), 8), 0);
        assert_eq!(losses.before(Epoch(2), 3), 0, "a step back");
        assert_eq!(losses.before(Epoch(2), u64::MAX), u64::MAX - 4);
        assert_eq!(losses.before(Epoch(2), u64::MAX), 0);
    }
}
