//! Addresses of the bus: [`Endpoint`]s of single publishers, and [`Folder`]s in which publishers of one user are found. Only
//! this crate looks at their text.

pub mod endpoint;
pub mod folder;

use std::fmt;

pub use endpoint::Endpoint;
use fanlight_protocol::Timestamp;
pub use folder::Folder;

/// An address at which publishers are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// An address of ZeroMQ.
    Zmq(ZmqAddress),
}

/// An address of the ZeroMQ transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZmqAddress {
    /// One publisher.
    Endpoint(Endpoint),
    /// A folder with the sockets of any number of publishers.
    Folder(Folder),
}

impl BusAddress {
    /// Returns whether the address names one publisher, which is expected to be there. A folder may be empty.
    pub fn is_one_publisher(&self) -> bool {
        matches!(self, Self::Zmq(ZmqAddress::Endpoint(_)))
    }
}

impl From<Endpoint> for BusAddress {
    fn from(endpoint: Endpoint) -> Self {
        Self::Zmq(ZmqAddress::Endpoint(endpoint))
    }
}

impl From<Folder> for BusAddress {
    fn from(folder: Folder) -> Self {
        Self::Zmq(ZmqAddress::Folder(folder))
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zmq(ZmqAddress::Endpoint(endpoint)) => endpoint.fmt(f),
            Self::Zmq(ZmqAddress::Folder(folder)) => folder.path().display().fmt(f),
        }
    }
}

/// An address that the subscriber listens to, and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The address as the user wrote it.
    pub address: BusAddress,
    /// Set if a publisher was ever heard there.
    pub heard: bool,
    /// Set if a publisher is connected there now.
    pub connected: bool,
    /// Start of listening, by this process's clock.
    pub since: Timestamp,
    /// The fault, in words: why the connection does not work, or which publishers in the folder are not followed. Empty
    /// if there is none.
    pub reason: String,
}
