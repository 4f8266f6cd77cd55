//! The contract between capture, relay and viewers. Bytes in, bytes out: no IO, no clock, no async.
//!
//! In the order data flows:
//!
//! - [`name`]: what streams, renditions and tracks are called, and [`Topic`], a track's name on the bus;
//! - [`frame`]: the header that travels with each frame on the bus;
//! - [`catalog`]: what a publisher says it has;
//! - [`ask`]: what a subscriber may ask a publisher, and the answers;
//! - [`viewer`]: the `fanlight.v1` WebSocket messages between a relay and its viewers;
//! - [`rate`]: the frame rate limit of a rendition or a viewer;
//! - [`wire`]: the one place that knows how bus values become bytes;
//! - [`time`]: moments, in microseconds.
//!
//! What does not belong here: sockets, threads, pixels, and any opinion on which frame to send.

#![warn(missing_docs)]

pub mod ask;
pub mod catalog;
pub mod frame;
pub mod name;
pub mod rate;
pub mod time;
mod topic;
pub mod viewer;
pub mod wire;

pub use ask::{Answer, Ask};
pub use catalog::{Catalog, StreamEntry, StreamState, TrackEntry};
pub use frame::{Epoch, FrameFlags, FrameHeader, FrameMeta, FrameTimes};
pub use name::{Codec, InvalidName, Rendition, StreamName, TrackName};
pub use time::Timestamp;
pub use topic::{ReservedTopic, Topic, TopicError};
pub use wire::WireError;

/// Largest payload of one frame, in bytes: 16 MiB, a 40-megapixel JPEG of good quality.
///
/// A larger one is refused where it is met (at capture and on the bus), with its size in the error.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
