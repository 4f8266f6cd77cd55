//! `fanlight.v1`: what a relay and a viewer say to each other over a WebSocket.
//!
//! Control travels as JSON in text messages ([`control`]), frames as binary messages ([`message`]).

pub mod control;
pub mod message;

pub use control::{
    CodecWish, FromRelay, FromViewer, ListedState, ListenEntry, RenditionWish, StreamInfo,
    TrackInfo, ViewerState, Watch,
};
pub use message::{FRAME_HEADER_LEN, FrameMessage};

/// The WebSocket subprotocol's name.
pub const SUBPROTOCOL: &str = "fanlight.v1";
