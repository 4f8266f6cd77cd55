//! The relay's listening port.

use std::io;
use std::net::SocketAddr;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

/// Most connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address. With `reuse_port`, several relays share it and the kernel spreads connections over them.
///
/// # Errors
/// Fails if the address is in use or not of this machine, or if the port is not permitted.
pub fn listen(address: SocketAddr, reuse_port: bool) -> anyhow::Result<std::net::TcpListener> {
    bind(address, reuse_port).with_context(|| format!("cannot listen on {address}")).map_err(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        match kind {
            Some(io::ErrorKind::AddrInUse) => anyhow::anyhow!(
                "{address} is in use by another program: stop that program, or choose another port with --listen"
            ),
            Some(io::ErrorKind::AddrNotAvailable) => {
                anyhow::anyhow!("{address} is not an address of this machine: choose another with --listen")
            }
            Some(io::ErrorKind::PermissionDenied) => anyhow::anyhow!(
                "{address}: this user may not open ports below 1024: choose another port with --listen"
            ),
            _ => error,
        }
    })
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted relay need not wait until the kernel forgets the connections of the previous one.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address, false).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("in use"), "{error}");
    }

    #[test]
    fn relays_may_share_a_port() {
        let first = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        listen(first.local_addr().unwrap(), true).unwrap();
    }
}
