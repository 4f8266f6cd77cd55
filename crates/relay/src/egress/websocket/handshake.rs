//! From an HTTP request to a WebSocket (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::headers::malformed;

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a WebSocket that can be granted.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    offered: Vec<String>,
}

impl Handshake {
    /// Checks a request, which has passed the gates.
    ///
    /// # Errors
    /// 426 or 400 where it does not ask for a WebSocket of version 13.
    pub fn check(request: &Request) -> Result<Self, HttpError> {
        let headers = request.headers();
        if !has_token(headers, header::UPGRADE, "websocket")
            || !has_token(headers, header::CONNECTION, "upgrade")
        {
            return Err(HttpError::new(
                StatusCode::UPGRADE_REQUIRED,
                "this address speaks WebSocket: connect with ws:// or wss://",
            )
            .with_header(header::UPGRADE, "websocket"));
        }
        if request.version() < Version::HTTP_11 || request.method() != Method::GET {
            return Err(malformed("a WebSocket handshake must be a GET request of HTTP/1.1").into());
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(HttpError::from(Error::invalid("the WebSocket version must be 13"))
                .with_header(header::SEC_WEBSOCKET_VERSION, "13"));
        }
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .filter(|key| BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16))
            .ok_or_else(|| Error::invalid("Sec-WebSocket-Key must be 16 bytes in base64"))?;
        let accept = accept(key.as_bytes());
        let offered = list(headers, header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Self { accept, offered })
    }

    /// Whether the client offered this subprotocol.
    pub fn offers(&self, subprotocol: &str) -> bool {
        self.offered.iter().any(|offered| offered == subprotocol)
    }

    /// Returns the first subprotocol that the client offered.
    pub fn first_offered(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.offered.first()?).ok()
    }

    /// Returns the answer, after which the connection is a WebSocket.
    pub fn accept(self, subprotocol: Option<HeaderValue>) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(subprotocol) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        response
    }
}

fn accept(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(BASE64.encode(digest)).expect("base64 is visible ASCII")
}

fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim)).filter(|value| !value.is_empty())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    list(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(version: Version, method: Method, more: &[(&str, &str)]) -> Request {
        let mut request = Request::builder()
            .version(version)
            .method(method)
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn status(request: &Request) -> u16 {
        Handshake::check(request).err().map_or(101, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_handshake_is_a_get_of_http_1_1() {
        assert_eq!(status(&request(Version::HTTP_11, Method::GET, &[])), 101);
        assert_eq!(status(&request(Version::HTTP_10, Method::GET, &[])), 400);
        assert_eq!(status(&request(Version::HTTP_11, Method::HEAD, &[])), 400);
    }

    #[test]
    fn a_subprotocol_is_chosen_among_those_offered() {
        let offer = [("sec-websocket-protocol", " , null"), ("sec-websocket-protocol", "x, y")];
        let handshake = Handshake::check(&request(Version::HTTP_11, Method::GET, &offer)).unwrap();
        assert!(handshake.offers("y") && !handshake.offers(""));
        assert_eq!(handshake.first_offered().unwrap(), "null");
    }

    #[test]
    fn the_answer_is_that_of_the_standard() {
        // The example of RFC 6455, section 1.3.
        assert_eq!(accept(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
