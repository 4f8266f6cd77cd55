//! WebSocket (RFC 6455), the server's side, without copies: the payload of a message is written from where it lies.
//!
//! - [`handshake`]: from an HTTP request to a raw connection;
//! - [`frame`]: the framing, bytes in and bytes out;
//! - [`socket`]: a connection's two halves;
//! - [`conversation`]: both halves at work, from the first word to goodbye.
//!
//! Extensions are never accepted: JPEGs do not shrink, and compressing them costs a core.

pub mod frame;
pub mod handshake;
pub mod run;
pub mod socket;

pub use frame::CloseCode;
pub use handshake::Handshake;
pub use run::{WebSocketHandler, run_websocket};
pub use socket::Say;
