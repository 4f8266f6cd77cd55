//! JPEG and H.264 bitstreams: splitting, inspection and repair, without decoding.
//!
//! In the order data flows:
//!
//! - [`split`]: [`SplitFrame`], an encoded image that was cut out of a byte stream;
//! - [`jpeg`]: marker scanner, splitter, and repair of the JPEGs that cameras send;
//! - [`h264`]: NAL units, access units, and the inspector that decides on passthrough.
//!
//! Bytes in, bytes out: no IO, no clock. Arrival times are passed in.
//!
//! This crate does not contain decoders, encoders, or any knowledge of sources. It must not depend on OpenCV or FFmpeg.

#![warn(missing_docs)]

pub mod h264;
pub mod jpeg;
pub mod split;

pub use split::{SplitError, SplitFrame};
