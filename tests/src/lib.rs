//! The harness of the end-to-end suite: real processes, sources with the true capture time in their pictures, and
//! viewers.
//!
//! - [`site`]: the isolated environment of one test, whose captures and relays find only each other;
//! - [`program`]: one running program and its log;
//! - [`relay`]: a running relay and the requests it answers;
//! - [`viewer`], [`plain`], [`mjpeg`]: viewers, one module for each transport, and [`socket`] below two of them;
//! - [`bystander`]: a viewer that reads in the background while a test observes another viewer;
//! - [`joins`]: many viewers that join, and whether each keeps receiving bytes;
//! - [`pusher`]: a client that publishes into a relay;
//! - [`link`]: a link of a chosen rate between a relay and its viewers;
//! - [`network`]: machines on one local network;
//! - [`narrow`]: a link of a chosen rate between a capture and a relay;
//! - [`proxy`]: real reverse proxies before a relay;
//! - [`tls`]: certificates of a test, and a tunnel through which plain viewers use TLS;
//! - [`picture`]: pictures with a frame number and a time in them, drawn and read back;
//! - [`h264`]: decoding with ffmpeg of the H.264 that a viewer received;
//! - [`clip`], [`http_camera`], [`rtsp_camera`]: sources of such pictures;
//! - [`fake_machine`]: a faked core count and clock for one program;
//! - [`zmtp`]: the bus's bytes on the wire, for peers that violate the protocol;
//! - [`tools`]: third-party programs;
//! - [`patience`]: waiting for a condition instead of sleeping for a guessed time.
//!
//! All calls block, so a test is a plain sequence of steps. A failed step panics.
//!
//! The expectations of tests do not belong here; they are in `suite/`.

pub mod bystander;
pub mod chromium;
pub mod clip;
pub mod fake_machine;
pub mod h264;
pub mod http_camera;
pub mod joins;
pub mod link;
pub mod mjpeg;
pub mod narrow;
pub mod network;
pub mod patience;
pub mod picture;
pub mod plain;
pub mod program;
pub mod proxy;
pub mod pusher;
pub mod relay;
pub mod rtsp_camera;
pub mod site;
pub mod socket;
pub mod tls;
pub mod tools;
pub mod viewer;
pub mod zmtp;

pub use bystander::Bystander;
pub use fake_machine::FakeMachine;
pub use link::Link;
pub use narrow::Narrow;
pub use network::Network;
pub use patience::{PATIENCE, eventually};
pub use program::Program;
pub use pusher::Pusher;
pub use relay::Relay;
pub use site::Site;
pub use tls::TlsTunnel;
pub use viewer::Viewer;

/// Prints an observation for a developer who runs the suite with `--nocapture`. No test depends on it.
#[expect(clippy::print_stdout, reason = "tests print their observations here")]
pub fn note(what: impl std::fmt::Display) {
    println!("{what}");
}
