//! `/ws`: `fanlight.v1`, all streams of a page over one socket.
//!
//! - [`session`]: reads the viewer's messages and schedules its subscriptions;
//! - [`subscription`]: one viewer of the socket, and the messages about it;
//! - [`ack_window`]: bounds the frames in flight to a viewer that acknowledges them;
//! - [`pending_watches`]: `watch` messages that arrive before their streams are known;
//! - [`list_updates`]: the list of streams, sent when it changes.

mod ack_window;
mod list_updates;
#[cfg(test)]
mod model;
mod pending_watches;
mod session;
mod subscription;

use std::sync::Arc;

use super::websocket::run_websocket;
use crate::access::Credentials;
use crate::addresses::ClientAddress;
use crate::connection::RawConnection;
use crate::context::Context;
use crate::stats::labels::CloseReason;
use crate::wake::Waker;
use session::Session;

/// Serves one socket until either side ends it; returns the reason, for metrics and for people.
pub async fn serve(
    raw: RawConnection,
    context: Arc<Context>,
    credentials: Credentials,
    address: ClientAddress,
    waker: Waker,
) -> (CloseReason, String) {
    let watch = context.access.watch(&credentials);
    let session = Session::new(context.clone(), credentials, address, waker);
    run_websocket(raw, &context, watch, session).await
}
