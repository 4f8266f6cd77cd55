//! Where user and password end and the host begins.
//!
//! By the standard the host ends at the first `/`, `?` or `#`, and user and password end at the last `@` before that. People
//! write passwords that hold these characters. A URL is accepted where only one text in it can be the host.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::template::is_placeholder;

/// The parts of a URL behind its `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// User and password, as written.
    pub(super) user: Option<&'a str>,
    /// Host and port, as written.
    pub(super) host: &'a str,
    /// Path, query and what else follows.
    pub(super) rest: &'a str,
}

/// The host cannot be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoHost {
    /// No text that can be one.
    #[error(
        "no valid host and port stand behind \"://\" or behind the '@': a host is made of letters, digits, '.', '-' and '_', \
         or an address, of IPv6 in brackets; a port is a number up to 65535"
    )]
    Missing,
    /// More than one text that can be one.
    #[error(
        "it is unclear where the host begins, because an '@' stands behind a '/', '?' or '#': in a user or password write '/' \
         as %2F, '?' as %3F, '#' as %23 and '@' as %40, or put it into an environment variable and write ${{NAME}}; in a path \
         write '@' as %40"
    )]
    Unclear,
}

impl<'a> Authority<'a> {
    /// Finds the host in the text behind `://`.
    pub(super) fn find(text: &'a str) -> Result<Self, NoHost> {
        let standard = Self::by_the_standard(text);
        // An address is no part of a password.
        let clear = !standard.rest.contains('@') || is_address(standard.host);
        if clear && split_port(standard.host).is_some() {
            return Ok(standard);
        }
        let behind_ats = text.match_indices('@').map(|(at, _)| Self::from(text, Some(at)));
        let mut found = std::iter::once(Self::from(text, None))
            .chain(behind_ats)
            .filter(|found| split_port(found.host).is_some());
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(NoHost::Unclear),
            (None, _) => Err(NoHost::Missing),
        }
    }

    fn by_the_standard(text: &'a str) -> Self {
        Self::from(text, text[..end_of_host(text)].rfind('@'))
    }

    /// The parts where user and password end at this `@`.
    fn from(text: &'a str, at: Option<usize>) -> Self {
        let (user, behind) = match at {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (host, rest) = behind.split_at(end_of_host(behind));
        Self { user, host, rest }
    }
}

fn end_of_host(text: &str) -> usize {
    text.find(['/', '?', '#']).unwrap_or(text.len())
}

/// Host and port of a text that can be both; a placeholder can be either.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let port = match port {
        "" => None,
        _ if port.contains(is_placeholder) => None,
        _ if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

/// Whether a text can be a host. Names of 253 bytes are the longest that there are.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        let address =
            address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.is_some();
    }
    let in_a_name =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || is_placeholder(c);
    (1..=253).contains(&text.len()) && text.chars().all(in_a_name)
}

/// Whether it is an address, with or without a port.
fn is_address(text: &str) -> bool {
    split_port(text)
        .is_some_and(|(host, _)| host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok())
}
