//! Clients that publish into a relay.

mod websocket;
