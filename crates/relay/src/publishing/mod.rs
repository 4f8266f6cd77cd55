//! The transports by which clients publish into this relay.
//!
//! - [`websocket`]: a WebSocket, each binary message of which is a frame; `reader`: its reading side;
//! - [`body`]: a body of HTTP; `splitter`: from its bytes to frames.
//!
//! A frame is checked and published by [`PushedStream`](crate::ingest::push::PushedStream), whatever its transport. Addresses
//! and the admission of clients do not belong here: see `http::publishing`.

pub mod body;
mod reader;
mod splitter;
pub mod websocket;
