//! The names under which this relay may be addressed.
//!
//! Against DNS rebinding: a page of `evil.example` may have that name resolve to this machine, and the browser then
//! takes this relay for its own server. It cannot write another name into the `Host` header. Addresses cannot be
//! rebound, so they are always allowed.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{StatusCode, Version, header};

use super::Denied;
use super::headers::{malformed, text};
use crate::http::refusal::Refusal;

/// Longest name that a refusal repeats.
const MAX_SHOWN: usize = 80;

/// The names allowed.
#[derive(Debug)]
pub struct HostRule {
    names: Vec<String>,
}

impl HostRule {
    /// Allows `localhost`, this machine's own name (also with `.local`), addresses, and these names.
    pub fn new(allowed: &[String]) -> Self {
        let own = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
        let mut names: Vec<String> = allowed.iter().map(|name| name.to_lowercase()).collect();
        names.extend(["localhost".into(), format!("{own}.local"), own]);
        Self { names }
    }

    /// Checks the name by which a request addresses this relay.
    ///
    /// # Errors
    /// 400 where it is missing or no host (RFC 9112, section 3.2), 421 where it is not this relay's.
    pub fn check(&self, request: &Request) -> Result<(), Refusal> {
        let Some(host) = text(request.headers(), &header::HOST) else {
            // HTTP/1.0 has no such header, and no browser speaks it.
            return match request.version() {
                Version::HTTP_10 | Version::HTTP_09 => Ok(()),
                _ => Err(malformed("the header host is missing")),
            };
        };
        let target = request.uri().authority();
        if target.is_some_and(|target| !target.as_str().eq_ignore_ascii_case(host)) {
            return Err(malformed("the header host names another host than the address asked for"));
        }
        let shown = || host.chars().take(MAX_SHOWN).collect::<String>();
        let name = Name::parse(host)
            .ok_or_else(|| malformed(format!("the header host is no host: {:?}", shown())))?;
        if self.allows(&name) {
            return Ok(());
        }
        let message = format!(
            "this relay does not know itself as {:?}: start it with --allow-host NAME, or use its address",
            shown()
        );
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message).because(Denied::Host))
    }

    fn allows(&self, name: &Name) -> bool {
        match name {
            Name::Address => true,
            Name::Of(name) => {
                name.ends_with(".localhost") || self.names.iter().any(|known| known == name)
            }
        }
    }
}

/// The machine that a `Host` header names.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// An IP address.
    Address,
    /// A name, in lower case and without a dot at its end.
    Of(String),
}

impl Name {
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
    use axum::body::Body;

    fn status(rule: &HostRule, host: &str) -> Option<u16> {
        let request = Request::builder().header("host", host).body(Body::empty()).unwrap();
        rule.check(&request).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn addresses_and_localhost_are_allowed_and_strangers_are_not() {
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
            assert_eq!(status(&rule, host), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:7474",
            "127.0.0.1.evil.example",
            "org",
            "a%20b",
        ] {
            assert_eq!(status(&rule, host), Some(421), "{host}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_a_bad_request() {
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
            assert_eq!(status(&rule, host), Some(400), "{host}");
        }
    }

    #[test]
    fn only_http_1_0_may_leave_the_host_out() {
        let rule = HostRule::new(&[]);
        let request = |version| Request::builder().version(version).body(Body::empty()).unwrap();
        assert!(rule.check(&request(Version::HTTP_10)).is_ok());
        let refusal = rule.check(&request(Version::HTTP_11)).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_absolute_address_and_the_host_must_agree() {
        let rule = HostRule::new(&[]);
        let to = |uri| {
            let request = Request::builder().uri(uri).header("host", "localhost:7474");
            rule.check(&request.body(Body::empty()).unwrap()).is_ok()
        };
        assert!(to("/"));
        assert!(to("http://localhost:7474/"));
        assert!(!to("http://evil.example/"));
    }
}
