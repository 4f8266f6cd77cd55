//! Fan-out in memory: the newest frames of every track, and the viewers' positions in them.
//!
//! In the order of imports, each of which knows only the ones before it:
//!
//! - [`Frame`]: one encoded image, shared by all viewers;
//! - `arrival_gaps`, `bitrate` and [`lateness`]: estimates that every arriving frame feeds;
//! - [`ring`]: the newest frames of a track, and the drop policy;
//! - `keyframe_request`: the pending request of a track for a keyframe;
//! - [`Track`]: a ring, its demand, and what its frames measure;
//! - `cursor`: a position in a track's ring;
//! - [`Stream`]: a name, its status and its tracks;
//! - `registry`: the [`Hub`] itself, all streams by name, and the [`Listener`]s for changes of the list;
//! - [`Viewer`]: one subscription: a cursor, and a second one while it switches to another track.
//!
//! A stream knows nothing of its viewers. The hub knows nothing of HTTP, sockets and the
//! bus, and never looks inside a payload.

mod arrival_gaps;
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
