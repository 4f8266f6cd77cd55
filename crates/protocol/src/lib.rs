//! The contract between capture, relay and viewers. Bytes in, bytes out: no IO, no clock, no async.
//!
//! In the order in which data flows:
//!
//! - [`name`]: names of streams, renditions and tracks, and [`Topic`], a track's name on the bus;
//! - [`frame`]: the metadata of a frame, and the header that carries it on the bus;
//! - [`catalog`]: the streams of a publisher, with their states and tracks;
//! - [`request`]: requests of a subscriber to a publisher, and the answers;
//! - [`viewer`]: the `fanlight.v1` WebSocket messages between a relay and its viewers;
//! - [`rate`]: the frame rate limit of a rendition or a viewer;
//! - [`wire`]: the encoding of bus values, the only place that knows it;
//! - [`time`]: timestamps in microseconds.
//!
//! Not part of this crate: sockets, threads, pixels, and any decision on which frame to send.

#![warn(missing_docs)]

pub mod catalog;
pub mod frame;
pub mod name;
pub mod rate;
pub mod request;
pub mod time;
mod topic;
pub mod viewer;
pub mod wire;

pub use catalog::{Catalog, StreamEntry, StreamState, TrackEntry};
pub use frame::{Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes};
pub use name::{Codec, InvalidName, RenditionName, StreamName, TrackName};
pub use request::{Answer, Request};
pub use time::Timestamp;
pub use topic::{ReservedTopic, Topic, TopicError};
pub use wire::WireError;

/// Largest payload of one frame, in bytes: 16 MiB, a 40-megapixel JPEG of good quality.
///
/// Capture and the bus reject a larger one, with its size in the error.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
