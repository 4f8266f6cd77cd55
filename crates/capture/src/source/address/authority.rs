//! Separation of user and password from the host.
//!
//! By the standard, the host ends at the first `/`, `?` or `#`, and user and password end at the last `@` before it.
//! Users write passwords that contain these characters. A URL is accepted if only one text in it can be the host, or
//! if an IP address follows the last `@`: it is not part of a password.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::template::is_placeholder;

/// The parts of a URL after its `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// User and password, as written.
    pub(super) user: Option<&'a str>,
    /// Host and port, as written.
    pub(super) host: &'a str,
    /// Path, query and the rest.
    pub(super) rest: &'a str,
}

/// The reason why no host is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No text can be the host.
    #[error(
        "no valid host and port follow \"://\" or the '@': a host consists of letters, digits, '.', '-' and '_', or is an \
         address (IPv6 in brackets); a port is a number up to 65535"
    )]
    Missing,
    /// Several texts can be the host.
    #[error(
        "the start of the host is ambiguous, because an '@' follows a '/', '?' or '#': in a user or password write '/' as \
         %2F, '?' as %3F, '#' as %23 and '@' as %40, or put it into an environment variable and write ${{NAME}}; in a path \
         write '@' as %40"
    )]
    Ambiguous,
}

impl<'a> Authority<'a> {
    /// Finds the host in the text after `://`.
    pub(super) fn find(text: &'a str) -> Result<Self, HostError> {
        let standard = Self::by_standard(text);
        // An IP address is not part of a password.
        let is_clear = !standard.rest.contains('@') || is_address(standard.host);
        if is_clear && split_port(standard.host).is_some() {
            return Ok(standard);
        }
        if let Some(found) = Self::at_address(text) {
            return Ok(found);
        }
        let after_ats = text.match_indices('@').map(|(at, _)| Self::split_at(text, Some(at)));
        let mut found = std::iter::once(Self::split_at(text, None))
            .chain(after_ats)
            .filter(|found| split_port(found.host).is_some());
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(HostError::Ambiguous),
            (None, _) => Err(HostError::Missing),
        }
    }

    /// Returns the parts if an IP address follows the last `@`, and a user and password may precede it: they contain a
    /// colon and no query.
    fn at_address(text: &'a str) -> Option<Self> {
        let found = Self::split_at(text, Some(text.rfind('@')?));
        let user = found.user?;
        let is_user = user.contains(':') && !user.contains('?');
        (is_user && is_address(found.host)).then_some(found)
    }

    /// Returns the parts as the standard separates them.
    pub(super) fn by_standard(text: &'a str) -> Self {
        Self::split_at(text, text[..end_of_host(text)].rfind('@'))
    }

    /// Returns the parts if user and password end at this `@`.
    fn split_at(text: &'a str, at: Option<usize>) -> Self {
        let (user, after) = match at {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (host, rest) = after.split_at(end_of_host(after));
        Self { user, host, rest }
    }
}

fn end_of_host(text: &str) -> usize {
    text.find(['/', '?', '#']).unwrap_or(text.len())
}

/// Splits a text into host and port, if it is valid. A placeholder can be either.
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

/// Returns whether a text can be a host. The longest names have 253 bytes.
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

/// Returns whether a text is an IP address, with or without a port.
fn is_address(text: &str) -> bool {
    split_port(text)
        .is_some_and(|(host, _)| host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok())
}
