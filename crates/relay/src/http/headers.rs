//! The request headers on which access depends: checks them, and extracts what the access rules need.
//!
//! A header that occurs twice or is unreadable is refused. Treating it as absent would disable the rule: a request
//! without `Origin` counts as one of the relay's own page.

use axum::extract::{Query, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Version, header};
use serde::Deserialize;

use crate::access::Credentials;
use crate::access::credentials::Parts;
use crate::access::host::Addressed;
use crate::access::origin::{Initiator, Origin};
use crate::addresses::BasePath;
use crate::error::Error;
use crate::http::error::{HttpError, malformed};
use crate::http::forwarded::client::EffectiveClient;

/// W3C Fetch Metadata: whether the requesting page is of the same site.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// W3C Fetch Metadata: whether the request is a navigation.
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// W3C Fetch Metadata: the element that receives the response.
pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Headers that may occur once. RFC 9110, section 5.3: only lists may be spread over several lines.
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

/// Lists that may be spread over several lines, but must be text.
const LISTS: [HeaderName; 3] =
    [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_PROTOCOL];

/// Checks that every header on which access depends is readable, and occurs once if it is not a list.
///
/// # Errors
/// [`Error::Denied`] that names the header.
pub fn check(headers: &HeaderMap) -> Result<(), Error> {
    for name in ONCE.iter().chain(&LISTS) {
        let values = headers.get_all(name);
        if values.iter().any(|value| value.to_str().is_err()) {
            return Err(malformed(format!("the header {name} must be visible ASCII")));
        }
        if ONCE.contains(name) && values.iter().nth(1).is_some() {
            return Err(malformed(format!("the header {name} must not occur twice")));
        }
    }
    Ok(())
}

/// Checks that a request has no body, unless it publishes a stream. Proxies and servers disagree on where a body with two
/// lengths ends (RFC 9112, section 11.2): the bytes after it could pass for another request, or for WebSocket messages.
///
/// # Errors
/// 400 with `Connection: close`, so that the body is not taken for a request.
pub fn check_body(request: &Request) -> Result<(), HttpError> {
    let headers = request.headers();
    let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if (is_empty && !headers.contains_key(header::TRANSFER_ENCODING)) || takes_body(request) {
        return Ok(());
    }
    let error = malformed("requests to this address must not have a body");
    Err(HttpError::from(error).with_header(header::CONNECTION, "close"))
}

/// Returns whether a request publishes a stream: the only ones with a body.
fn takes_body(request: &Request) -> bool {
    let name = request.uri().path().strip_prefix("/streams/");
    let name = name.and_then(|rest| rest.strip_suffix("/publish"));
    let publishes = matches!(*request.method(), Method::POST | Method::PUT);
    publishes && name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// Returns the value of a header that passed [`check`].
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns the host that a request addresses.
pub fn addressed(request: &Request) -> Addressed<'_> {
    Addressed {
        host: text(request.headers(), &header::HOST),
        authority: request.uri().authority().map(Authority::as_str),
        // HTTP/1.0 has no such header, and no browser uses it.
        forwarded: EffectiveClient::of(request.extensions())
            .forwarded_host
            .as_ref()
            .map(|(header, host)| (header.as_str(), host.as_str())),
        host_is_optional: matches!(request.version(), Version::HTTP_10 | Version::HTTP_09),
    }
}

/// Returns the page that initiated a request.
pub fn initiator_of(request: &Request) -> Initiator<'_> {
    initiator(request.headers(), EffectiveClient::of(request.extensions()))
}

/// Returns the page that initiated the request of a client, as the browser names it.
pub fn initiator<'a>(headers: &'a HeaderMap, client: &'a EffectiveClient) -> Initiator<'a> {
    let has_origin = headers.contains_key(header::ORIGIN);
    Initiator {
        // An origin that cannot be read belongs to a foreign page.
        origin: has_origin.then(|| text(headers, &header::ORIGIN).unwrap_or("null")),
        host: addressed_host(headers, client),
        is_encrypted: client.is_encrypted,
        site: text(headers, &SEC_FETCH_SITE),
        mode: text(headers, &SEC_FETCH_MODE),
        destination: text(headers, &SEC_FETCH_DEST),
    }
}

/// Returns the host that a client addresses: the one that a trusted proxy names, else that of the request.
fn addressed_host<'a>(headers: &'a HeaderMap, client: &'a EffectiveClient) -> Option<&'a str> {
    let forwarded = client.forwarded_host.as_ref().map(|(_, host)| host.as_str());
    forwarded.or_else(|| text(headers, &header::HOST))
}

/// The name of the cookie with the page's session.
pub const SESSION_COOKIE: &str = "fanlight_session";

