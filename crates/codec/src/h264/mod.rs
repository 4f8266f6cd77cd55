//! H.264: from a byte stream to access units that can be forwarded as they are.
//!
//! - [`annex_b`]: NAL units and their start codes;
//! - [`AccessUnitSplitter`]: cuts a byte stream into access units;
//! - [`H264Inspector`]: decides whether a source's access units can be forwarded undecoded, and normalizes them.

pub mod annex_b;
mod inspector;
mod parameter_sets;
mod splitter;

pub use inspector::{AccessUnit, H264Inspector, PassthroughError};
pub use splitter::AccessUnitSplitter;
