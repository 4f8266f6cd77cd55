//! A deadline for held frames that does not rely on the estimates that hold them. No IO and no clock.
//!
//! While nothing is in flight and there is a frame to send, that frame is not held for longer than stated here.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Longest time for which a frame is held with nothing in flight, besides [`ROUND_TRIPS`]. By then an acknowledgement
/// must have arrived, including whatever delays one.
const DEADLINE: Duration = Duration::from_millis(250);
/// Round trips that are added to [`DEADLINE`].
const ROUND_TRIPS: u32 = 3;
/// Longest round trip that counts. A longer one was measured while a queue was full.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(1);

/// The deadline of one connection's next frame.
#[derive(Debug, Default)]
pub(super) struct SendDeadline {
    /// The moment since which a frame has been held with nothing in flight.
    held_since: Option<Timestamp>,
}

impl SendDeadline {
    /// Clears the deadline: a frame may be sent, or there is none, or bytes are in flight.
    pub(super) fn reset(&mut self) {
        self.held_since = None;
    }

    /// Notes that a frame is held with nothing in flight. Returns whether the deadline has passed; the frame must then
    /// be sent, whatever the estimates say.
    pub(super) fn is_missed(&mut self, now: Timestamp, round_trip: Duration) -> bool {
        let since = *self.held_since.get_or_insert(now);
        let missed = now.since(since) > DEADLINE + round_trip.min(MAX_ROUND_TRIP) * ROUND_TRIPS;
        if missed {
            self.held_since = None;
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn a_frame_held_without_cause_is_sent_after_three_round_trips_and_a_quarter_of_a_second() {
        let round_trip = Duration::from_millis(40);
        let mut deadline = SendDeadline::default();
        let missed = (0..2000).step_by(10).filter(|now| deadline.is_missed(at(*now), round_trip));
        assert_eq!(missed.collect::<Vec<u64>>(), [380, 770, 1160, 1550, 1940]);
    }

    #[test]
    fn bytes_in_flight_and_frames_that_may_be_sent_reset_the_deadline() {
        let mut deadline = SendDeadline::default();
        for now in (0..10_000).step_by(200) {
            assert!(!deadline.is_missed(at(now), Duration::ZERO));
            deadline.reset();
        }
    }
}
