//! Replacement of a socket that the transport has given up.
//!
//! After a lost connection ZeroMQ reconnects by itself. After a protocol error (another security mechanism or socket type,
//! garbage, a part that is too large) it ends the session for good and reports an ordinary disconnection. The only sign is
//! that no attempt to connect follows; otherwise one follows immediately.

use std::time::{Duration, Instant};

/// The time to wait for ZeroMQ's own attempt, and the pause before the first replacement. The same thread reports the attempt
/// within microseconds; on a busy machine it may take longer to run.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a replacement: a repaired capture is found this much later at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lasted this long was good: the next replacement has the first pause again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// An event of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    /// The transport tries to connect, or has connected: it maintains the connection itself.
    Trying,
    /// The handshake is complete; messages can pass.
    Ready,
    /// The handshake failed, for this reason.
    HandshakeFailed(String),
    /// The connection has ended.
    Disconnected,
}

/// The state of one publisher's connection.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    replace_at: Option<Instant>,
    ready_at: Option<Instant>,
    replaced: u32,
    problem: Option<String>,
}

impl Recovery {
    /// Notes an event of the connection.
    pub(crate) fn note(&mut self, event: &ConnectionEvent, now: Instant) {
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

    /// Returns when the socket must be replaced, if it must.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.replace_at
    }

    /// Returns whether the socket must be replaced now; the caller then replaces it.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.replace_at.take_if(|at| now >= *at).is_some();
        if due {
            self.replaced = self.replaced.saturating_add(1);
            self.problem.get_or_insert_with(|| {
                "the other side violated the ZeroMQ protocol, is not a capture, or sent a part larger than 16 MiB"
                    .into()
            });
        }
        due
    }

    /// Notes that the socket could not be replaced: the next attempt follows after the next pause.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.replace_at = Some(now + self.pause());
    }

    /// Notes that the publisher was heard. Returns whether that ends a problem.
    pub(crate) fn heard(&mut self) -> bool {
        self.problem.take().is_some()
    }

    /// Returns the reason why the connection does not work; empty if it does.
    pub(crate) fn problem(&self) -> &str {
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
    fn a_connection_that_the_transport_retries_is_not_replaced() {
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
    fn only_a_connection_that_lasted_10_s_resets_the_pause() {
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
