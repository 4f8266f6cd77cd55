//! The bus over ZeroMQ: sockets, threads, files and keys. The rules are in [`crate::core`].
//!
//! - [`folder`] and [`lock`]: the socket files of publishers, and the locks that keep publishers apart;
//! - [`publisher`] and [`subscriber`]: the sockets of both ends and their threads;
//! - [`socket`]: options of all sockets; [`upstream`]: the bytes that ZeroMQ defines for messages to a publisher;
//! - [`curve`]: encryption, and how a key pair is made; [`wake`]: how another thread interrupts a wait.
//!
//! Sockets are XPUB and XSUB, because subscriptions and requests travel upstream. Each socket has one thread that waits for it
//! and for an eventfd that wakes it. A subscriber's socket is used by that thread alone; a publisher's, under a lock, by all
//! threads that send. High-water marks are small: a queue here adds latency.

pub(crate) mod curve;
mod folder;
mod lock;
mod now;
pub(crate) mod publisher;
mod socket;
pub(crate) mod subscriber;
mod upstream;
pub(crate) mod wake;

use crate::error::BusError;

impl From<zmq::Error> for BusError {
    fn from(error: zmq::Error) -> Self {
        Self::Transport(error.to_string())
    }
}
