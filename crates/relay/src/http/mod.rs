//! HTTP: addresses, the checks that each request passes, and what is answered without a stream.
//!
//! - [`routes`]: the handler of each address;
//! - [`checks`]: middleware that refuses a request before its handler runs;
//! - [`refusal`]: HTTP's answer to each error;
//! - [`page`], [`streams`], [`health`], [`metrics`]: the page, the list of streams, and the relay's own state.

pub mod checks;
pub mod health;
pub mod metrics;
pub mod page;
pub mod refusal;
pub mod routes;
pub mod streams;
