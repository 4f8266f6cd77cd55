//! From the encoded frames of a source to frames for the pipeline, through FFmpeg's libraries.
//!
//! - `encoded`: an encoded frame, as its source delivered it;
//! - `container`: a video's description apart from its frames;
//! - `unpacker`: forwards frames undecoded, or decodes them;
//! - `decoder`: decodes with minimal latency;
//! - `reordering`: capture times of frames that are not sent in display order.

mod container;
mod decoder;
mod encoded;
mod reordering;
mod unpacker;

pub(super) use container::Container;
pub(crate) use decoder::{DecodedFrame, VideoDecoder};
pub(super) use encoded::Encoded;
pub(super) use unpacker::{SourceCodec, Unpacked, Unpacker};
