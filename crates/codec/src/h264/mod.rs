//! H.264: from a byte stream to access units that can be forwarded as they are.
//!
//! - [`annex_b`]: NAL units and their start codes;
//! - [`AccessUnitSplitter`]: cuts a byte stream into access units;
//! - [`DisplayHints`]: what the bitstream declares about its display;
//! - [`profile_and_level`]: for people;
//! - [`H264Inspector`]: decides whether a source's access units can be forwarded undecoded, and normalizes them.

pub mod annex_b;
mod display;
mod inspector;
mod parameter_sets;
mod profile;
mod splitter;

pub use display::DisplayHints;
pub use inspector::{AccessUnit, H264Inspector, PassthroughError};
pub use profile::profile_and_level;
pub use splitter::AccessUnitSplitter;
