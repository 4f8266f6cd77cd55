//! Coded video to pictures, through FFmpeg's libraries.
//!
//! - `decoder`: packets to pictures, without holding any back;
//! - `passage`: H.264 that need not be decoded to be passed on;
//! - `reordering`: when they were captured, where they are sent in another order than shown.

mod decoder;
mod passage;
mod reordering;

pub(crate) use decoder::Decoder;
pub(super) use decoder::{Decoded, arrived_at, extradata};
pub(super) use passage::{Passage, Unfit};
pub(super) use reordering::Reordering;
