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
pub mod connection;
pub mod context;
pub mod egress;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod limits;
pub mod options;
pub mod process_stall;
pub mod recent_minimum;
pub mod relay;
pub mod stats;
pub mod wake;

pub use options::{Options, Settings};
pub use relay::Relay;
