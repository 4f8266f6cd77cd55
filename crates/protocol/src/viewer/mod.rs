//! `fanlight.v1`: the messages between a relay and a viewer over a WebSocket.
//!
//! Control messages are JSON in text messages ([`control`]); frames are binary messages ([`message`]).

pub mod control;
pub mod message;

pub use control::{
    CodecChoice, FromRelay, FromViewer, ListedState, ListenEntry, RenditionChoice, Setup,
    StreamInfo, TrackInfo, ViewerState, Watch, Webcam,
};
pub use message::{FRAME_HEADER_LEN, FrameMessage};

/// The WebSocket subprotocol's name.
pub const SUBPROTOCOL: &str = "fanlight.v1";
