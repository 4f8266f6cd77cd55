//! Egress: the transports that send frames to viewers. They use HTTP and the hub, but not the bus.
//!
//! - [`v1`]: `/ws`, all streams of a page over one socket;
//! - [`plain`]: `/streams/NAME/ws`, one frame a message;
//! - [`mjpeg`]: `/streams/NAME/mjpeg`, for `<img>`, VLC, ffmpeg, OpenCV;
//! - [`snapshot`]: `/streams/NAME/snapshot`, one JPEG;
//! - [`no_signal`](crate::no_signal): the picture that the last two send if there is no video;
//! - [`websocket`]: the protocol below the first two;
//! - [`frame_protocol`]: sending on all transports that stream;
//! - [`target`] and [`selection`]: the stream and the track that a request selects;
//! - [`abr`]: adaptive bitrate, if the relay chooses the rendition.

use std::fmt;

pub mod abr;
pub mod frame_protocol;
pub mod mjpeg;
pub mod plain;
pub mod selection;
pub mod snapshot;
pub mod target;
pub mod v1;
pub mod websocket;

/// Returns a timestamp in the format of MJPEG and snapshots: Unix seconds with microseconds.
fn seconds(timestamp: fanlight_protocol::Timestamp) -> impl fmt::Display {
    let micros = timestamp.micros();
    fmt::from_fn(move |f| write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000))
}
