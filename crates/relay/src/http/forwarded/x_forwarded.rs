//! The headers `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, which have no standard.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};

use super::{
    Hop, Node, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, is_encrypted, node, walk,
};
use crate::addresses::ClientAddress;
use crate::addresses::TrustedProxies;
use crate::error::Error;
use crate::http::error::malformed;

/// Returns how the headers describe the client's request, with the client's address.
///
/// # Errors
/// [`Error::Denied`] that names the header that is malformed.
pub(super) fn outermost(
    headers: &HeaderMap,
    peer: IpAddr,
    proxies: &TrustedProxies,
) -> Result<(ClientAddress, Hop), Error> {
    let (address, hop) = walk(clients(headers, proxies)?, peer, proxies)
        .unwrap_or((peer.into(), Hop { client: Node::Unknown, is_encrypted: None, host: None }));
    let scheme = single(headers, &X_FORWARDED_PROTO)?.map(|scheme| {
        let refused = || malformed("the header x-forwarded-proto must be http or https");
        is_encrypted(scheme).ok_or_else(refused)
    });
    let host = single(headers, &X_FORWARDED_HOST)?;
    let host = host.map(|host| (X_FORWARDED_HOST, host.to_owned()));
    Ok((address, Hop { is_encrypted: scheme.transpose()?, host, ..hop }))
}

/// Returns the clients in `X-Forwarded-For`, from the first one that is no trusted proxy. The addresses before it
/// are the client's own claim, and may be any text.
fn clients(headers: &HeaderMap, proxies: &TrustedProxies) -> Result<Vec<Hop>, Error> {
    let refused = || malformed("the header x-forwarded-for must be a list of addresses");
    let mut clients = Vec::new();
    'lines: for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for text in line.to_str().map_err(|_| refused())?.rsplit(',') {
            let client = node(text.trim_matches([' ', '\t'])).ok_or_else(refused)?;
            clients.push(Hop { client, is_encrypted: None, host: None });
            if !matches!(client, Node::Address(address) if proxies.contains(address)) {
                break 'lines;
            }
        }
    }
    clients.reverse();
    Ok(clients)
}

/// Returns the value of a header that each proxy replaces. A list would leave open which proxy means what.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.to_str().ok().filter(|value| !value.is_empty() && !value.contains(','));
    match (value, values.next()) {
        (Some(value), None) => Ok(Some(value)),
        _ => Err(malformed(format!("the header {name} must have one value"))),
    }
}
