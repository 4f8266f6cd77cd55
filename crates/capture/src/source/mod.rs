//! Sources of frames: webcams, files, URLs, commands, and the test picture. This module neither encodes nor publishes.
//!
//! From the contract at the bottom to the dispatcher at the top:
//!
//! - [`contract`]: the traits [`Source`] and [`SourceFactory`]; [`error`]: why a source fails, in terms its owner
//!   understands;
//! - [`mode`]: size and frame rate; [`pacing`]: when the frames of a recording are due; `interval`: an estimate of the
//!   frame interval;
//! - [`address`]: a URL, parsed so that it never prints a password; [`url`]: how to read it;
//! - `challenges`: the logins that a host accepts; `login`: the answer to one of them;
//! - `video`: from encoded frames to frames that are forwarded undecoded, or decoded;
//! - [`test_picture`], [`webcam`], [`mod@file`], [`ffmpeg`], [`http`], [`rtsp`], [`exec`]: the kinds of sources, each of which
//!   implements [`Source`];
//! - [`spec`]: the syntax of SOURCE; [`configured`]: opens any kind of source by its spec;
//! - [`lifecycle`]: keeps one source open while it is watched, and reopens it after failures.

pub mod address;
mod challenges;
pub mod configured;
pub mod contract;
pub mod error;
pub mod exec;
pub mod ffmpeg;
pub mod file;
pub mod http;
mod interval;
pub mod lifecycle;
mod login;
pub mod mode;
pub mod pacing;
pub mod rtsp;
pub mod spec;
pub mod test_picture;
pub mod url;
pub(crate) mod video;
pub mod webcam;

pub use configured::ConfiguredSource;
pub use contract::{About, DecodedFrom, Grabbed, Source, SourceFactory};
pub use error::SourceError;
pub use spec::SourceSpec;
