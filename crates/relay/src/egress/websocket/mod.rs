//! WebSocket (RFC 6455), the server's side, without copies: the payload of a message is shared by all its viewers.
//!
//! - [`message`]: reading a client's messages, and writing ours; `message_limit`: how many are read;
//! - [`run_websocket`]: both at work, from the first message to the closing handshake.
//!
//! Frames are encoded and decoded by `fanlight-websocket`; the handshake belongs to HTTP.

pub mod message;
mod message_limit;
mod run;

pub use message::MessageWriter;
pub use message_limit::MessageLimit;
pub use run::{WebSocketHandler, close_code, run_websocket};
