//! Endpoints: a publisher binds to one, a subscriber connects to it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest path of a Unix socket, in bytes: `sun_path` of `unix(7)` without its terminating zero.
pub const MAX_IPC_PATH: usize = 107;
/// Longest endpoint, in bytes.
pub const MAX_ENDPOINT: usize = 300;

/// An endpoint of the bus: `ipc:///run/fanlight/cam.ipc` or `tcp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A Unix socket on this machine.
    Ipc(PathBuf),
    /// TCP: `host:port`. For a publisher, `*:port` is every address of the machine.
    Tcp(String),
}

/// A text that is not an endpoint, with the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// Too long.
    #[error("the endpoint has {0} bytes, more than the {MAX_ENDPOINT} allowed")]
    TooLong(usize),
    /// Neither `ipc://` nor `tcp://`.
    #[error("{0:?} is not an endpoint: write ipc:///PATH or tcp://HOST:PORT")]
    Form(String),
    /// The path is relative.
    #[error("{0:?}: the path must be absolute, as in ipc:///run/fanlight/cam.ipc")]
    Relative(String),
    /// Too long for a Unix socket.
    #[error("{0:?}: the path of a socket has at most {MAX_IPC_PATH} bytes, this one has {1}")]
    Path(String, usize),
    /// The port is missing or invalid.
    #[error("{0:?}: a port from 1 to 65535 must follow the host, as in tcp://192.168.1.5:5555")]
    Port(String),
}

impl Endpoint {
    /// Returns the path of the Unix socket; `None` for TCP.
    pub fn ipc_path(&self) -> Option<&Path> {
        match self {
            Self::Ipc(path) => Some(path),
            Self::Tcp(_) => None,
        }
    }

    /// Returns whether this is TCP.
    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Returns whether other machines may be involved: TCP on any address but loopback. Names other than `localhost` count
    /// as other machines, because their resolution can change.
    pub fn leaves_machine(&self) -> bool {
        match self {
            Self::Ipc(_) => false,
            Self::Tcp(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                !is_loopback(host.trim_start_matches('[').trim_end_matches(']'))
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    // `lo` is the loopback interface: ZeroMQ binds to interfaces by name.
    let named = ["localhost", "lo"].iter().any(|name| host.eq_ignore_ascii_case(name));
    named || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if text.len() > MAX_ENDPOINT {
            return Err(InvalidEndpoint::TooLong(text.len()));
        }
        if let Some(path) = text.strip_prefix("ipc://") {
            ipc(text, path)
        } else if let Some(address) = text.strip_prefix("tcp://") {
            tcp(text, address)
        } else {
            Err(InvalidEndpoint::Form(text.into()))
        }
    }
}

fn ipc(text: &str, path: &str) -> Result<Endpoint, InvalidEndpoint> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(InvalidEndpoint::Relative(text.into()));
    }
    if path.len() > MAX_IPC_PATH {
        return Err(InvalidEndpoint::Path(text.into(), path.len()));
    }
    Ok(Endpoint::Ipc(path.into()))
}

fn tcp(text: &str, address: &str) -> Result<Endpoint, InvalidEndpoint> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let valid_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let valid_host = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"*.-_[]:%".contains(&b));
    match (valid_host, valid_port) {
        (true, true) => Ok(Endpoint::Tcp(address.into())),
        (true, false) => Err(InvalidEndpoint::Port(text.into())),
        (false, _) => Err(InvalidEndpoint::Form(text.into())),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipc(path) => write!(f, "ipc://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_prints_as_it_is_written() {
        for text in ["ipc:///run/cam.ipc", "tcp://*:5555", "tcp://10.0.0.1:1", "tcp://[::1]:65535"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_loopback_and_sockets_of_this_machine_stay_on_it() {
        let leaves = |text: &str| text.parse::<Endpoint>().unwrap().leaves_machine();
        for local in [
            "ipc:///run/cam.ipc",
            "tcp://127.0.0.1:1",
            "tcp://127.8.9.1:1",
            "tcp://[::1]:1",
            "tcp://[::ffff:127.0.0.1]:1",
            "tcp://localhost:1",
            "tcp://lo:1",
        ] {
            assert!(!leaves(local), "{local}");
        }
        for remote in [
            "tcp://*:1",
            "tcp://0.0.0.0:1",
            "tcp://[::]:1",
            "tcp://10.0.0.1:1",
            "tcp://eth0:1",
            "tcp://cam.example:1",
        ] {
            assert!(leaves(remote), "{remote}");
        }
    }

    #[test]
    fn a_bad_endpoint_is_refused_with_its_rule() {
        let rule = |text: &str| text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(rule("cam.ipc").contains("write ipc:///PATH"));
        assert!(rule("ipc://cam.ipc").contains("absolute"));
        assert!(rule(&format!("ipc:///{}", "x".repeat(107))).contains("107"));
        assert!(rule("tcp://host").contains("port"));
        assert!(rule("tcp://host:0").contains("port"));
        assert!(rule("tcp://host:70000").contains("port"));
        assert!(rule("tcp://:5555").contains("write"));
        assert!(rule("tcp://a b:5555").contains("write"));
        assert!(rule(&"x".repeat(1000)).contains("300"));
    }
}
