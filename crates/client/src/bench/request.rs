//! The bytes that a viewer sends: the head of a request, and WebSocket messages.

use fanlight_websocket::handshake::request_headers;
use fanlight_websocket::{Opcode, WebSocketFrameHeader};

use super::url::Target;

/// The `Sec-WebSocket-Key` of every request: the example of RFC 6455. A random key would matter only to proxies.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Longest message that is sent, in bytes.
pub const MAX_SENT: usize = 65535;

/// A header that the user adds to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// Returns the head of a request for a WebSocket.
pub fn upgrade(target: &Target, subprotocol: Option<&str>, headers: &[Header]) -> Vec<u8> {
    let mut own = vec![("Host", target.host())];
    own.extend(request_headers(KEY));
    own.extend(subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)));
    head(target, "HTTP/1.1", &own, headers)
}

/// Returns the head of a request for MJPEG.
pub fn get(target: &Target, http10: bool, headers: &[Header]) -> Vec<u8> {
    let version = if http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    head(target, version, &[("Host", target.host()), ("User-Agent", "fanlight-bench")], headers)
}

/// Returns the head of a request. A header of the user replaces ours of the same name.
fn head(target: &Target, version: &str, own: &[(&str, &str)], headers: &[Header]) -> Vec<u8> {
    let mut text = format!("GET {} {version}\r\n", target.path_and_query());
    let replaced = |name: &str| headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let own = own.iter().filter(|(name, _)| !replaced(name)).copied();
    let theirs = headers.iter().map(|header| (&*header.name, &*header.value));
    for (name, value) in own.chain(theirs) {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

/// Writes the header of a viewer's message. The mask is zero, which leaves the payload unchanged: masks protect proxies
/// from the messages of untrusted scripts, and there are neither here.
pub fn message_head(opcode: Opcode, length: usize, into: &mut Vec<u8>) {
    assert!(length <= MAX_SENT, "longer messages are refused as options");
    let header =
        WebSocketFrameHeader { mask: Some([0; 4]), ..WebSocketFrameHeader::whole(opcode, length) };
    into.extend_from_slice(header.encode().as_bytes());
}

/// Returns a whole message.
pub fn message(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message_head(opcode, payload.len(), &mut message);
    message.extend_from_slice(payload);
    message
}

/// Returns a whole text message.
pub fn text(text: &str) -> Vec<u8> {
    message(Opcode::Text, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_the_user_replaces_ours() {
        let target = Target::parse("http://cam:81/a?b=c").unwrap();
        let host = Header { name: "host".into(), value: "other".into() };
        let head = String::from_utf8(get(&target, true, &[host])).unwrap();
        assert_eq!(
            head,
            "GET /a?b=c HTTP/1.0\r\nUser-Agent: fanlight-bench\r\nhost: other\r\n\r\n"
        );
    }

    #[test]
    fn a_message_is_masked_and_has_its_length_in_front() {
        assert_eq!(text("hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        let long = text(&"x".repeat(300));
        assert_eq!(long[..8], [0x81, 0xfe, 1, 44, 0, 0, 0, 0]);
        assert_eq!(long.len(), 308);
    }
}
