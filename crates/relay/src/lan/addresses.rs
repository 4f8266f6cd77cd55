//! The addresses at which devices of the network reach this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use if_addrs::Interface;

/// Most addresses to show: more are no help.
const MAX_SHOWN: usize = 6;
/// The names of interfaces that lead to containers and virtual machines of this machine only.
const VIRTUAL: [&str; 8] = ["br-", "cni", "docker", "flannel", "lxc", "lxd", "veth", "virbr"];
/// An address of the Internet's documentation, which is behind the default route.
const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Returns the addresses at which others reach a relay that listens here, the most useful first: the address towards the
/// default route, then IPv4, then IPv6.
pub(super) fn reachable(listening: IpAddr) -> Vec<IpAddr> {
    if !listening.is_unspecified() {
        return vec![listening];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let only_v4 = listening.is_ipv4();
    let mut found: Vec<_> = interfaces
        .iter()
        .filter(|interface| is_useful(interface))
        .map(Interface::ip)
        .filter(|address| address.is_ipv4() || !only_v4)
        .collect();
    let outside = towards_outside();
    found.sort_by_key(|address| (Some(*address) != outside, address.is_ipv6()));
    found.dedup();
    found.truncate(MAX_SHOWN);
    match found.is_empty() {
        true => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        false => found,
    }
}

fn is_useful(interface: &Interface) -> bool {
    let is_link_local = match interface.ip() {
        IpAddr::V4(address) => address.is_link_local(),
        // Browsers cannot name an address that needs an interface.
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_virtual = VIRTUAL.iter().any(|prefix| interface.name.starts_with(prefix));
    !interface.is_loopback() && !is_link_local && !is_virtual
}

/// Returns the address of this machine on the default route. Connecting a UDP socket sends nothing.
fn towards_outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(OUTSIDE).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_listens_on_one_address_is_reached_there() {
        let own: IpAddr = [192, 168, 1, 5].into();
        assert_eq!(reachable(own), [own]);
    }

    #[test]
    fn a_relay_that_listens_on_all_addresses_has_one_at_least() {
        for all in ["0.0.0.0", "::"] {
            let found = reachable(all.parse().unwrap());
            assert!((1..=MAX_SHOWN).contains(&found.len()), "{found:?}");
            assert!(found.iter().all(|address| !address.is_unspecified()), "{found:?}");
        }
        assert!(reachable([0, 0, 0, 0].into()).iter().all(IpAddr::is_ipv4));
    }
}
