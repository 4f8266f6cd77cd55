//! WebSocket (RFC 6455), the server's side, without copies: the payload of a message is shared by all its viewers.
//!
//! - [`Handshake`]: from an HTTP request to a raw connection;
//! - [`message`]: reading a client's messages, and writing ours;
//! - [`run_websocket`]: both at work, from the first message to the closing handshake.
//!
//! Frames are encoded and decoded by `fanlight-websocket`.

mod handshake;
pub mod message;
mod run;

pub use handshake::Handshake;
pub use message::MessageWriter;
pub use run::{WebSocketHandler, run_websocket};
