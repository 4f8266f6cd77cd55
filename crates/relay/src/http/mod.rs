//! HTTP: addresses, the checks that each request passes, and the answers.
//!
//! - [`routes`]: the handler of each address;
//! - [`client`]: the client of a request, and its admission as a viewer;
//! - [`viewing`]: the answers that show a stream;
//! - `publishing`: clients that publish a stream;
//! - [`compat`]: the addresses of other servers;
//! - `session`: the session of the page, and links;
//! - [`checks`]: middleware that refuses a request before its handler runs;
//! - [`forwarded`]: the client of a request that came through a reverse proxy;
//! - [`base_path`]: the path below which users reach the relay;
//! - [`headers`]: what the access rules need from a request;
//! - [`error`]: the translation of domain errors into answers;
//! - [`handshake`]: the upgrade of a request to a WebSocket;
//! - [`page`], [`health`], [`metrics`]: the page and the relay's own state.

pub mod base_path;
pub mod checks;
pub mod client;
pub mod compat;
pub mod error;
pub mod forwarded;
pub mod handshake;
pub mod headers;
pub mod health;
pub mod metrics;
pub mod page;
mod publishing;
pub mod routes;
mod session;
pub mod viewing;
