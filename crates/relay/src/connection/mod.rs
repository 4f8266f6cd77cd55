//! Client connections: accepted, served over HTTP/1, and paced.
//!
//! `axum::serve` has no timeouts, no socket options and no bound on what hyper buffers, so the accept loop is our own.
//!
//! In the order in which a connection passes through them:
//!
//! - [`listen`] and [`congestion`]: the port and its congestion control; [`fit_descriptors`]: file descriptors for all;
//! - [`accept`]: the accept loop; [`threads`]: the threads that serve connections; `http`: HTTP/1 on one of them;
//! - [`tls`]: the first byte of a connection, the handshake and the limit on it, and encryption;
//! - [`Socket`]: one connection; [`ClientStream`]: the stream that HTTP and frames are written to;
//! - [`upgrade_with`]: connections that leave HTTP; [`PacedWriter`]: sends frames on them;
//! - `link_monitor`: says when the next frame may be sent, by [`queue_estimate`] (from `tcp_info`), and `send_deadline`
//!   bounds its waits.
//!
//! Streams, viewers and routes do not belong here: the router comes in as an argument.

pub mod accept;
pub mod congestion;
mod descriptors;
mod http;
mod link_monitor;
mod listen;
pub mod queue_estimate;
mod send_deadline;
#[cfg(test)]
pub(crate) mod simulated;
mod socket;
mod stream;
mod tcp_info;
pub mod threads;
mod tls;
mod upgrade;
mod writer;

use std::sync::Arc;

use crate::wake::ThreadDispatcher;

pub use accept::serve;
pub use descriptors::{fit as fit_descriptors, reserve as reserve_descriptors};
pub use http::{HEAD_TIMEOUT, MAX_HEAD, MAX_HEADERS};
pub use link_monitor::SendTime;
pub use listen::{listen, listen_everywhere};
pub use socket::{Socket, prepare};
pub use stream::ClientStream;
pub use tls::{HandshakeLimit, TlsSettings};
pub use upgrade::{RawConnection, upgrade_with};
pub use writer::PacedWriter;

/// The connection of a request, attached to it as an extension.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The TCP connection.
    pub socket: Arc<Socket>,
    /// The dispatcher of the thread that serves it.
    pub dispatcher: Arc<ThreadDispatcher>,
}
