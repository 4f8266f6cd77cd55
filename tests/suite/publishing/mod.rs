//! Clients that publish into a relay.

mod access;
mod clients;
mod hostile;
mod http;
mod relays;
mod viewers;
mod websocket;
