//! The request headers on which access depends.
//!
//! A header that comes twice or cannot be read is refused. To treat it as absent would open what it guards: a request
//! without `Origin` counts as one of the relay's own page.

use axum::http::{HeaderMap, HeaderName, header};

use super::Denied;
use crate::http::refusal::Refusal;

/// W3C Fetch Metadata: whether the page that asks is of the same site.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// W3C Fetch Metadata: whether the request is a navigation.
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// W3C Fetch Metadata: the element for which the answer is fetched.
pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Headers that may come once. RFC 9110, section 5.3: only lists may be spread over several lines.
const ONCE: [HeaderName; 8] = [
    header::HOST,
    header::ORIGIN,
    header::AUTHORIZATION,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    SEC_FETCH_SITE,
    SEC_FETCH_MODE,
    SEC_FETCH_DEST,
];

/// Lists that may come in several lines, but not in bytes that are no text.
const LISTS: [HeaderName; 3] =
    [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_PROTOCOL];

/// Checks that every header on which access depends can be read, and comes once where it must.
///
/// # Errors
/// 400 that names the header.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    for name in ONCE.iter().chain(&LISTS) {
        let values = headers.get_all(name);
        if values.iter().any(|value| value.to_str().is_err()) {
            return Err(malformed(format!("the header {name} must be visible ASCII")));
        }
        if ONCE.contains(name) && values.iter().nth(1).is_some() {
            return Err(malformed(format!("the header {name} must not come twice")));
        }
    }
    Ok(())
}

/// Checks that a request brings no body. Nothing here reads one, and proxies and servers disagree on where a body with two
/// lengths ends (RFC 9112, section 11.2): what follows it could pass for another request, or for WebSocket messages.
///
/// # Errors
/// 400, after which the connection is closed.
pub fn check_body(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if is_empty && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    let refusal = malformed("a request brings no body here");
    Err(refusal.with_header(header::CONNECTION, "close"))
}

/// Returns the value of a header that [`check`] has found readable.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses a request whose headers break the rules of HTTP.
pub fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::bad_request(message).because(Denied::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(lines: &[(HeaderName, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_guarding_header_that_comes_twice_is_refused() {
        for name in ONCE {
            assert!(check(&of(&[(name.clone(), b"x")])).is_ok(), "{name}");
            let refusal = check(&of(&[(name.clone(), b"x"), (name.clone(), b"x")])).unwrap_err();
            assert!(refusal.message().contains(name.as_str()), "{}", refusal.message());
        }
    }

    #[test]
    fn a_guarding_header_that_is_not_ascii_is_refused() {
        for name in ONCE.into_iter().chain(LISTS) {
            assert!(check(&of(&[(name.clone(), b"https://\xe9vil.example")])).is_err(), "{name}");
        }
        assert!(check(&of(&[(header::USER_AGENT, b"\xe9")])).is_ok());
    }

    #[test]
    fn a_body_is_refused_and_an_empty_one_is_none() {
        assert!(check_body(&of(&[])).is_ok());
        assert!(check_body(&of(&[(header::CONTENT_LENGTH, b"0")])).is_ok());
        assert!(check_body(&of(&[(header::CONTENT_LENGTH, b"5")])).is_err());
        assert!(check_body(&of(&[(header::TRANSFER_ENCODING, b"chunked")])).is_err());
    }

    #[test]
    fn lists_may_be_spread_over_several_lines() {
        for name in LISTS {
            assert!(check(&of(&[(name.clone(), b"x"), (name, b"y")])).is_ok());
        }
    }
}
