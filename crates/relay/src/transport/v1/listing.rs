//! The list of streams, sent to a socket that asked for it: at changes, and from time to time for the numbers in it.

use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::FromRelay;
use tokio::sync::watch;

use crate::context::Context;

/// Changes closer together than this are told at once.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// Rates and counts of viewers move without a change; they are told this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// When to send the list next.
pub(super) struct Listing {
    changes: watch::Receiver<u64>,
    /// What changed is not told yet.
    changed: bool,
    sent_at: Option<Timestamp>,
}

impl Listing {
    /// For a socket that has just asked for the list.
    pub(super) fn new(context: &Context) -> Self {
        Self { changes: context.hub.watch_changes(), changed: true, sent_at: None }
    }

    /// Somebody asked for the list again.
    pub(super) fn ask(&mut self) {
        self.changed = true;
    }

    /// Waits for a change. May be given up and begun anew without harm.
    pub(super) async fn changed(&mut self) {
        // It fails only when the hub is gone, and then the socket is closing.
        let _ = self.changes.changed().await;
        self.changed = true;
    }

    /// When the list is to be sent, if nothing changes before.
    pub(super) fn due_at(&self) -> Timestamp {
        let Some(sent_at) = self.sent_at else { return Timestamp::default() };
        sent_at + if self.changed { AT_MOST_EVERY } else { AT_LEAST_EVERY }
    }

    /// Whether the list is to be sent now; it counts as sent then.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = now >= self.due_at();
        if due {
            self.changed = false;
            self.sent_at = Some(now);
        }
        due
    }
}

/// The list as it is now.
pub(super) fn message(context: &Context) -> FromRelay {
    FromRelay::Streams {
        streams: crate::listing::streams(&context.hub),
        listening: crate::listing::listening(&context.ingest),
    }
}
