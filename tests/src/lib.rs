//! The harness of the end-to-end suite: real processes, sources with the true time in their pictures, and viewers.
//!
//! - [`site`]: a place for one test: captures and relays that find each other and nobody else, and their end;
//! - [`program`]: one running program, with what it logs;
//! - [`relay`]: what can be asked of a relay;
//! - [`viewer`], [`plain`], [`mjpeg`]: those who watch, one for each transport, and [`socket`] below two of them;
//! - [`bystander`]: one who watches by itself, while a test looks at another;
//! - [`joins`]: many viewers that join, and whether each keeps receiving bytes;
//! - [`link`]: a link of a chosen rate between a relay and its viewers;
//! - [`narrow`]: a link of a chosen rate between a capture and a relay;
//! - [`picture`]: pictures with a frame number and a time in them, drawn and read back;
//! - [`h264`]: what a real decoder makes of what a viewer got;
//! - [`clip`], [`http_camera`], [`rtsp_camera`]: sources made of such pictures;
//! - [`disguise`]: other numbers of cores and another clock, pretended;
//! - [`zmtp`]: the bytes of the bus, for peers that do not behave;
//! - [`tools`]: programs of other people;
//! - [`patience`]: waiting for something without sleeping for luck.
//!
//! All of it blocks, and nothing is asynchronous: a test says one thing after another. What does not hold panics.
//!
//! What does not belong here: what a test expects. That stands in `suite/`.

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

/// Says what was seen, for whoever runs the suite with `--nocapture`. Nothing depends on it.
#[expect(clippy::print_stdout, reason = "this is how a test says what it saw")]
pub fn note(what: impl std::fmt::Display) {
    println!("{what}");
}
