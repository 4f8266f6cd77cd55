//! WebSocket (RFC 6455) without IO: bytes in, events out. Relay and client share it.
//!
//! In the order a connection uses them:
//!
//! - [`handshake`]: checks an upgrade request or the answer to one, and computes the accept key;
//! - [`frame`]: encodes and parses frame headers;
//! - [`Decoder`]: splits a byte stream into messages without keeping their payload, so that a caller may skip it;
//! - [`MessageDecoder`]: collects whole messages of bounded size;
//! - [`close`]: encodes and checks close frames; [`CloseCode`]: the codes that this side sends;
//! - [`Violation`]: every way in which a peer can break the protocol, with the code to close with.
//!
//! A payload is never encoded here: the caller writes the header and the payload with one system call, so that all
//! viewers of a frame share the payload.
//!
//! Sockets, clocks, HTTP types and extensions do not belong here. Compression is left out because JPEG and H.264 do not
//! shrink.

pub mod close;
mod close_code;
mod decoder;
pub mod frame;
pub mod handshake;
mod message;
mod violation;

pub use close_code::CloseCode;
pub use decoder::{ControlFrame, ControlKind, Decoder, DecoderEvent, MessageKind, PayloadChunk};
pub use frame::{Opcode, Role, WebSocketFrameHeader};
pub use message::{Message, MessageDecoder};
pub use violation::Violation;
