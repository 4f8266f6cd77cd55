//! `fanlight-relay`: subscribes to the bus and fans every frame out to its viewers.
//!
//! In the order a frame travels:
//!
//! - [`ingest`] and [`directory`]: what the bus tells becomes streams and frames, what viewers want is asked of it;
//! - [`hub`]: one-to-many in memory: rings, places, the drop policy;
//! - [`transport`]: WebSocket, MJPEG, snapshot: how a frame leaves, and in which size;
//! - [`server`]: connections, below HTTP.
//!
//! Around them: [`routes`] (addresses), [`gates`], [`access`] and [`limits`] (who may), [`startup`], [`page`], [`listing`], [`health`],
//! [`metrics`], [`traffic`] and [`closes`], [`shortest`], [`pulse`]; [`relay`] puts all together, [`options`] says how.
//!
//! What does not belong here: pixels. The relay links neither OpenCV nor libav and never looks inside a payload.

pub mod access;
pub mod closes;
pub mod context;
pub mod directory;
pub mod gates;
pub mod health;
pub mod hub;
pub mod ingest;
pub mod limits;
pub mod listing;
pub mod metrics;
pub mod options;
pub mod page;
pub mod pulse;
pub mod refusal;
pub mod relay;
pub mod routes;
pub mod server;
pub mod shortest;
pub mod startup;
pub mod traffic;
pub mod transport;

pub use options::{Options, Settings};
pub use relay::Relay;
