//! From an HTTP request to a WebSocket (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use crate::refusal::Refusal;

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a WebSocket that can be granted.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    offered: Vec<String>,
}

impl Handshake {
    /// Checks a request.
    ///
    /// # Errors
    /// 426 or 400 where it does not ask for a WebSocket of version 13.
    pub fn check(request: &Request) -> Result<Self, Refusal> {
        let headers = request.headers();
        if !has_token(headers, header::UPGRADE, "websocket")
            || !has_token(headers, header::CONNECTION, "upgrade")
        {
            return Err(Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                "this address speaks WebSocket: connect with ws:// or wss://",
            )
            .with_header(header::UPGRADE, "websocket"));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Refusal::bad_request("the WebSocket version must be 13")
                .with_header(header::SEC_WEBSOCKET_VERSION, "13"));
        }
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .filter(|key| BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16))
            .ok_or_else(|| Refusal::bad_request("Sec-WebSocket-Key must be 16 bytes in base64"))?;
        let accept = accept(key.as_bytes());
        let offered = list(headers, header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Self { accept, offered })
    }

    /// Whether the client offered this subprotocol.
    pub fn offers(&self, subprotocol: &str) -> bool {
        self.offered.iter().any(|offered| offered == subprotocol)
    }

    /// The answer, after which the connection is a WebSocket.
    pub fn accept(self, subprotocol: Option<&'static str>) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(subprotocol) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
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
    values.flat_map(|value| value.split(',').map(str::trim))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    list(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_the_standard() {
        // The example of RFC 6455, section 1.3.
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
