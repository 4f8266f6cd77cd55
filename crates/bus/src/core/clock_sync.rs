//! The schedule of requests for a publisher's clock, and the check of its answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fanlight_protocol::Timestamp;

use super::clock_offset::{ClockOffset, Exchange};
use super::now::Now;

/// The interval of the first requests for the clock, and of the later ones. While no answer has come, the interval doubles up
/// to 1.6 s.
const FIRST_REQUESTS: Duration = Duration::from_millis(100);
const LATER_REQUESTS: Duration = Duration::from_secs(5);
/// The number of requests at the first interval.
const QUICK_REQUESTS: u32 = 4;
/// Unanswered requests that are remembered: over a congested link an answer takes longer than the interval of requests.
const OPEN_REQUESTS: usize = 16;

/// The outcome of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerOutcome {
    /// No open request has this answer.
    Unexpected,
    /// Its times contradict each other.
    Impossible,
    /// The clock is known now and was not before.
    First,
    /// The estimate was updated.
    Updated,
}

/// The exchange of clock readings with one publisher.
#[derive(Debug, Default)]
pub(super) struct ClockSync {
    offset: ClockOffset,
    requests: u32,
    /// Time of the next request; `None` while there is no connection.
    next_request: Option<Instant>,
    /// Times of the requests that are not answered yet, oldest first. No other answer is believed.
    open: VecDeque<Timestamp>,
}

impl ClockSync {
    /// Forgets everything that was true of one connection only.
    pub(super) fn reset(&mut self) {
        *self = Self { next_request: self.next_request, ..Self::default() };
    }

    /// Stops requesting until [`Self::request`].
    pub(super) fn stop(&mut self) {
        self.next_request = None;
    }

    /// Requests the clock again soon after a silence on a connection that stayed up: a suspended machine may have another clock now. Until
    /// the answer the old estimate holds, so that frames continue without a pause.
    pub(super) fn doubt(&mut self, now: Instant) {
        if self.next_request.is_some() && self.is_known() {
            self.offset.expect_another();
            self.requests = 0;
            self.next_request = Some(now);
        }
    }

    /// Notes that a request is sent now, and returns the time to send with it.
    pub(super) fn request(&mut self, now: Now) -> Timestamp {
        let pause = match self.is_known() {
            false => FIRST_REQUESTS * (1 << self.requests.min(QUICK_REQUESTS)),
            true if self.requests < QUICK_REQUESTS => FIRST_REQUESTS,
            true => LATER_REQUESTS,
        };
        self.next_request = Some(now.instant + pause);
        self.requests = self.requests.saturating_add(1);
        if self.open.len() == OPEN_REQUESTS {
            self.open.pop_front();
        }
        self.open.push_back(now.wall);
        now.wall
    }

    /// Processes an answer that was received now.
    pub(super) fn answer(
        &mut self,
        asked_at: Timestamp,
        received_at: Timestamp,
        answered_at: Timestamp,
        heard_at: Timestamp,
    ) -> AnswerOutcome {
        let Some(index) = self.open.iter().position(|asked| *asked == asked_at) else {
            return AnswerOutcome::Unexpected;
        };
        self.open.remove(index);
        let exchange = Exchange { asked_at, received_at, answered_at, heard_at };
        if !exchange.is_possible() {
            return AnswerOutcome::Impossible;
        }
        let first = !self.is_known();
        self.offset.add(exchange);
        if first { AnswerOutcome::First } else { AnswerOutcome::Updated }
    }

    /// Returns whether a request is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_request.is_some_and(|at| now >= at)
    }

    /// Returns when the next request is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_request
    }

    /// Returns whether the publisher's clock is known.
    pub(super) fn is_known(&self) -> bool {
        self.offset.is_known()
    }

    /// Returns the shortest known round trip; zero while none is known.
    pub(super) fn round_trip(&self) -> Duration {
        self.offset.round_trip()
    }

    /// Translates a time of the publisher's clock to this process's clock.
    pub(super) fn to_ours(&self, theirs: Timestamp) -> Option<Timestamp> {
        self.offset.to_ours(theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Now {
        let wall = Timestamp::from_micros(1_000_000_000 + 1000 * millis);
        Now { instant: start + Duration::from_millis(millis), wall }
    }

    #[test]
    fn the_interval_of_requests_doubles_until_there_is_an_answer() {
        let (mut sync, start) = (ClockSync::default(), Instant::now());
        let mut asked = vec![0];
        sync.request(at(start, 0));
        while asked.len() < 8 {
            let due = sync.deadline().unwrap();
            let millis = (due - start).as_millis() as u64;
            assert!(sync.is_due(due) && !sync.is_due(due - Duration::from_millis(1)));
            sync.request(at(start, millis));
            asked.push(millis);
        }
        let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 1600, 1600]);
    }

    #[test]
    fn only_the_answer_to_an_open_request_is_believed_and_only_once() {
        let (mut sync, start) = (ClockSync::default(), Instant::now());
        let asked = sync.request(at(start, 0));
        let theirs = asked.offset(7_000_000);
        let heard = at(start, 1).wall;
        assert_eq!(sync.answer(heard, theirs, theirs, heard), AnswerOutcome::Unexpected);
        assert_eq!(sync.answer(asked, theirs, theirs, heard), AnswerOutcome::First);
        assert_eq!(sync.answer(asked, theirs, theirs, heard), AnswerOutcome::Unexpected);
        assert!(sync.is_known());
        let again = sync.request(at(start, 100));
        let slow = theirs.offset(60_000_000);
        assert_eq!(
            sync.answer(again, theirs, slow, at(start, 101).wall),
            AnswerOutcome::Impossible
        );
        sync.reset();
        assert!(!sync.is_known() && sync.deadline().is_some());
    }
}
