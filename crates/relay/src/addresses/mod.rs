//! Addresses around the relay: those of its clients, of the reverse proxies before it, and its own.
//!
//! - [`client`]: the address by which a client is limited;
//! - [`trusted_proxies`]: the reverse proxies that may name another client;
//! - [`public`]: the address by which users reach the relay.
//!
//! They know nothing of HTTP: `http::forwarded` and `http::base_path` apply them to requests.

pub mod client;
pub mod public;
pub mod trusted_proxies;

pub use client::ClientAddress;
pub use public::{BasePath, PublicAddress};
pub use trusted_proxies::TrustedProxies;
