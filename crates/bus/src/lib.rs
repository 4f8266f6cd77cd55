//! The bus between capture and relays. Nothing outside this crate opens a socket of it or parses an address. Three public
//! things belong to the transport, ZeroMQ: [`ZmqAddress`] as a case of [`BusAddress`], one case of [`BusError`], and the
//! CURVE keys.
//!
//! In the order in which a frame travels:
//!
//! - [`publisher`]: takes encoded frames from any thread, numbers them and sends them; reports the demand for each track;
//!   announces the catalog;
//! - [`subscriber`]: follows any number of publishers, and passes the frames of a watched track to its sink;
//! - [`options`], [`address`] and [`keys`]: where both ends meet, and which of them may (CURVE key pairs, lists of allowed
//!   keys);
//! - `core`: the rules of both ends, without IO and without a clock;
//! - `zmq`: the transport over ZeroMQ: sockets, threads, files.
//!
//! Not part of this crate: the image inside a frame, the ownership of stream names, and viewers.

pub mod address;
mod core;
mod error;
pub mod keys;
pub mod options;
pub mod publisher;
pub mod subscriber;
mod zmq;

pub use crate::core::{Demand, Gap, Implausible, IncomingFrame, PublisherEvent, PublisherId};
pub use address::endpoint::{self, Endpoint};
pub use address::folder::{self, Folder};
pub use address::{BusAddress, Listening, ZmqAddress};
pub use error::BusError;
pub use keys::{AllowedKeys, KeyPair, PublicKey};
pub use options::{PublisherKeys, PublisherOptions, SubscriberKeys, SubscriberOptions};
pub use publisher::{OutgoingFrame, Publisher, TrackCounts, TrackMonitor, TrackPublisher};
pub use subscriber::Subscriber;
