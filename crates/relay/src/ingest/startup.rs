//! The first seconds of a relay, in which it does not know its streams yet.
//!
//! Captures announce themselves within a second. Until then "no such stream" would be a guess, so requests for an unknown
//! name are held. A held request already counts as a viewer, so `--max-viewers` bounds them.

use std::sync::Arc;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::{StreamName, Timestamp};
use tokio::time::{Instant, timeout_at};

use crate::hub::{Hub, Listener};
use crate::wake::Waker;

/// The time for which a name may stay unknown after the start: a capture announces itself every second, and connecting takes some time.
pub const STARTUP: Duration = Duration::from_secs(2);

/// The start-up phase of a relay, after which it knows its streams.
#[derive(Debug)]
pub struct Startup {
    ends_at: Timestamp,
}

impl Startup {
    /// Creates the start-up phase of a relay that starts at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { ends_at: now + STARTUP }
    }

    /// Returns whether the phase is not over yet.
    pub fn is_running(&self, now: Timestamp) -> bool {
        now < self.ends_at
    }

    /// Returns whether this unknown stream may still appear.
    pub fn may_bring(&self, hub: &Hub, name: &StreamName, now: Timestamp) -> bool {
        self.is_running(now) && hub.stream(name.as_str()).is_none()
    }

    /// Returns when the phase ends: from then on, an unknown name is an unknown stream.
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Waits while the list of streams leaves something open, until the phase has ended.
    pub async fn wait(&self, hub: &Arc<Hub>, waker: Waker, is_open: impl Fn() -> bool) {
        let deadline = Instant::now() + self.ends_at.since(clock::now());
        let listener = Listener::new(hub.clone(), waker);
        while self.is_running(clock::now()) && is_open() {
            // A timeout ends the loop, too.
            let _ = timeout_at(deadline, listener.waker().woken()).await;
        }
    }
}
