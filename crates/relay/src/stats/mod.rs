//! Counters of what the relay sends, drops, closes and denies.
//!
//! - [`labels`]: the values by which they are counted;
//! - [`counters`]: the counters themselves.

pub mod counters;
pub mod labels;
