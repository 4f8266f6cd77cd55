//! The names under which this relay may be addressed: the protection against DNS rebinding.
//!
//! A page of `evil.example` may have that name resolve to this machine, and the browser then takes the relay for the
//! page's own server. The page cannot change the name in the `Host` header. Addresses cannot be rebound, so they are
//! always allowed.

use std::net::{IpAddr, Ipv6Addr};

use crate::error::Error;
use crate::lan_name::LanName;
use crate::stats::labels::DenialReason;

/// Longest name that an error message repeats.
const MAX_SHOWN: usize = 80;

/// The host that a request addresses.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The authority of an absolute address, which must agree with the header.
    pub authority: Option<&'a str>,
    /// The host that a trusted proxy was addressed by, and the header that names it.
    pub forwarded: Option<(&'a str, &'a str)>,
    /// True if the protocol version allows requests without the header.
    pub host_is_optional: bool,
}

/// The names allowed.
#[derive(Debug)]
pub struct HostRule {
    names: Vec<String>,
    lan_name: Option<LanName>,
}

impl HostRule {
    /// Allows `localhost`, this machine's own name (also with `.local`), addresses, and these names.
    pub fn new(allowed: &[String]) -> Self {
        let own = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
        let mut names: Vec<String> = allowed.iter().map(|name| name.to_lowercase()).collect();
        names.extend(["localhost".into(), format!("{own}.local"), own]);
        Self { names, lan_name: None }
    }

    /// Allows the name on the local network too, whatever it becomes.
    #[must_use]
    pub fn with_lan_name(mut self, name: Option<LanName>) -> Self {
        self.lan_name = name;
        self
    }

    /// Checks the name by which a request addresses this relay, and the name by which it addressed a trusted proxy. A page can
    /// set the headers of a proxy, so these do not replace the check of `Host`.
    ///
    /// # Errors
    /// [`DenialReason::Malformed`] if the name is missing or is no host (RFC 9112, section 3.2), [`DenialReason::Host`] if it
    /// is not this relay's.
    pub fn check(&self, addressed: Addressed<'_>) -> Result<(), Error> {
        if let Some((header, host)) = addressed.forwarded {
            self.check_name(header, host)?;
        }
        let Some(host) = addressed.host else {
            return match addressed.host_is_optional {
                true => Ok(()),
                false => Err(malformed("the header host is missing")),
            };
        };
        if addressed.authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
            return Err(malformed(
                "the header host and the requested address name different hosts",
            ));
        }
        self.check_name("host", host)
    }

    fn check_name(&self, header: &str, host: &str) -> Result<(), Error> {
        let shown = || host.chars().take(MAX_SHOWN).collect::<String>();
        let name = NamedHost::parse(host).ok_or_else(|| {
            malformed(&format!("the host in the header {header} is not a host: {:?}", shown()))
        })?;
        if self.allows(&name) {
            return Ok(());
        }
        let message = format!(
            "unknown host {:?} in the header {header}: start the relay with --allow-host NAME, or use its address",
            shown()
        );
        Err(Error::denied(DenialReason::Host, message))
    }

    fn allows(&self, name: &NamedHost) -> bool {
        match name {
            NamedHost::Address => true,
            NamedHost::Of(name) => {
                name.ends_with(".localhost")
                    || self.names.iter().any(|known| known == name)
                    || self.lan_name.as_ref().is_some_and(|known| known.is(name))
            }
        }
    }
}

fn malformed(message: &str) -> Error {
    Error::denied(DenialReason::Malformed, message)
}

/// The machine that a `Host` header names.
#[derive(Debug, PartialEq, Eq)]
enum NamedHost {
    /// An IP address.
    Address,
    /// A name, in lower case and without a dot at its end.
    Of(String),
}

