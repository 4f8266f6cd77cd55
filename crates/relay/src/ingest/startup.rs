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

    /// Returns whether a stream of this unknown name may still appear.
    pub fn may_bring(&self, hub: &Hub, name: &str, now: Timestamp) -> bool {
        now < self.ends_at && hub.stream(name).is_none() && name.parse::<StreamName>().is_ok()
    }

    /// Returns when the phase ends: from then on, an unknown name is an unknown stream.
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Waits until a stream of this name is known, or the phase has ended.
    pub async fn wait(&self, hub: &Arc<Hub>, name: &str, waker: Waker) {
        let deadline = Instant::now() + self.ends_at.since(clock::now());
        let listener = Listener::new(hub.clone(), waker);
        while self.may_bring(hub, name, clock::now()) {
            // A timeout ends the loop, too.
            let _ = timeout_at(deadline, listener.waker().woken()).await;
        }
    }
}
