//! From the encoded frames of a source to frames for the pipeline, through FFmpeg's libraries.
//!
//! - `encoded`: an encoded frame, as its source delivered it;
//! - `unpacker`: forwards frames undecoded, or decodes them;
//! - `decoder`: decodes with minimal latency;
//! - `reordering`: capture times of frames that are not sent in display order.

mod decoder;
mod encoded;
mod reordering;
mod unpacker;

pub(crate) use decoder::{DecodedFrame, VideoDecoder};
pub(super) use encoded::Encoded;
pub(super) use unpacker::{SourceCodec, Unpacked, Unpacker};
