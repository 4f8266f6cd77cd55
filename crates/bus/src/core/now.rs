//! The present moment, as it is passed in.

use std::time::Instant;

use fanlight_protocol::Timestamp;

/// The present moment, as the caller read it once from both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The monotonic clock, for intervals within this process.
    pub(crate) instant: Instant,
    /// This process's clock, for times that are compared with other processes.
    pub(crate) wall: Timestamp,
}
