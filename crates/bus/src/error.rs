//! What can go wrong with the bus, in words that name the culprit.

use std::io;
use std::path::PathBuf;

use crate::zmq::endpoint::Endpoint;

/// A bus that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Another live publisher has this path.
    #[error("{endpoint} is in use by another publisher{}; stop that one or publish elsewhere", holder(.pid))]
    InUse {
        /// The endpoint.
        endpoint: Endpoint,
        /// The other publisher, where it is known.
        pid: Option<u32>,
    },
    /// The endpoint could not be bound.
    #[error("cannot publish at {endpoint}: {reason}")]
    Bind {
        /// The endpoint.
        endpoint: Endpoint,
        /// What the system said.
        reason: String,
    },
    /// A file or folder is in the way.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The default folder belongs to somebody else.
    #[error("{} belongs to another user (uid {owner}, this is uid {own}): remove it, or set XDG_RUNTIME_DIR", path.display())]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This process's user.
        own: u32,
    },
    /// The default folder can be entered by others, who could then put pictures into it.
    #[error("{} is open to other users (mode {mode:04o}): chmod 700 it", path.display())]
    Mode {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// This machine's ZeroMQ cannot encrypt.
    #[error(
        "this libzmq was built without CURVE, which keys for the bus need; install Debian's libzmq5"
    )]
    NoCurve,
    /// ZeroMQ reported another error.
    #[error("ZeroMQ: {0}")]
    Transport(String),
    /// The system refused something else.
    #[error("cannot start the bus: {0}")]
    Io(#[from] io::Error),
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
