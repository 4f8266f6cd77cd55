//! The list of streams, sent to a socket that asked for it: at changes, and from time to time for the numbers in it.

use std::time::Duration;

use fanlight_protocol::viewer::FromRelay;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::context::Context;

/// Changes closer together than this are told at once.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// Rates and counts of viewers move without a change; they are told this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// When to send the list next.
pub(super) struct Listing {
    changes: watch::Receiver<u64>,
    sent_at: Instant,
}

impl Listing {
    /// For a socket that has just been sent the list.
    pub(super) fn new(context: &Context) -> Self {
        Self { changes: context.hub.watch_changes(), sent_at: Instant::now() }
    }

    /// Somebody asked for the list again.
    pub(super) fn ask(&mut self) {
        self.changes.mark_changed();
    }

    /// Waits until the list is to be sent again. May be given up and begun anew without harm.
    pub(super) async fn due(&mut self) {
        tokio::select! {
            () = sleep_until(self.sent_at + AT_LEAST_EVERY) => {}
            // It fails only when the hub is gone, and then the socket is closing.
            _ = self.changes.changed() => self.changes.mark_changed(),
        }
        sleep_until(self.sent_at + AT_MOST_EVERY).await;
        self.changes.mark_unchanged();
        self.sent_at = Instant::now();
    }
}

/// The list as it is now.
pub(super) fn message(context: &Context) -> FromRelay {
    FromRelay::Streams {
        streams: crate::listing::streams(&context.hub),
        listening: crate::listing::listening(&context.ingest),
    }
}
