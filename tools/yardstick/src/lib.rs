//! What the relay is measured against, and the stand-ins for measuring.
//!
//! - [`camera`]: a capture without a camera: publishes synthetic frames of a given size on the bus;
//! - [`writev`]: the limit: a server that does nothing but write each frame to each connection;
//! - [`broadcast`]: the obvious server: axum's WebSockets and a tokio broadcast channel;
//! - [`pacing`] and [`payload`]: when a frame is due, and what is in it;
//! - [`report`] and [`chart`]: from recorded runs to the tables and the chart of docs/performance.md.
//!
//! What does not belong here: the measuring itself, which is `fanlight bench`, and the order of the runs, which is
//! `scripts/bench`. No program that is shipped uses anything of this.

#![warn(missing_docs)]

pub mod broadcast;
pub mod camera;
pub mod chart;
pub mod options;
pub mod pacing;
pub mod payload;
pub mod report;
pub mod writev;
