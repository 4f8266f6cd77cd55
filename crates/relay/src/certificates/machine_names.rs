//! The names and addresses by which clients reach this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use rcgen::SanType;

/// Most addresses in a certificate: a machine with many containers has hundreds.
const MAX_ADDRESSES: usize = 128;

/// The names and addresses of this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum MachineName {
    /// A name, in lower case.
    Name(String),
    /// An address of an interface.
    Address(IpAddr),
}

/// Returns the names and addresses that the machine has now, and `further` names.
pub(super) fn of_this_machine(further: &[String]) -> BTreeSet<MachineName> {
    let own = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let mut names = vec!["localhost".to_owned(), own.clone(), format!("{own}.local")];
    names.extend(further.iter().map(|name| name.to_lowercase()));
    names.retain(|name| is_certifiable(name));
    names.into_iter().map(MachineName::Name).chain(addresses().map(MachineName::Address)).collect()
}

/// Returns the addresses of all interfaces, without those that browsers cannot name because they need an interface.
fn addresses() -> impl Iterator<Item = IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let named = |address: &IpAddr| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let found = interfaces.into_iter().map(|interface| interface.ip()).filter(named);
    std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).chain(found).take(MAX_ADDRESSES)
}

/// Returns whether a text can be a DNS name in a certificate.
fn is_certifiable(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl MachineName {
    /// Returns the entry of a certificate.
    pub(super) fn to_alternative_name(&self) -> Option<SanType> {
        match self {
            Self::Name(name) => name.clone().try_into().ok().map(SanType::DnsName),
            Self::Address(address) => Some(SanType::IpAddress(*address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_its_name_and_its_loopback() {
        let names = of_this_machine(&["Cams.Example.org".into(), "not a name".into()]);
        let has = |name: &str| names.contains(&MachineName::Name(name.into()));
        assert!(has("localhost") && has("cams.example.org") && !has("not a name"));
        assert!(names.contains(&MachineName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))));
        assert!(names.iter().all(|name| name.to_alternative_name().is_some()));
    }
}
