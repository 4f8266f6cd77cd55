//! Under which names this relay may be addressed.
//!
//! Against DNS rebinding: a page of `evil.example` may have that name resolve to this machine, and the browser then
//! takes us for its own server. What it cannot do is write another name into the `Host` header. Addresses cannot be
//! rebound, so those are always fine.

use std::net::IpAddr;

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

    /// Whether a request's `Host` is one of them. One without (HTTP/1.0) comes from no browser.
    pub fn allows(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let name = without_port(host).to_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        bare.parse::<IpAddr>().is_ok()
            || bare.ends_with(".localhost")
            || self.names.iter().any(|known| known == bare)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bare IPv6 address are not a port's.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_allowed_and_strangers_are_not() {
        let rule = HostRule::new(&["cams.example.org".into()]);
        for host in [
            "localhost",
            "localhost:7474",
            "LOCALHOST",
            "127.0.0.1:7474",
            "192.168.1.5",
            "[::1]:7474",
            "[::1]",
            "wall.localhost:80",
            "cams.example.org",
            "Cams.Example.org:443",
        ] {
            assert!(rule.allows(Some(host)), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:7474", "127.0.0.1.evil.example", "", "org"]
        {
            assert!(!rule.allows(Some(host)), "{host}");
        }
        assert!(rule.allows(None));
    }
}
