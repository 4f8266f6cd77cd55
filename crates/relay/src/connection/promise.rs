//! Checks the promise to viewers independently of the estimates that decide when to send: while nothing is in flight and
//! there is a frame to send, that frame is not held back for longer than stated. No IO and no clock.

use std::time::Duration;

use fanlight_protocol::Timestamp;

/// A frame may be held back for three round trips and this long while nothing is in flight: until an acknowledgement must
/// have come, with time for what delays one.
const PROMISED: Duration = Duration::from_millis(250);
const ROUND_TRIPS: u32 = 3;
/// A round trip that is measured longer has met a queue.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// Watches one connection.
#[derive(Debug, Default)]
pub(super) struct Promise {
    /// Since when a frame has been held back with nothing in flight.
    since: Option<Timestamp>,
}

impl Promise {
    /// A frame may be sent, or there is none, or bytes are in flight.
    pub(super) fn keep(&mut self) {
        self.since = None;
    }

    /// A frame is held back with nothing in flight. Returns whether that has lasted too long: then it must be sent, whatever
    /// the estimates say.
    pub(super) fn is_broken(&mut self, now: Timestamp, round_trip: Duration) -> bool {
        let since = *self.since.get_or_insert(now);
        let broken = now.since(since) > PROMISED + round_trip.min(LONGEST_ROUND_TRIP) * ROUND_TRIPS;
        if broken {
            self.since = None;
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn a_frame_that_is_held_back_without_a_cause_is_sent_after_three_round_trips_and_a_quarter_of_a_second()
     {
        let round_trip = Duration::from_millis(40);
        let mut promise = Promise::default();
        let broken = (0..2000).step_by(10).filter(|now| promise.is_broken(at(*now), round_trip));
        assert_eq!(broken.collect::<Vec<u64>>(), [380, 770, 1160, 1550, 1940]);
    }

    #[test]
    fn bytes_in_flight_and_frames_that_may_go_keep_it() {
        let mut promise = Promise::default();
        for now in (0..10_000).step_by(200) {
            assert!(!promise.is_broken(at(now), Duration::ZERO));
            promise.keep();
        }
    }
}