/// Returns the address with TLS of a page that a user opens by its plain address; `None` for any other request.
pub fn encrypted_address(request: &Request, base: &BasePath) -> Option<String> {
    let headers = request.headers();
    let is_navigation = match text(headers, &SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        // Browsers send no Fetch Metadata to plain addresses other than localhost.
        None => text(headers, &header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html")),
    };
    let client = EffectiveClient::of(request.extensions());
    let host = addressed_host(headers, client).filter(|_| is_navigation)?;
    let path = request.uri().path_and_query()?;
    (request.method() == Method::GET).then(|| format!("https://{host}{}{path}", base.as_str()))
}

/// Returns whether a page sends a request, and no user by an address typed in, nor another program.
pub fn is_of_page(headers: &HeaderMap) -> bool {
    let mode = text(headers, &SEC_FETCH_MODE);
    mode.map_or(headers.contains_key(header::ORIGIN), |mode| mode != "navigate")
}

/// Returns whether a request has a token that would be compared, right or wrong. A session is none: it cannot be guessed.
pub fn has_token(request: &Request) -> bool {
    let query = Query::<CredentialsQuery>::try_from_uri(request.uri());
    let query = query.map_or(CredentialsQuery::default(), |Query(query)| query);
    let has_query = query.token.is_some() || query.link.is_some();
    has_query || request.headers().contains_key(header::AUTHORIZATION)
}

/// Returns whether a request has a token that the client itself presents.
pub fn has_explicit_token(request: &Request) -> bool {
    let query = Query::<CredentialsQuery>::try_from_uri(request.uri());
    let query = query.map_or(CredentialsQuery::default(), |Query(query)| query);
    Credentials::new(parts(request.headers(), &query), false).is_explicit()
}

/// The credentials in a query.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CredentialsQuery {
    token: Option<String>,
    link: Option<String>,
}

fn parts<'a>(headers: &'a HeaderMap, query: &'a CredentialsQuery) -> Parts<'a> {
    Parts {
        authorization: text(headers, &header::AUTHORIZATION),
        token: query.token.as_deref(),
        link: query.link.as_deref(),
        session: session(headers),
    }
}

/// Returns the page's session in the cookies.
fn session(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
    cookies.find_map(|cookie| cookie.strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
}

/// Returns the credentials of a client's request. `page`: the page that initiated it.
pub fn credentials(
    headers: &HeaderMap,
    query: &CredentialsQuery,
    client: &EffectiveClient,
    page: Origin,
) -> Credentials {
    let credentials = Credentials::new(parts(headers, query), client.is_local());
    match page {
        Origin::Foreign => credentials.of_foreign_page(),
        Origin::Own | Origin::Allowed => credentials,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::access::HostRule;
    use crate::addresses::TrustedProxies;
    use axum::http::HeaderValue;

    fn client() -> EffectiveClient {
        let (peer, proxies) = (IpAddr::V4(Ipv4Addr::LOCALHOST), TrustedProxies::default());
        EffectiveClient::new(&HeaderMap::new(), peer, false, &proxies).unwrap()
    }

    fn of(lines: &[(HeaderName, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_guarding_header_that_occurs_twice_is_refused() {
        for name in ONCE {
            assert!(check(&of(&[(name.clone(), b"x")])).is_ok(), "{name}");
            let error = check(&of(&[(name.clone(), b"x"), (name.clone(), b"x")])).unwrap_err();
            assert!(error.to_string().contains(name.as_str()), "{error}");
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
    fn a_body_is_refused_unless_it_is_empty_or_publishes_a_stream() {
        let is_accepted = |method: &str, path: &str, lines: &[(HeaderName, &[u8])]| {
            let request = Request::builder().method(method).uri(path);
            let mut request = request.body(axum::body::Body::empty()).unwrap();
            *request.headers_mut() = of(lines);
            check_body(&request).is_ok()
        };
        let length = || (header::CONTENT_LENGTH, &b"5"[..]);
        let chunked = || (header::TRANSFER_ENCODING, &b"chunked"[..]);
        let publish = "/streams/cam/publish";
        for (method, path) in
            [("GET", publish), ("POST", "/api/links"), ("PUT", "/streams/publish")]
        {
            assert!(is_accepted(method, path, &[]));
            assert!(is_accepted(method, path, &[(header::CONTENT_LENGTH, b"0")]));
            assert!(!is_accepted(method, path, &[length()]), "{method} {path}");
            assert!(!is_accepted(method, path, &[chunked()]), "{method} {path}");
        }
        for method in ["POST", "PUT"] {
            assert!(is_accepted(method, publish, &[length()]));
            assert!(is_accepted(method, publish, &[chunked()]));
        }
    }

    #[test]
    fn lists_may_be_spread_over_several_lines() {
        for name in LISTS {
            assert!(check(&of(&[(name.clone(), b"x"), (name, b"y")])).is_ok());
        }
    }

    #[test]
    fn only_http_1_0_may_omit_the_host() {
        for (version, status) in [(Version::HTTP_10, None), (Version::HTTP_11, Some(400))] {
            let request = Request::builder().version(version).extension(client());
            let request = request.body(axum::body::Body::empty()).unwrap();
            let checked = HostRule::new(&[]).check(addressed(&request));
            let refused = checked.err().map(|error| HttpError::from(error).status().as_u16());
            assert_eq!(refused, status, "{version:?}");
        }
    }

    #[test]
    fn an_absolute_address_is_compared_with_the_host() {
        let to = |uri| {
            let request =
                Request::builder().uri(uri).header("host", "localhost:7474").extension(client());
            let request = request.body(axum::body::Body::empty()).unwrap();
            HostRule::new(&[]).check(addressed(&request)).is_ok()
        };
        assert!(to("/"));
        assert!(to("http://localhost:7474/"));
        assert!(!to("http://evil.example/"));
    }

    #[test]
    fn an_origin_that_cannot_be_read_is_foreign() {
        let headers = of(&[(header::ORIGIN, b"http://c\xe4m:7474"), (header::HOST, b"cam:7474")]);
        assert_eq!(initiator(&headers, &client()).origin, Some("null"));
    }
}
