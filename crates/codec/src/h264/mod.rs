//! H.264: from a byte stream to access units that can be forwarded as they are.
//!
//! - [`annex_b`]: NAL units and their start codes;
//! - [`AccessUnitSplitter`]: cuts a byte stream into access units; [`H264Depacketizer`]: joins RTP packets to them;
//! - [`is_entry`]: whether decoding can start at an access unit;
//! - [`DisplayHints`]: what the bitstream declares about its display;
//! - [`H264Inspector`]: decides whether a source's access units can be forwarded undecoded, and normalizes them.

pub mod annex_b;
mod depacketizer;
mod display;
mod entry;
mod inspector;
mod parameter_sets;
mod sei;
mod splitter;

pub use depacketizer::{H264Depacketizer, RtpFrame, RtpPacket};
pub use display::DisplayHints;
pub use entry::is_entry;
pub use inspector::{AccessUnit, H264Inspector, PassthroughError};
pub use splitter::AccessUnitSplitter;
