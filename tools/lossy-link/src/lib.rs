//! A link with a rate, a distance, a queue and random loss, between two network namespaces.
//!
//! In the order of a packet's path:
//!
//! - [`namespace`]: a network of its own at each end;
//! - [`forwarder`]: a TUN device in each of them, and the thread that forwards packets from one to the other;
//! - [`direction`]: the fate of a packet in flight. No IO and no clock.
//!
//! Linux's own `netem` does the same if the kernel has it. This program needs only TUN devices.
//!
//! The programs at the two ends do not belong here.

#![warn(missing_docs)]

pub mod direction;
pub mod forwarder;
pub mod namespace;

pub use direction::Link;
pub use forwarder::Forwarder;
pub use namespace::Namespace;
