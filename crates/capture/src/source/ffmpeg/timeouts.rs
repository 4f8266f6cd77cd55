//! Timeouts of connections.

use std::time::Duration;

/// The timeout of connecting, and of any single response while opening.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout of opening: connecting, and detecting the streams.
pub(in crate::source) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout of closing a connection to a camera that no longer responds.
pub(in crate::source) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The stall limit of a playlist, which is silent for as long as its longest segment lasts.
pub(super) const PLAYLIST_STALL_LIMIT: Duration = Duration::from_secs(30);
