//! The list of streams, sent to a socket that asked for it: when it changes, and periodically for the numbers in it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::FromRelay;

use crate::access::Identity;
use crate::context::Context;
use crate::hub::Listener;
use crate::stream_list;
use crate::wake::Waker;

/// Shortest time between two lists; changes within it are sent together.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two lists. Bitrates and viewer counts vary without counting as a change.
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// The schedule of the list for one socket.
pub(super) struct ListUpdates {
    context: Arc<Context>,
    client: Identity,
    _listener: Listener,
    /// The hub's count of changes when the list was last sent; `None` if it must be sent soon.
    sent_changes: Option<u64>,
    sent_at: Timestamp,
}

impl ListUpdates {
    /// Returns the schedule for a socket that has just asked for the list. `waker` fires when the list changes.
    pub(super) fn new(context: Arc<Context>, client: Identity, waker: Waker) -> Self {
        let listener = Listener::new(context.hub.clone(), waker);
        let (sent_changes, sent_at) = (None, Timestamp::default());
        Self { context, client, _listener: listener, sent_changes, sent_at }
    }

    /// Requests the list again, for what the client may see now.
    pub(super) fn request(&mut self, client: Identity) {
        (self.client, self.sent_changes) = (client, None);
    }

    /// Returns when the list is due if nothing changes before.
    pub(super) fn due_at(&self) -> Timestamp {
        let changed = self.sent_changes != Some(self.context.hub.change_count());
        self.sent_at + if changed { MIN_INTERVAL } else { MAX_INTERVAL }
    }

    /// Returns the list if it is due; it then counts as sent.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<FromRelay> {
        if now < self.due_at() {
            return None;
        }
        self.sent_changes = Some(self.context.hub.change_count());
        self.sent_at = now;
        let streams = stream_list::streams(&self.context.hub, &self.client);
        let is_empty = streams.iter().all(|stream| stream.gone);
        // The hints name the webcams of this machine.
        let has_hints = is_empty && self.client.sees_everything();
        Some(FromRelay::Streams {
            listening: stream_list::listening(&self.context.ingest, &self.client),
            setup: has_hints.then(|| self.context.setup.at(now)),
            streams,
        })
    }
}
