//! The subscriber's thread, and its sockets: one per publisher.

mod connection;
mod discovery;
mod peer;
mod thread;

pub(crate) use thread::{SubscriberCommand, SubscriberThread};
