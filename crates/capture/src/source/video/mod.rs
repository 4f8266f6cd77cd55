//! Coded video to pixels, through FFmpeg's libraries.
//!
//! - `decoder`: packets to pictures, without holding any back;
//! - `reordering`: when they were captured, where they are sent in another order than shown;
//! - `scaler`: pictures to pixels in OpenCV's order.

mod decoder;
mod reordering;
mod scaler;

pub(super) use decoder::{Decoded, Decoder, arrived_at};
pub(super) use reordering::Reordering;
pub(super) use scaler::Scaler;
