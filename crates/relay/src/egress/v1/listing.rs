//! The list of streams, sent to a socket that asked for it: at changes, and from time to time for the numbers in it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::FromRelay;

use crate::context::Context;
use crate::hub::Listener;
use crate::wake::Waker;

/// Changes closer together than this are told at once.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// Rates and counts of viewers move without a change; they are told this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// When to send the list next.
pub(super) struct Listing {
    context: Arc<Context>,
    _listener: Listener,
    /// How often the list had changed when it was sent last.
    told: Option<u64>,
    sent_at: Timestamp,
}

impl Listing {
    /// For a socket that has just asked for the list; `waker` is rung when it changes.
    pub(super) fn new(context: Arc<Context>, waker: Waker) -> Self {
        let listener = Listener::new(context.hub.clone(), waker);
        Self { context, _listener: listener, told: None, sent_at: Timestamp::default() }
    }

    /// Somebody asked for the list again.
    pub(super) fn ask(&mut self) {
        self.told = None;
    }

    /// When the list is to be sent, if nothing changes before.
    pub(super) fn due_at(&self) -> Timestamp {
        let changed = self.told != Some(self.context.hub.change_count());
        self.sent_at + if changed { AT_MOST_EVERY } else { AT_LEAST_EVERY }
    }

    /// The list, where it is to be sent now; it counts as sent then.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<FromRelay> {
        if now < self.due_at() {
            return None;
        }
        self.told = Some(self.context.hub.change_count());
        self.sent_at = now;
        Some(FromRelay::Streams {
            streams: crate::stream_list::streams(&self.context.hub),
            listening: crate::stream_list::listening(&self.context.ingest),
        })
    }
}
