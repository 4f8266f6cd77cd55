//! The publisher's socket, its thread, and who may connect to it.

mod admission;
mod bound;
mod shared_socket;
mod thread;

pub(crate) use admission::Admission;
pub(crate) use bound::{Bound, own_endpoint};
pub(crate) use shared_socket::SharedSocket;
pub(crate) use thread::{PublisherCommand, PublisherThread};
