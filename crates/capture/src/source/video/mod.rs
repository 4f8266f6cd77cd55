//! Coded video to pictures, through FFmpeg's libraries.
//!
//! - `decoder`: packets to pictures, without holding any back;
//! - `reordering`: when they were captured, where they are sent in another order than shown.

mod decoder;
mod reordering;

pub(super) use decoder::{Decoded, Decoder, arrived_at};
pub(super) use reordering::Reordering;
