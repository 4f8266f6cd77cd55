//! The opening handshake (RFC 6455, section 4), with headers as plain names and values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest as _, Sha1};

/// Appended to a key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// An upgrade request that a server can accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// The value of `Sec-WebSocket-Accept` that answers it.
    pub accept: String,
    /// The subprotocols that the client offers, in its order of preference.
    pub subprotocols: Vec<String>,
}

/// The reason why a request cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpgrade {
    /// It does not ask for a WebSocket.
    #[error("not a WebSocket request")]
    NotUpgrade,
    /// It is not a `GET` of HTTP/1.1.
    #[error("a WebSocket request must be a GET of HTTP/1.1")]
    NotGet,
    /// It asks for another version than 13.
    #[error("the WebSocket version must be 13")]
    Version,
    /// Its key is missing or malformed.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
}

impl UpgradeRequest {
    /// Checks a request. `is_get` says whether it is a `GET` of HTTP/1.1. `values` returns the values of the header
    /// with this lower-case name, in order.
    ///
    /// # Errors
    /// Fails if the request does not ask for a WebSocket of version 13.
    pub fn check<'a, V>(
        is_get: bool,
        values: impl Fn(&'static str) -> V,
    ) -> Result<Self, InvalidUpgrade>
    where
        V: Iterator<Item = &'a [u8]>,
    {
        if !has_token(values("upgrade"), "websocket") || !has_token(values("connection"), "upgrade")
        {
            return Err(InvalidUpgrade::NotUpgrade);
        }
        if !is_get {
            return Err(InvalidUpgrade::NotGet);
        }
        if values("sec-websocket-version").next() != Some(b"13") {
            return Err(InvalidUpgrade::Version);
        }
        let key = values("sec-websocket-key")
            .next()
            .filter(|key| BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16))
            .ok_or(InvalidUpgrade::Key)?;
        let subprotocols = list(values("sec-websocket-protocol")).map(str::to_owned).collect();
        Ok(Self { accept: accept_key(key), subprotocols })
    }
}

/// Returns the `Sec-WebSocket-Accept` that answers this `Sec-WebSocket-Key`.
pub fn accept_key(key: &[u8]) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Returns the headers of a client's upgrade request with this key; `Host` and subprotocols are the caller's.
pub fn request_headers(key: &str) -> [(&'static str, &str); 4] {
    [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ]
}

/// Returns whether a server's `Sec-WebSocket-Accept` answers this key.
pub fn is_accepted(key: &str, accept: &str) -> bool {
    accept == accept_key(key.as_bytes())
}

/// Returns the elements of a comma-separated header. Values with bytes that are not visible ASCII are ignored.
fn list<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a str> {
    let visible = |value: &&[u8]| value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let texts = values.filter(visible).filter_map(|value| std::str::from_utf8(value).ok());
    texts.flat_map(|value| value.split(',').map(str::trim)).filter(|element| !element.is_empty())
}

fn has_token<'a>(values: impl Iterator<Item = &'a [u8]>, token: &str) -> bool {
    list(values).any(|element| element.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn check(
        is_get: bool,
        without: &str,
        more: &[(&str, &str)],
    ) -> Result<UpgradeRequest, InvalidUpgrade> {
        let usual = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ];
        let usual = usual.iter().filter(|(name, _)| *name != without);
        let headers: Vec<_> = usual.chain(more).copied().collect();
        UpgradeRequest::check(is_get, |name| {
            let values = headers.iter().filter(move |(known, _)| *known == name);
            values.map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn each_part_of_a_request_is_checked() {
        use InvalidUpgrade::*;
        assert!(check(true, "", &[]).is_ok());
        assert_eq!(check(false, "", &[]), Err(NotGet));
        for (missing, error) in [
            ("connection", NotUpgrade),
            ("upgrade", NotUpgrade),
            ("sec-websocket-version", Version),
            ("sec-websocket-key", Key),
        ] {
            assert_eq!(check(true, missing, &[]), Err(error), "{missing}");
        }
        let version = [("sec-websocket-version", "12")];
        assert_eq!(check(true, "sec-websocket-version", &version), Err(Version));
        for key in ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ"] {
            let wrong = check(true, "sec-websocket-key", &[("sec-websocket-key", key)]);
            assert_eq!(wrong, Err(Key), "{key}");
        }
    }

    #[test]
    fn offered_subprotocols_are_listed_in_order() {
        let offers = [("sec-websocket-protocol", " , null"), ("sec-websocket-protocol", "x, y")];
        assert_eq!(check(true, "", &offers).unwrap().subprotocols, ["null", "x", "y"]);
    }

    #[test]
    fn the_accept_key_is_that_of_the_standard() {
        // The example of RFC 6455, section 1.3.
        let accept = accept_key(KEY.as_bytes());
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_accepted(KEY, &accept) && !is_accepted(KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="));
    }

    #[test]
    fn a_client_request_passes_the_server_check() {
        let headers = request_headers(KEY).map(|(name, value)| (name.to_lowercase(), value));
        let request = UpgradeRequest::check(true, |name| {
            let values = headers.iter().filter(move |(known, _)| known == name);
            values.map(|(_, value)| value.as_bytes())
        });
        assert!(request.is_ok());
    }
}
