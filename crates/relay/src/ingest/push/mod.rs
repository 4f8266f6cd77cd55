//! Streams that clients push into this relay: the same door into the hub as for publishers on the bus.
//!
//! - [`payload`]: checks the bytes of one frame, as capture checks a camera's;
//! - [`pace`]: the limits on frames and bits per second, and on refused frames;
//! - `meter`: the counts of a stream, for its catalog entry;
//! - `bus`: publishes the frames for the relays that share the bus;
//! - [`PushedStream`]: the sending end of one stream, from a client's frames into the hub;
//! - [`PushedStreams`]: the names of all of them;
//! - [`posted`]: streams whose frames come in requests of their own, between two of them.
//!
//! Each pushed stream is a publisher of its own for the [`directory`](super::directory), so that a name has one owner,
//! wherever its publishers are. Sockets, HTTP and WebSockets do not belong here: see [`publishing`](crate::publishing).

mod bus;
mod meter;
pub mod pace;
pub mod payload;
pub mod posted;
mod stream;
mod streams;

pub use bus::BusSettings;
pub use pace::PushLimits;
pub use stream::{PushedStream, Refusal};
pub use streams::{PushedStreams, Request};
