//! The harness of the end-to-end suite: real processes, sources with the true time in their frames, and viewers.
//!
//! - [`site`]: the environment of one test: captures and relays that find only each other, and their end;
//! - [`program`]: one running program and its log;
//! - [`relay`]: requests to a relay;
//! - [`viewer`], [`plain`], [`mjpeg`]: viewers, one for each transport, and the [`socket`] of two of them;
//! - [`bystander`]: a viewer that reads in the background;
//! - [`joins`]: many viewers that join, and check that each keeps receiving bytes;
//! - [`link`]: a link of a chosen rate between a relay and its viewers;
//! - [`narrow`]: a link of a chosen rate between a capture and a relay;
//! - [`picture`]: images with a frame number and a time in them, drawn and read back;
//! - [`h264`]: the output of a real decoder for a viewer's frames;
//! - [`clip`], [`http_camera`], [`rtsp_camera`]: sources of such images;
//! - [`disguise`]: a different number of cores and a different clock, simulated;
//! - [`zmtp`]: the bytes of the bus, for misbehaving peers;
//! - [`tools`]: third-party programs;
//! - [`patience`]: waits for a condition without a fixed sleep.
//!
//! All of it blocks, and nothing is asynchronous: a test is a sequence of steps. A failed expectation panics.
//!
//! The expectations of tests are in `suite/`.

pub mod bystander;
pub mod clip;
pub mod disguise;
pub mod h264;
pub mod http_camera;
pub mod joins;
pub mod link;
pub mod mjpeg;
pub mod narrow;
pub mod patience;
pub mod picture;
pub mod plain;
pub mod program;
pub mod relay;
pub mod rtsp_camera;
pub mod site;
pub mod socket;
pub mod tools;
pub mod viewer;
pub mod zmtp;

pub use bystander::Bystander;
pub use disguise::Disguise;
pub use link::Link;
pub use narrow::Narrow;
pub use patience::{PATIENCE, eventually};
pub use program::Program;
pub use relay::Relay;
pub use site::Site;
pub use viewer::Viewer;

/// Prints an observation for `--nocapture`. Nothing depends on it.
#[expect(clippy::print_stdout, reason = "this is how a test says what it saw")]
pub fn note(what: impl std::fmt::Display) {
    println!("{what}");
}
