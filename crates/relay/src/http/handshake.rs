//! From an HTTP request to a WebSocket (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use fanlight_websocket::handshake::{InvalidUpgrade, UpgradeRequest};

use super::error::{HttpError, malformed};
use crate::error::Error;

/// A request for a WebSocket that can be accepted.
#[derive(Debug)]
pub struct Handshake(UpgradeRequest);

impl Handshake {
    /// Checks a request that has passed the access checks.
    ///
    /// # Errors
    /// Returns 426 or 400 if it does not ask for a WebSocket of version 13.
    pub fn check(request: &Request) -> Result<Self, HttpError> {
        let is_get = request.method() == Method::GET && request.version() >= Version::HTTP_11;
        let values = |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes);
        UpgradeRequest::check(is_get, values).map(Self).map_err(translate)
    }

    /// Returns whether the client offers this subprotocol.
    pub fn offers(&self, subprotocol: &str) -> bool {
        self.0.subprotocols.iter().any(|offered| offered == subprotocol)
    }

    /// Returns the first subprotocol that the client offers.
    pub fn first_offered(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.0.subprotocols.first()?).ok()
    }

    /// Returns the response after which the connection is a WebSocket.
    pub fn accept(self, subprotocol: Option<HeaderValue>) -> Response {
        let accept = HeaderValue::try_from(self.0.accept).expect("base64 is visible ASCII");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(subprotocol) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        response
    }
}

fn translate(error: InvalidUpgrade) -> HttpError {
    match error {
        InvalidUpgrade::NotUpgrade => HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "this address serves WebSockets: connect with ws:// or wss://",
        )
        .with_header(header::UPGRADE, "websocket"),
        InvalidUpgrade::NotGet => malformed("a WebSocket request must be a GET of HTTP/1.1").into(),
        InvalidUpgrade::Version => HttpError::from(Error::invalid(error.to_string()))
            .with_header(header::SEC_WEBSOCKET_VERSION, "13"),
        InvalidUpgrade::Key => Error::invalid(error.to_string()).into(),
    }
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
        Handshake::check(request).err().map_or(101, |error| error.status().as_u16())
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
    fn the_response_is_that_of_the_standard() {
        // The example of RFC 6455, section 1.3.
        let handshake = Handshake::check(&request(Version::HTTP_11, Method::GET, &[])).unwrap();
        let response = handshake.accept(None);
        let accept = &response.headers()[header::SEC_WEBSOCKET_ACCEPT];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
