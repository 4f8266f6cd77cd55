//! Decides which of two machines with one name keeps it. No IO.
//!
//! Two machines that claim a name at the same moment may both announce it, and so may machines whose networks are joined
//! later. Each then sees an address of the other at its own name. The machine with the lower address keeps the name.

use std::collections::HashSet;
use std::net::IpAddr;

/// Most former addresses of this machine that are remembered.
const MAX_FORMER: usize = 1024;

/// An address of this machine and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnAddress {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

/// The addresses of this machine, and those that it had. Others may still answer with a former address.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    now: Vec<OwnAddress>,
    former: HashSet<IpAddr>,
}

impl OwnAddresses {
    /// Updates the addresses.
    pub(super) fn update(&mut self, now: Vec<OwnAddress>) {
        if self.former.len() >= MAX_FORMER {
            self.former.clear();
        }
        self.former.extend(self.now.iter().map(|own| own.address));
        self.now = now;
    }

    /// Returns whether this machine must give up the name that it has announced, and at which these addresses were found.
    pub(super) fn yields(&self, found: impl Iterator<Item = IpAddr>) -> bool {
        let is_own = |address: &IpAddr| {
            self.former.contains(address) || self.now.iter().any(|own| own.address == *address)
        };
        let mut foreign: Vec<_> = found.filter(|address| !is_own(address)).collect();
        foreign.sort_by_key(IpAddr::is_ipv6);
        let Some(foreign) = foreign.first() else { return false };
        // Both machines decide by IPv4 if they have it, so that they decide alike. The addresses of one machine may be found
        // one after the other.
        let must_wait = foreign.is_ipv6() && self.now.iter().any(|own| own.address.is_ipv4());
        !must_wait && !self.is_before(*foreign)
    }

    /// Returns whether this machine has the lower address in the network of a foreign one.
    fn is_before(&self, foreign: IpAddr) -> bool {
        self.now.iter().any(|own| own.shares_network(foreign) && own.address < foreign)
    }
}

impl OwnAddress {
    fn shares_network(&self, other: IpAddr) -> bool {
        let same = |own: u128, other: u128, bits: u32| {
            let host_bits = bits - u32::from(self.prefix).min(bits);
            own.checked_shr(host_bits) == other.checked_shr(host_bits)
        };
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(addresses: &[&str]) -> OwnAddresses {
        let mut own = OwnAddresses::default();
        own.update(addresses.iter().map(|text| parse(text)).collect());
        own
    }

    fn parse(text: &str) -> OwnAddress {
        let (address, prefix) = text.split_once('/').unwrap();
        OwnAddress { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    fn yields(own: &OwnAddresses, found: &[&str]) -> bool {
        own.yields(found.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn of_two_machines_that_have_announced_a_name_exactly_one_yields() {
        for (one, other) in [
            (&["10.0.0.1/24"][..], &["10.0.0.2/24"][..]),
            (&["10.0.0.9/24", "fe80::1/64"], &["10.0.0.2/24", "fe80::2/64"]),
            (&["fe80::1/64"], &["fe80::2/64"]),
            (&["10.9.0.1/16", "192.168.1.7/24"], &["192.168.1.3/24"]),
        ] {
            let common = |text: &&str| text.split_once('/').unwrap().0.to_owned();
            let addresses = |all: &[&str]| all.iter().map(common).collect::<Vec<_>>();
            let sees = |own: &[&str], found: &[&str]| {
                let found = addresses(found);
                // A machine answers with its addresses in the network of the question.
                let found = found.iter().filter(|text| !text.starts_with("10.9."));
                yields(&machine(own), &found.map(String::as_str).collect::<Vec<_>>())
            };
            assert_ne!(sees(one, other), sees(other, one), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_machine_with_ipv4_waits_for_the_ipv4_address_of_the_other() {
        let own = machine(&["10.0.0.1/24", "fe80::9/64"]);
        assert!(!yields(&own, &["fe80::1"]));
        assert!(!yields(&own, &["fe80::1", "10.0.0.2"]));
        assert!(yields(&machine(&["10.0.0.3/24", "fe80::9/64"]), &["fe80::1", "10.0.0.2"]));
    }

    #[test]
    fn the_addresses_of_this_machine_are_no_conflict_even_when_it_has_others_now() {
        let mut own = machine(&["10.0.0.1/24", "fe80::1/64"]);
        assert!(!yields(&own, &["10.0.0.1", "fe80::1"]) && !yields(&own, &[]));
        own.update(vec![parse("10.0.0.7/24")]);
        assert!(!yields(&own, &["10.0.0.1", "10.0.0.7"]));
        assert!(yields(&own, &["172.16.0.1"]), "of a network that this machine does not know");
    }

    #[test]
    fn a_network_is_as_long_as_its_prefix() {
        let shares = |own: &str, other: &str| parse(own).shares_network(other.parse().unwrap());
        assert!(shares("10.0.0.1/24", "10.0.0.255") && !shares("10.0.0.1/24", "10.0.1.1"));
        assert!(shares("10.0.0.1/0", "192.168.1.1") && !shares("10.0.0.1/32", "10.0.0.2"));
        assert!(
            shares("::1/0", "fe80::1") && !shares("::1/128", "::2") && !shares("::1/0", "1.2.3.4")
        );
    }
}
