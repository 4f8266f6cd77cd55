//! JPEG: from a byte stream to images that browsers can show.
//!
//! - [`markers`]: scans markers and segments (ITU-T T.81, annex B);
//! - [`are_fields`]: recognises interlaced video;
//! - [`JpegSplitter`]: cuts a byte stream into JPEGs; `part`: the text between them;
//! - [`repair`](repair()): fixes the deviations that cameras are known for.

mod fields;
mod huffman_tables;
pub mod markers;
mod part;
mod repair;
mod splitter;

pub use fields::are_fields;
pub use repair::{JpegError, Obstacle, RepairedJpeg, repair};
pub use splitter::JpegSplitter;

/// Largest side that libjpeg encodes and decodes, in pixels (`JPEG_MAX_DIMENSION` in its `jmorecfg.h`).
pub const MAX_SIDE: u32 = 65_500;
