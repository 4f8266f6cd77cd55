//! `/ws`: `fanlight.v1`, a whole wall over one socket.
//!
//! - [`session`]: what is heard, and whose turn it is;
//! - [`subscription`]: one viewer of the socket, and what it was told;
//! - [`listing`]: the list of streams, sent at changes.

mod listing;
mod session;
mod subscription;

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::websocket::{Upgraded, converse};
use crate::access::Credentials;
use crate::context::Context;
use session::Session;

/// Serves one socket until either side ends it; returns the reason.
pub async fn serve(
    upgraded: Upgraded,
    context: Arc<Context>,
    credentials: Credentials,
    address: IpAddr,
    stop: CancellationToken,
) -> String {
    let mut session = Session::new(context, credentials, address, stop.clone());
    converse(upgraded, &stop, async |writer, heard| session.speak(writer, heard).await).await
}