impl NamedHost {
    /// Parses `host[:port]` (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
    fn parse(host: &str) -> Option<Self> {
        if let Some(bracketed) = host.strip_prefix('[') {
            let (address, port) = bracketed.split_once(']')?;
            let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return (is_whole && address.parse::<Ipv6Addr>().is_ok()).then_some(Self::Address);
        }
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        if !is_port(port) || name.is_empty() || !name.bytes().all(is_of_name) {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        Some(match name.parse::<IpAddr>() {
            Ok(_) => Self::Address,
            Err(_) => Self::Of(name),
        })
    }
}

/// RFC 3986 allows a port to be empty.
fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

/// `unreserved`, `pct-encoded` and `sub-delims` of RFC 3986.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(rule: &HostRule, addressed: Addressed<'_>) -> Option<DenialReason> {
        match rule.check(addressed) {
            Ok(()) => None,
            Err(Error::Denied { reason, .. }) => Some(reason),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn to(host: &str) -> Addressed<'_> {
        Addressed { host: Some(host), authority: None, forwarded: None, host_is_optional: false }
    }

    #[test]
    fn addresses_and_localhost_are_allowed_and_other_names_are_not() {
        let rule = HostRule::new(&["cams.example.org".into()]);
        for host in [
            "localhost",
            "localhost:7474",
            "localhost:",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1:7474",
            "192.168.1.5",
            "[::1]:7474",
            "[::1]",
            "wall.localhost:80",
            "cams.example.org",
            "Cams.Example.org:443",
        ] {
            assert_eq!(denial(&rule, to(host)), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:7474",
            "127.0.0.1.evil.example",
            "org",
            "a%20b",
        ] {
            assert_eq!(denial(&rule, to(host)), Some(DenialReason::Host), "{host}");
        }
    }

    #[test]
    fn the_name_on_the_local_network_is_allowed_as_it_changes() {
        let name = LanName::new(None);
        let rule = HostRule::new(&[]).with_lan_name(Some(name.clone()));
        assert_eq!(denial(&rule, to("fanlight.local:7474")), None);
        assert_eq!(denial(&rule, to("fanlight-2.local")), Some(DenialReason::Host));
        name.set("fanlight-2.local", true);
        assert_eq!(denial(&rule, to("fanlight-2.local")), None);
        assert_eq!(denial(&rule, to("fanlight.local")), Some(DenialReason::Host));
    }

    #[test]
    fn a_malformed_host_is_refused_as_such() {
        let rule = HostRule::new(&[]);
        for host in [
            "",
            ":80",
            "localhost#x",
            "localhost/",
            "localhost/../x",
            "user@localhost",
            "local host",
            "localhost\tx",
            "localhost:port",
            "localhost:65536",
            "localhost:80:80",
            "localhost?x",
            "localhost\\x",
            "[::1",
            "[::1]x",
            "[localhost]",
            "::1",
            "a\"b",
        ] {
            assert_eq!(denial(&rule, to(host)), Some(DenialReason::Malformed), "{host}");
        }
    }

    #[test]
    fn the_host_may_be_omitted_only_if_the_protocol_allows_it() {
        let rule = HostRule::new(&[]);
        let without = |host_is_optional| Addressed { host: None, host_is_optional, ..to("") };
        assert_eq!(denial(&rule, without(true)), None);
        assert_eq!(denial(&rule, without(false)), Some(DenialReason::Malformed));
    }

    #[test]
    fn an_absolute_address_and_the_host_must_agree() {
        let rule = HostRule::new(&[]);
        let with = |authority| Addressed { authority: Some(authority), ..to("localhost:7474") };
        assert_eq!(denial(&rule, with("localhost:7474")), None);
        assert_eq!(denial(&rule, with("LOCALHOST:7474")), None);
        assert_eq!(denial(&rule, with("evil.example")), Some(DenialReason::Malformed));
    }

    #[test]
    fn the_name_of_the_proxy_and_that_of_the_relay_must_both_be_allowed() {
        let rule = HostRule::new(&["cams.example.org".into()]);
        let through = |forwarded, host| Addressed {
            forwarded: Some(("x-forwarded-host", forwarded)),
            ..to(host)
        };
        assert_eq!(denial(&rule, through("cams.example.org:8443", "127.0.0.1:7474")), None);
        for (forwarded, host) in
            [("evil.example", "cams.example.org"), ("cams.example.org", "evil.example")]
        {
            assert_eq!(denial(&rule, through(forwarded, host)), Some(DenialReason::Host), "{host}");
        }
        let malformed = rule.check(through("a/b", "localhost")).unwrap_err().to_string();
        assert!(malformed.contains("x-forwarded-host"), "{malformed}");
    }
}
