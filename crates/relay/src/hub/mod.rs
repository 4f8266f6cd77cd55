//! Fan-out in memory: the newest frames of every track, and the viewers' positions in them.
//!
//! In the order of the data:
//!
//! - [`Frame`]: one encoded image, shared by all viewers;
//! - [`ring`]: the newest frames of a track, and the drop policy;
//! - [`Track`]: a ring, its cursors and the demand they create;
//! - [`Stream`]: a name, its status and its tracks;
//! - `cursor`: a position in a track's ring;
//! - [`Viewer`]: one subscription: a cursor, and a second one while it switches to another track.
//!
//! Beside them, fed by every arriving frame: [`lateness`] and `bitrate`.
//!
//! Imports run in this order: a stream knows nothing of its viewers. The hub knows nothing of HTTP, sockets and the
//! bus, and never looks inside a payload.

mod bitrate;
mod cursor;
#[cfg(test)]
pub mod fixture;
mod frame;
mod keyframe_request;
pub mod lateness;
#[cfg(test)]
mod model;
mod registry;
pub mod ring;
mod stream;
mod track;
pub mod viewer;

pub use frame::Frame;
pub use registry::{Hub, Listener};
pub use stream::{Stream, StreamStatus};
pub use track::Track;
pub use viewer::{NextSend, SendStats, ViewOptions, Viewer};
