//! When live pictures were captured, where a codec sends them in another order than they are shown.
//!
//! A camera with B-frames sends a later picture first and then those before it, so these arrive long after they were
//! captured: three intervals with two B-frames in a row. But they were captured before the picture that is already
//! here, and an interval after the one shown before them.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// After so many pictures sent later but shown earlier, a packet's own picture does not come any more: encoders put
/// hardly more B-frames in a row.
const MOST_OVERTAKING: u32 = 8;

/// Knows which packets' pictures are still to be shown.
#[derive(Debug)]
pub(in crate::source) struct Reordering {
    interval: Duration,
    /// Packets whose pictures were not shown yet, in the order they came.
    waiting: VecDeque<Waiting>,
    last: Option<Timestamp>,
}

#[derive(Debug)]
struct Waiting {
    arrived_at: Timestamp,
    /// Pictures that came later and were shown earlier.
    overtaken: u32,
}

impl Reordering {
    pub(in crate::source) fn new(interval: Duration) -> Self {
        Self { interval, waiting: VecDeque::new(), last: None }
    }

    /// A packet arrived.
    pub(in crate::source) fn arrived(&mut self, arrived_at: Timestamp) {
        self.waiting.push_back(Waiting { arrived_at, overtaken: 0 });
    }

    /// When the next picture to be shown was captured, given when its packet arrived, and whether the stream is one in
    /// which pictures are sent in another order at all.
    pub(in crate::source) fn captured(
        &mut self,
        arrived_at: Timestamp,
        reorders: bool,
    ) -> Timestamp {
        self.forget(arrived_at, if reorders { MOST_OVERTAKING } else { 0 });
        let later = self.waiting.front().map(|waiting| waiting.arrived_at);
        let captured = match (later.filter(|&later| later < arrived_at), self.last) {
            // Halfway at most, so that there is room for others in between, should the interval be a wrong guess.
            (Some(later), Some(last)) => last + self.interval.min(later.since(last) / 2),
            (Some(later), None) => later,
            (None, _) => arrived_at,
        };
        self.last = Some(captured);
        captured
    }

    /// Forgets the packet whose picture is shown now, and those whose pictures do not come any more.
    fn forget(&mut self, shown: Timestamp, most_overtaking: u32) {
        for waiting in &mut self.waiting {
            waiting.overtaken += u32::from(waiting.arrived_at < shown);
        }
        self.waiting
            .retain(|waiting| waiting.arrived_at != shown && waiting.overtaken <= most_overtaking);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u64 = 33;

    /// Feeds packets of pictures numbered in the order they are shown; each arrives when it and all sent before it were
    /// captured. Returns captured_at as claimed, in the order shown.
    fn claimed(sent: &[u64]) -> Vec<u64> {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        let mut arrivals = vec![0; sent.len()];
        let mut clock = 1000;
        let mut shown = Vec::new();
        for (at, &number) in sent.iter().enumerate() {
            clock = (clock + 1).max(1000 + number * INTERVAL);
            arrivals[number as usize] = clock;
            reordering.arrived(Timestamp::from_micros(clock * 1000));
            let have = &sent[..=at];
            while have.contains(&(shown.len() as u64)) {
                let arrived = Timestamp::from_micros(arrivals[shown.len()] * 1000);
                shown.push(reordering.captured(arrived, true).micros() / 1000 - 1000);
            }
        }
        shown
    }

    #[test]
    fn in_order_captured_is_arrived() {
        assert_eq!(claimed(&[0, 1, 2, 3]), [1, 33, 66, 99]);
    }

    #[test]
    fn pictures_sent_late_were_captured_before_what_was_sent_first() {
        let shown = claimed(&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        for (number, captured) in shown.iter().enumerate() {
            let truth = number as u64 * INTERVAL;
            assert!(captured.abs_diff(truth) <= 2, "{number}: {captured} for {truth}");
        }
    }

    #[test]
    fn a_pyramid_too() {
        let shown = claimed(&[0, 4, 2, 1, 3, 8, 6, 5, 7]);
        for (number, captured) in shown.iter().enumerate() {
            assert!(captured.abs_diff(number as u64 * INTERVAL) <= 2, "{shown:?}");
        }
    }

    #[test]
    fn a_packet_without_a_picture_does_not_hold_the_clock() {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        let at = |millis: u64| Timestamp::from_micros(millis * 1000);
        for millis in [0, 33, 66] {
            reordering.arrived(at(millis));
            reordering.captured(at(millis), true);
        }
        // This one is lost, and then others come with a B-frame between each two.
        reordering.arrived(at(100));
        let mut claimed = 0;
        for millis in (133..1000).step_by(66) {
            reordering.arrived(at(millis));
            reordering.arrived(at(millis + 1));
            reordering.captured(at(millis + 1), true);
            claimed = reordering.captured(at(millis), true).micros() / 1000;
        }
        assert_eq!(claimed, 133 + 66 * 13);
    }

    #[test]
    fn a_stream_that_sends_in_order_never_waits() {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        // Two packets for each picture, as with interlaced video.
        for millis in (100..1000).step_by(40) {
            let at = |millis: u64| Timestamp::from_micros(millis * 1000);
            reordering.arrived(at(millis));
            reordering.arrived(at(millis + 20));
            assert_eq!(reordering.captured(at(millis), false), at(millis));
        }
    }
}
