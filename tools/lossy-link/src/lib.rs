//! A link with a rate, a distance, a queue and random loss, between two network namespaces.
//!
//! In the order of a packet:
//!
//! - [`namespace`]: a network of its own at each end;
//! - [`forwarder`]: a TUN device in each of them, and the thread that carries packets from one to the other;
//! - [`direction`]: what happens to a packet on its way. No IO and no clock.
//!
//! Linux's own `netem` does the same where the kernel has it. This program needs TUN devices only.
//!
//! What does not belong here: what runs at the two ends.

#![warn(missing_docs)]

pub mod direction;
pub mod forwarder;
pub mod namespace;

pub use direction::Link;
pub use forwarder::Forwarder;
pub use namespace::Namespace;
