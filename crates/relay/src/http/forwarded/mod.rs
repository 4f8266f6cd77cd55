//! Reads how reverse proxies describe the client of a request: `Forwarded` (RFC 7239), or `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! - [`rfc7239`] reads `Forwarded`, [`x_forwarded`] the other three;
//! - [`EffectiveClient`](client::EffectiveClient) is the part that the relay believes. Everything else that depends on the
//!   client's address, its encryption or the host that it addresses uses this type.
//!
//! Only trusted proxies are believed. Each adds the address of its own peer at the end of the list. Read from the end, the
//! first address that is no trusted proxy is the client: everything before it is the client's own claim.

pub mod client;
mod rfc7239;
mod x_forwarded;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::addresses::ClientAddress;
use crate::addresses::TrustedProxies;
use crate::error::Error;
use crate::http::error::malformed;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that reverse proxies add: with one of them, a request from this machine is that of another client.
const ADDED_BY_PROXIES: [HeaderName; 6] = [
    header::FORWARDED,
    header::VIA,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-real-ip"),
];

/// Returns whether a proxy has forwarded a request, whether it is trusted or not.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ADDED_BY_PROXIES.iter().any(|name| headers.contains_key(name))
}

/// One side of a connection as a proxy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    /// Its address.
    Address(IpAddr),
    /// The proxy does not know the address, or hides it.
    Unknown,
}

/// The description of a request by the proxy that received it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hop {
    /// The client of this request.
    client: Node,
    /// True if the request was encrypted.
    is_encrypted: Option<bool>,
    /// The host that it addressed, and the header that names it.
    host: Option<(HeaderName, String)>,
}

/// Returns how the outermost trusted proxy describes its request, with the address of its client; `None` if `peer`, which is
/// trusted, says nothing.
///
/// # Errors
/// [`Error::Denied`] that names the header that is malformed, or both headers if they could contradict each other.
fn outermost(
    headers: &HeaderMap,
    peer: IpAddr,
    proxies: &TrustedProxies,
) -> Result<Option<(ClientAddress, Hop)>, Error> {
    let is_standard = headers.contains_key(header::FORWARDED);
    let rest = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
    match rest.iter().find(|name| headers.contains_key(*name)) {
        // A proxy sets one of them. The other one is then the client's own.
        Some(other) if is_standard => Err(malformed(format!(
            "the headers forwarded and {other} contradict each other: have the proxy remove the one that it does not set"
        ))),
        Some(_) => x_forwarded::outermost(headers, peer, proxies).map(Some),
        None if is_standard => Ok(walk(rfc7239::hops(headers)?, peer, proxies)),
        None => Ok(None),
    }
}

/// Returns the first hop from the end whose client is no trusted proxy, else the first one.
fn walk(hops: Vec<Hop>, peer: IpAddr, proxies: &TrustedProxies) -> Option<(ClientAddress, Hop)> {
    let mut found = None;
    let mut reporter = peer;
    for hop in hops.into_iter().rev() {
        let Node::Address(address) = hop.client else {
            // The proxy stands for the clients that it does not name.
            return Some((reporter.into(), hop));
        };
        found = Some((ClientAddress::of_one(address), hop));
        if !proxies.contains(address) {
            break;
        }
        reporter = address;
    }
    found
}

/// Parses the name of a node (RFC 7239, section 6): an address, with or without a port, `unknown`, or a pseudonym. Also
/// accepts an IPv6 address without brackets, which `X-Forwarded-For` has.
fn node(text: &str) -> Option<Node> {
    if text.eq_ignore_ascii_case("unknown") || is_pseudonym(text) {
        return Some(Node::Unknown);
    }
    let bracketed = |text: &str| {
        text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().map(IpAddr::from).ok()
    };
    let address = text.parse::<IpAddr>().ok().or_else(|| bracketed(text));
    let address = address.or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    // The port may be a pseudonym too.
    let address = address.or_else(|| {
        let (address, _) = text.rsplit_once(':').filter(|(_, port)| is_pseudonym(port))?;
        address.parse().ok().or_else(|| bracketed(address))
    });
    address.map(|address| Node::Address(address.to_canonical()))
}

fn is_pseudonym(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.strip_prefix('_').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_letter))
}

/// Returns whether a scheme is that of an encrypted request; `None` if it is unknown. Some proxies name that of WebSockets.
fn is_encrypted(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<Node> {
        Some(Node::Address(text.parse().unwrap()))
    }

    #[test]
    fn a_node_is_an_address_with_or_without_a_port_or_unknown() {
        for (text, expected) in [
            ("192.0.2.1", address("192.0.2.1")),
            ("192.0.2.1:4711", address("192.0.2.1")),
            ("192.0.2.1:_port", address("192.0.2.1")),
            ("2001:db8::1", address("2001:db8::1")),
            ("[2001:db8::1]", address("2001:db8::1")),
            ("[2001:db8::1]:4711", address("2001:db8::1")),
            ("[2001:db8::1]:_port", address("2001:db8::1")),
            ("::ffff:192.0.2.1", address("192.0.2.1")),
            ("unknown", Some(Node::Unknown)),
            ("Unknown", Some(Node::Unknown)),
            ("_hidden.1", Some(Node::Unknown)),
        ] {
            assert_eq!(node(text), expected, "{text}");
        }
        for bad in ["", "_", "_a b", "localhost", "192.0.2", "192.0.2.1:", "192.0.2.1:65536"] {
            assert_eq!(node(bad), None, "{bad}");
        }
        for bad in ["[::1", "::1]", "[192.0.2.1]", "[::1]x", "192.0.2.1 ", "evil", "[fe80::1%1]"] {
            assert_eq!(node(bad), None, "{bad}");
        }
    }
}
