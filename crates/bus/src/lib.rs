//! The bus between capture and relays. Nothing outside this crate knows which transport it is, or looks at the text of an
//! address.
//!
//! In the order in which a frame travels:
//!
//! - [`publisher`]: takes encoded frames from any thread, numbers them and sends them; reports the demand for each track;
//!   announces the catalog;
//! - [`subscriber`]: follows any number of publishers, and passes the frames of a watched track to its sink;
//! - [`options`], [`address`] and [`keys`]: where both ends meet, and which of them may (CURVE key pairs, lists of allowed
//!   keys);
//! - `core`: the rules of both ends, without IO and without a clock;
//! - [`zmq`]: the transport over ZeroMQ: sockets, threads, files.
//!
//! What does not belong here: the image inside a frame, which publisher owns a name, and the viewers.

pub mod address;
mod core;
mod error;
pub mod keys;
pub mod options;
pub mod publisher;
pub mod subscriber;
pub mod zmq;

pub use address::{BusAddress, Listening, ZmqAddress};
pub use crate::core::{Demand, Event, Gap, Implausible, IncomingFrame, PublisherId};
pub use error::BusError;
pub use keys::{AllowedKeys, KeyPair, PublicKey};
pub use options::{PublisherKeys, PublisherOptions, SubscriberKeys, SubscriberOptions};
pub use publisher::{OutgoingFrame, Publisher, TrackCounts, TrackMonitor, TrackPublisher};
pub use subscriber::Subscriber;
pub use crate::zmq::endpoint::{self, Endpoint};
pub use crate::zmq::folder::{self, Folder};
