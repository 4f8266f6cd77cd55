//! H.264: from a byte stream to access units that can be forwarded as they are.
//!
//! - [`annex_b`]: NAL units and their start codes;
//! - [`AccessUnitSplitter`]: cuts a byte stream into access units; [`H264Depacketizer`]: joins RTP packets to them;
//! - [`is_entry`]: whether decoding can start at an access unit;
//! - [`DisplayHints`]: what the bitstream declares about its display;
//! - [`profile_and_level`]: for people;
//! - `colour_declaration`: for H.264 that declares no colours;
//! - [`H264Inspector`]: decides whether a source's access units can be forwarded undecoded, and normalizes them.

pub mod annex_b;
mod colour_declaration;
mod depacketizer;
mod display;
mod entry;
mod inspector;
mod parameter_sets;
mod profile;
mod sei;
mod splitter;

pub use colour_declaration::MAX_SDTV_HEIGHT;
pub use depacketizer::{H264Depacketizer, RtpFrame, RtpPacket};
pub use display::DisplayHints;
pub use entry::is_entry;
pub use inspector::{AccessUnit, H264Inspector, PassthroughError};
pub use profile::profile_and_level;
pub use splitter::AccessUnitSplitter;
