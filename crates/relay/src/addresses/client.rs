//! The address of a client, by which its viewers, connections and wrong tokens are limited.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress {
    ip: IpAddr,
    is_shared: bool,
}

impl ClientAddress {
    /// Returns an address that belongs to one client.
    pub fn of_one(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), is_shared: false }
    }

    /// Returns the address of a proxy that forwards requests of many clients.
    pub fn of_many(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), is_shared: true }
    }

    /// Returns the address itself.
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// Returns whether many clients may share it, so that none of its limits applies.
    pub fn is_shared(self) -> bool {
        self.is_shared
    }

    /// Returns the address under which the client is counted. For IPv6 it is the network: a host chooses freely among its 2^64
    /// addresses (RFC 4291, section 2.5.1).
    #[must_use]
    pub fn group(self) -> Self {
        match self.ip {
            IpAddr::V6(address) if !address.is_loopback() => {
                Self { ip: Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(), ..self }
            }
            _ => self,
        }
    }
}

impl From<IpAddr> for ClientAddress {
    /// Takes the address of a connection. Many clients share this machine's own: a reverse proxy or a tunnel on it forwards their
    /// requests.
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical().is_loopback() {
            true => Self::of_many(ip),
            false => Self::of_one(ip),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}
