//! Counters of what the relay sends, and of the reasons for which it stops.

pub mod closes;
pub mod counters;
