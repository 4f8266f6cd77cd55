//! The bus between capture and relays, over ZeroMQ. Nothing outside this crate knows which transport or socket it is.
//!
//! In the order a frame travels:
//!
//! - [`publisher`]: takes encoded frames from any thread, counts them and sends them; knows what is watched, answers
//!   asks, announces the catalog;
//! - [`endpoint`], [`folder`] and `lock`: where publishers are found, and how they keep out of each other's way;
//! - [`keys`]: who may take part over `tcp://`: CURVE key pairs, and lists of allowed keys;
//! - [`subscriber`]: watches tracks of any number of publishers, translates their clocks, counts what was lost.
//!
//! Sockets are XPUB and XSUB: things flow upstream too (what is watched, asks). Each socket has one thread that waits for
//! it and for an eventfd that wakes it. A subscriber's is touched by that thread alone; a publisher's, under a lock, by all
//! who send. High-water marks are small: a queue here would be age.
//!
//! What does not belong here: what a picture looks like, which publisher owns a name, and who looks at it.

mod clock_offset;
mod demand;
pub mod endpoint;
mod error;
pub mod folder;
pub mod keys;
mod lock;
mod losses;
pub mod publisher;
mod socket;
pub mod subscriber;
mod wake;

pub use endpoint::Endpoint;
pub use error::BusError;
pub use folder::Folder;
pub use keys::{AllowedKeys, KeyPair, PublicKey};
pub use losses::Gap;
pub use publisher::{OutgoingFrame, Publisher, PublisherKeys, PublisherOptions, TrackPublisher};
pub use subscriber::{
    Event, Implausible, IncomingFrame, Listening, PublisherId, Subscriber, SubscriberKeys,
    SubscriberOptions,
};
