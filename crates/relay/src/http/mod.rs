//! HTTP: addresses, the checks that each request passes, and the answers that need no stream.
//!
//! - [`routes`]: the handler of each address;
//! - [`checks`]: middleware that refuses a request before its handler runs;
//! - `client`: the client of a request;
//! - [`headers`]: what the access rules need from a request;
//! - [`error`]: the translation of domain errors into answers;
//! - [`handshake`]: the upgrade of a request to a WebSocket;
//! - `session`: the session of the page, and links;
//! - [`page`], [`health`], [`metrics`]: the page and the relay's own state.

pub mod checks;
mod client;
pub mod error;
pub mod handshake;
pub mod headers;
pub mod health;
pub mod metrics;
pub mod page;
pub mod routes;
mod session;
