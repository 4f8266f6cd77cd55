//! `/ws`: `fanlight.v1`, a whole wall over one socket.
//!
//! - [`session`]: what is heard, and whose turn it is;
//! - [`subscription`]: one viewer of the socket, and what it was told;
//! - [`window`]: how many frames may be on their way to a viewer that acknowledges them;
//! - [`waiting`]: what is asked for before the streams are known;
//! - [`listing`]: the list of streams, sent at changes.

mod listing;
#[cfg(test)]
mod model;
mod session;
mod subscription;
mod waiting;
mod window;

use std::net::IpAddr;
use std::sync::Arc;

use super::websocket::run_websocket;
use crate::access::Credentials;
use crate::connection::Raw;
use crate::context::Context;
use crate::stats::labels::CloseReason;
use crate::wake::Waker;
use session::Session;

/// Serves one socket until either side ends it; returns why, for metrics and for people.
pub async fn serve(
    raw: Raw,
    context: Arc<Context>,
    credentials: Credentials,
    address: IpAddr,
    waker: Waker,
) -> (CloseReason, String) {
    let stop = context.stop.clone();
    run_websocket(raw, stop, Session::new(context, credentials, address, waker)).await
}
