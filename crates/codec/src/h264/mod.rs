//! H.264: from a byte stream to access units that can be forwarded as they are.
//!
//! - [`annex_b`]: NAL units and their start codes;
//! - [`AccessUnitSplitter`]: cuts a byte stream into access units;
//! - [`DisplayHints`]: what the bitstream declares about its display;
//! - [`profile_and_level`]: for people;
//! - `colour_declaration`: for H.264 that declares no colours;
//! - [`H264Inspector`]: decides whether a source's access units can be forwarded undecoded, and normalizes them.

pub mod annex_b;
mod colour_declaration;
mod display;
mod inspector;
mod parameter_sets;
mod profile;
mod splitter;

pub use colour_declaration::MAX_SDTV_HEIGHT;
pub use display::DisplayHints;
pub use inspector::{AccessUnit, H264Inspector, PassthroughError};
pub use profile::profile_and_level;
pub use splitter::AccessUnitSplitter;
