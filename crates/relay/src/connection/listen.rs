//! The relay's listening port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// Listens on all interfaces, IPv4 and IPv6, or IPv4 alone if the kernel has no IPv6.
///
/// # Errors
/// Fails as [`listen`] does.
pub fn listen_everywhere(port: u16, reuse_port: bool) -> anyhow::Result<std::net::TcpListener> {
    let has_v6 = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).is_ok();
    match has_v6 {
        true => listen((Ipv6Addr::UNSPECIFIED, port).into(), reuse_port),
        false => listen((Ipv4Addr::UNSPECIFIED, port).into(), reuse_port),
    }
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // IPv4 too, whatever the default of this machine is.
        socket.set_only_v6(false)?;
    }
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
    fn all_interfaces_are_reached_by_ipv4_too() {
        let listener = listen_everywhere(0, false).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn relays_may_share_a_port() {
        let first = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        listen(first.local_addr().unwrap(), true).unwrap();
    }
}
