//! The moments at which a connected client must be checked again: when the access table changes, and when its link or
//! session expires.

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

/// Waits until a client must be checked again.
#[derive(Debug)]
pub struct AccessWatch {
    table: Receiver<()>,
    expires: Option<Instant>,
}

impl AccessWatch {
    /// Creates a watch on the table, and on the end of a validity.
    pub(super) fn new(mut table: Receiver<()>, expires: Option<Timestamp>) -> Self {
        // The table may have changed since the client was checked.
        table.mark_changed();
        let expires = expires.map(|expires| Instant::now() + expires.since(clock::now()));
        Self { table, expires }
    }

    /// Waits until the client must be checked again. Can be cancelled.
    pub async fn changed(&mut self) {
        let expiry = async {
            match self.expires {
                Some(expires) => tokio::time::sleep_until(expires).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as the relay.
            _ = self.table.changed() => {}
            () = expiry => self.expires = None,
        }
    }
}
