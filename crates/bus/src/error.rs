//! Errors of the bus, with the endpoint or file that caused them.

use std::io;
use std::path::PathBuf;

use crate::address::endpoint::Endpoint;
use crate::address::folder::FolderError;

/// The reason why the bus could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Another live publisher uses this path.
    #[error("{endpoint} is in use by another publisher{}; stop that one or publish elsewhere", holder(.pid))]
    InUse {
        /// The endpoint.
        endpoint: Endpoint,
        /// The process of the other publisher, if known.
        pid: Option<u32>,
    },
    /// The endpoint could not be bound.
    #[error("cannot publish at {endpoint}: {reason}")]
    Bind {
        /// The endpoint.
        endpoint: Endpoint,
        /// The error of the transport.
        reason: String,
    },
    /// A file cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The folder for sockets cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// This machine's ZeroMQ cannot encrypt.
    #[error(
        "this libzmq was built without CURVE, which keys for the bus need; install Debian's libzmq5"
    )]
    NoCurve,
    /// ZeroMQ reported another error.
    #[error("ZeroMQ: {0}")]
    Transport(String),
    /// The system reported another error.
    #[error("cannot start the bus: {0}")]
    Io(#[from] io::Error),
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
