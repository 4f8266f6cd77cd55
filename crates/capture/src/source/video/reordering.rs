//! Capture times of live frames that are not sent in display order.
//!
//! A camera with B-frames sends a later frame first, and then the frames before it. These arrive long after they were
//! captured: three intervals later with two B-frames in a row. But they were captured before the frame that has arrived
//! already, and one interval after the frame displayed before them.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// After this many frames that were sent later but displayed earlier, a packet has no frame of its own. Encoders rarely
/// use more B-frames in a row.
const MAX_OVERTAKING: u32 = 8;

/// Tracks the packets whose frames have not been displayed yet.
#[derive(Debug)]
pub(super) struct Reordering {
    interval: Duration,
    /// Packets whose frames have not been displayed, in the order of their arrival.
    waiting: VecDeque<Waiting>,
    last: Option<Timestamp>,
}

#[derive(Debug)]
struct Waiting {
    arrived_at: Timestamp,
    /// The number of frames that arrived later and were displayed earlier.
    overtaken: u32,
}

impl Reordering {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, waiting: VecDeque::new(), last: None }
    }

    /// Records the arrival of a packet.
    pub(super) fn arrived(&mut self, arrived_at: Timestamp) {
        self.waiting.push_back(Waiting { arrived_at, overtaken: 0 });
    }

    /// Returns when the next displayed frame was captured. `reorders`: the stream may send frames in another order.
    pub(super) fn captured(&mut self, arrived_at: Timestamp, reorders: bool) -> Timestamp {
        self.forget(arrived_at, if reorders { MAX_OVERTAKING } else { 0 });
        let later = self.waiting.front().map(|waiting| waiting.arrived_at);
        let captured = match (later.filter(|&later| later < arrived_at), self.last) {
            // At most halfway, to leave room for further frames in between if the interval is wrong.
            (Some(later), Some(last)) => last + self.interval.min(later.since(last) / 2),
            (Some(later), None) => later,
            (None, _) => arrived_at,
        };
        self.last = Some(captured);
        captured
    }

    /// Forgets the packet whose frame is displayed now, and the packets without a frame of their own.
    fn forget(&mut self, displayed: Timestamp, max_overtaking: u32) {
        for waiting in &mut self.waiting {
            waiting.overtaken += u32::from(waiting.arrived_at < displayed);
        }
        self.waiting.retain(|waiting| {
            waiting.arrived_at != displayed && waiting.overtaken <= max_overtaking
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u64 = 33;

    /// Feeds packets of frames that are numbered in display order. Each arrives when it and all frames sent before it
    /// have been captured. Returns the estimated capture times in display order.
    fn estimated(sent: &[u64]) -> Vec<u64> {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        let mut arrivals = vec![0; sent.len()];
        let mut clock = 1000;
        let mut displayed = Vec::new();
        for (at, &number) in sent.iter().enumerate() {
            clock = (clock + 1).max(1000 + number * INTERVAL);
            arrivals[number as usize] = clock;
            reordering.arrived(Timestamp::from_micros(clock * 1000));
            let have = &sent[..=at];
            while have.contains(&(displayed.len() as u64)) {
                let arrived = Timestamp::from_micros(arrivals[displayed.len()] * 1000);
                displayed.push(reordering.captured(arrived, true).micros() / 1000 - 1000);
            }
        }
        displayed
    }

    #[test]
    fn in_order_captured_is_arrived() {
        assert_eq!(estimated(&[0, 1, 2, 3]), [1, 33, 66, 99]);
    }

    #[test]
    fn frames_sent_late_were_captured_before_the_frame_sent_first() {
        let displayed = estimated(&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        for (number, captured) in displayed.iter().enumerate() {
            let truth = number as u64 * INTERVAL;
            assert!(captured.abs_diff(truth) <= 2, "{number}: {captured} for {truth}");
        }
    }

    #[test]
    fn a_pyramid_of_b_frames_gets_true_capture_times() {
        let displayed = estimated(&[0, 4, 2, 1, 3, 8, 6, 5, 7]);
        for (number, captured) in displayed.iter().enumerate() {
            assert!(captured.abs_diff(number as u64 * INTERVAL) <= 2, "{displayed:?}");
        }
    }

    #[test]
    fn a_packet_without_a_frame_does_not_stop_the_clock() {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        let at = |millis: u64| Timestamp::from_micros(millis * 1000);
        for millis in [0, 33, 66] {
            reordering.arrived(at(millis));
            reordering.captured(at(millis), true);
        }
        // This packet is lost. The next ones have a B-frame between each two.
        reordering.arrived(at(100));
        let mut estimate = 0;
        for millis in (133..1000).step_by(66) {
            reordering.arrived(at(millis));
            reordering.arrived(at(millis + 1));
            reordering.captured(at(millis + 1), true);
            estimate = reordering.captured(at(millis), true).micros() / 1000;
        }
        assert_eq!(estimate, 133 + 66 * 13);
    }

    #[test]
    fn a_stream_in_display_order_has_arrival_times() {
        let mut reordering = Reordering::new(Duration::from_millis(INTERVAL));
        // Two packets for each frame, as in interlaced video.
        for millis in (100..1000).step_by(40) {
            let at = |millis: u64| Timestamp::from_micros(millis * 1000);
            reordering.arrived(at(millis));
            reordering.arrived(at(millis + 20));
            assert_eq!(reordering.captured(at(millis), false), at(millis));
        }
    }
}
