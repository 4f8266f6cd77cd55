//! When to replace a socket that ZeroMQ has given up. Pure: events and `now` come in.
//!
//! After a lost connection ZeroMQ connects again by itself. After a protocol error (another security mechanism or socket
//! type, junk, a part that is too large) it ends the session for good and reports a disconnection like any other. The
//! only sign is that no attempt to connect follows, which else comes right after it.

use std::time::{Duration, Instant};

use super::connection::ConnectionEvent;

/// The time to wait for ZeroMQ's own attempt, and the pause before the first replacement. The attempt is reported by the
/// same thread within microseconds; a loaded machine may take longer to run it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a replacement: a capture that is right again is found this much later at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that stood for this long was good: the next replacement has the first pause again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// The state of one publisher's connection.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    replace_at: Option<Instant>,
    ready_at: Option<Instant>,
    replaced: u32,
    problem: Option<String>,
}

impl Recovery {
    /// Takes in what the connection reports.
    pub(super) fn note(&mut self, event: &ConnectionEvent, now: Instant) {
        match event {
            ConnectionEvent::Trying => self.replace_at = None,
            ConnectionEvent::Ready => {
                self.replace_at = None;
                self.ready_at = Some(now);
            }
            ConnectionEvent::HandshakeFailed(cause) => self.problem = Some(cause.clone()),
            ConnectionEvent::Disconnected => {
                if self.ready_at.take().is_some_and(|at| now >= at + GOOD_AFTER) {
                    self.replaced = 0;
                }
                self.replace_at = Some(now + self.pause());
            }
        }
    }

    fn pause(&self) -> Duration {
        (FIRST_PAUSE * 2u32.pow(self.replaced.min(8))).min(LONGEST_PAUSE)
    }

    /// The moment when the socket is to be replaced, if it is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.replace_at
    }

    /// Returns whether the socket must be replaced now. The caller then replaces it.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.replace_at.take_if(|at| now >= *at).is_some();
        if due {
            self.replaced = self.replaced.saturating_add(1);
            self.problem.get_or_insert_with(|| {
                "the other side violated the protocol of ZeroMQ, is no capture, or sent a part of more than 16 MiB"
                    .into()
            });
        }
        due
    }

    /// The socket could not be replaced: the next attempt comes after the next pause.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.replace_at = Some(now + self.pause());
    }

    /// The publisher was heard. Returns whether that ends a problem.
    pub(super) fn heard(&mut self) -> bool {
        self.problem.take().is_some()
    }

    /// The reason why the connection does not work; empty if it does.
    pub(super) fn problem(&self) -> &str {
        self.problem.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_connection_that_zeromq_tries_again_is_left_to_it() {
        let (mut recovery, start) = (Recovery::default(), Instant::now());
        recovery.note(&ConnectionEvent::Ready, start);
        recovery.note(&ConnectionEvent::Disconnected, start);
        recovery.note(&ConnectionEvent::Trying, start);
        assert_eq!(recovery.deadline(), None);
        assert!(!recovery.take_due(after(start, 60_000)));
        assert_eq!(recovery.problem(), "");
    }

    #[test]
    fn a_socket_without_an_attempt_is_replaced_at_most_2_s_later() {
        let (mut recovery, mut now) = (Recovery::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..40 {
            recovery.note(&ConnectionEvent::HandshakeFailed("other mechanism".into()), now);
            recovery.note(&ConnectionEvent::Disconnected, now);
            let deadline = recovery.deadline().expect("a replacement is due");
            assert!(!recovery.take_due(deadline - Duration::from_millis(1)));
            assert!(recovery.take_due(deadline) && !recovery.take_due(deadline));
            pauses.push((deadline - now).as_millis());
            now = deadline;
        }
        assert_eq!(pauses[..5], [250, 500, 1000, 2000, 2000]);
        assert_eq!(pauses.iter().max(), Some(&2000));
        assert_eq!(recovery.problem(), "other mechanism");
        assert!(recovery.heard() && !recovery.heard() && recovery.problem().is_empty());
    }

    #[test]
    fn only_a_connection_that_stood_for_10_s_resets_the_pause() {
        let pause = |stood: u64| {
            let (mut recovery, start) = (Recovery::default(), Instant::now());
            for _ in 0..5 {
                recovery.note(&ConnectionEvent::Disconnected, start);
                assert!(recovery.take_due(after(start, 3000)));
            }
            recovery.note(&ConnectionEvent::Ready, start);
            recovery.note(&ConnectionEvent::Disconnected, after(start, stood));
            (recovery.deadline().unwrap() - after(start, stood)).as_millis()
        };
        assert_eq!((pause(9_999), pause(10_000)), (2000, 250));
    }
}
