//! `fanlight`: the command line for work with a relay.
//!
//! - [`options`]: the user's options, by subcommand;
//! - [`mod@bench`]: hundreds of viewers, to measure a video server's throughput, latency and cost;
//! - [`keys`]: keys for captures and relays on different machines;
//! - [`link`]: links, the signed stand-ins for tokens;
//! - [`token`]: access tokens for relays.
//!
//! This crate displays no video (the page does), and uses only the keys of the bus.

pub mod bench;
pub mod keys;
pub mod link;
pub mod options;
pub mod token;

pub use options::{Options, Settings};
