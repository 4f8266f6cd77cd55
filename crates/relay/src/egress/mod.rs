//! How frames travel to a viewer. A transport knows HTTP and the hub, and nothing of the bus.
//!
//! - [`v1`]: `/ws`, a whole wall over one socket;
//! - [`plain`]: `/streams/NAME/ws`, each message one JPEG;
//! - [`mjpeg`]: `/streams/NAME/mjpeg`, for `<img>`, VLC, ffmpeg, OpenCV;
//! - [`snapshot`]: `/streams/NAME/snapshot`, one JPEG;
//! - [`no_signal`](crate::no_signal): the picture of the last two when a stream has none;
//! - [`websocket`]: the protocol below the first two;
//! - [`speech`]: saying what there is to say, on all that stream;
//! - [`choice`]: which track a request means;
//! - [`fit`]: and which one where the relay chooses.

use std::fmt;

pub mod abr;
pub mod frame_protocol;
pub mod mjpeg;
pub mod plain;
pub mod selection;
pub mod snapshot;
pub mod v1;
pub mod websocket;

/// Returns a frame's time as clients of MJPEG and snapshots know it: Unix seconds with microseconds.
fn seconds(timestamp: fanlight_protocol::Timestamp) -> impl fmt::Display {
    let micros = timestamp.micros();
    fmt::from_fn(move |f| write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000))
}
