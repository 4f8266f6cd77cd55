//! The reverse proxies that are believed when they name the client of a request.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// Most ranges of addresses: each address of a chain of proxies is compared with all of them.
pub const MAX_RANGES: usize = 64;

/// The addresses of the proxies that are believed. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The reason why a list of proxies is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidProxies {
    /// It is no address and no range.
    #[error("{0:?}: write an address or a range of them, for example 127.0.0.1 or 10.0.0.0/8")]
    Range(String),
    /// It covers all addresses.
    #[error(
        "{0:?} covers all addresses, so that any client could pretend to be another one: name the proxies"
    )]
    Everything(String),
    /// There are too many ranges.
    #[error("{0} ranges of addresses, at most {MAX_RANGES} are possible")]
    TooMany(usize),
}

impl TrustedProxies {
    /// Trusts these addresses and ranges.
    ///
    /// # Errors
    /// Fails with the range that is invalid, or if there are more than [`MAX_RANGES`].
    pub fn new(ranges: &[String]) -> Result<Self, InvalidProxies> {
        if ranges.len() > MAX_RANGES {
            return Err(InvalidProxies::TooMany(ranges.len()));
        }
        ranges.iter().map(|range| parse(range.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether a proxy at this address is believed.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }
}

fn parse(text: &str) -> Result<IpNet, InvalidProxies> {
    let address = IpAddr::from_str(text).map(|address| IpNet::from(address.to_canonical()));
    let range = address.or_else(|_| IpNet::from_str(text));
    let range = range.map_err(|_| InvalidProxies::Range(text.to_owned()))?;
    match range.prefix_len() {
        0 => Err(InvalidProxies::Everything(text.to_owned())),
        _ => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[&str]) -> Result<TrustedProxies, InvalidProxies> {
        TrustedProxies::new(&ranges.iter().map(|&range| range.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_address_and_a_range_are_trusted_and_nothing_else() {
        let proxies = of(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"]).unwrap();
        let trusts = |address: &str| proxies.contains(address.parse().unwrap());
        for trusted in ["127.0.0.1", "::ffff:127.0.0.1", "10.9.8.7", "2001:db8::1", "::1"] {
            assert!(trusts(trusted), "{trusted}");
        }
        for other in ["127.0.0.2", "11.0.0.1", "2001:db9::1", "::ffff:192.0.2.1"] {
            assert!(!trusts(other), "{other}");
        }
        assert!(!TrustedProxies::default().contains([127, 0, 0, 1].into()));
    }

    #[test]
    fn an_invalid_range_is_refused_with_its_text() {
        for bad in ["", "proxy.example", "10.0.0.0/33", "10.0.0.1:80", "10.0.0/8"] {
            assert_eq!(of(&["::1", bad]).unwrap_err(), InvalidProxies::Range(bad.into()), "{bad}");
        }
        for everything in ["0.0.0.0/0", "::/0"] {
            assert_eq!(of(&[everything]), Err(InvalidProxies::Everything(everything.into())));
        }
        assert!(of(&["::1"; MAX_RANGES]).is_ok());
        assert_eq!(of(&["::1"; MAX_RANGES + 1]), Err(InvalidProxies::TooMany(MAX_RANGES + 1)));
    }
}
