//! Reference servers and synthetic cameras for measuring the relay.
//!
//! - [`camera`]: a capture without a camera, which publishes synthetic frames of a given size on the bus;
//! - [`writev`]: the lower bound: a server that only writes each frame to each connection;
//! - [`broadcast`]: the simple server: axum's WebSockets and a tokio broadcast channel;
//! - [`pacing`] and [`payload`]: due times and contents of frames;
//! - [`report`] and [`chart`]: the tables and the chart of docs/performance.md, from recorded runs.
//!
//! `fanlight bench` measures, and `scripts/bench` orders the runs. No shipped program uses this crate.

#![warn(missing_docs)]

pub mod broadcast;
pub mod camera;
pub mod chart;
pub mod options;
pub mod pacing;
pub mod payload;
pub mod report;
pub mod writev;
