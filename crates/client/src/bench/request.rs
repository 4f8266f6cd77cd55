//! What a viewer says to a server: the head of a request, and a WebSocket's messages.

use super::url::Target;

/// The example of RFC 6455. A server answers it with [`ACCEPT`]; that it be random only matters to proxies.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What every server answers our key with.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest message that is sent.
pub const MAX_SENT: usize = 65535;

/// A WebSocket's message of text.
pub const TEXT: u8 = 1;
/// A WebSocket's answer to a ping.
pub const PONG: u8 = 10;

/// A line that the user wants in the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The head of a request for a WebSocket.
pub fn upgrade(target: &Target, subprotocol: Option<&str>, headers: &[Header]) -> Vec<u8> {
    let mut own = vec![
        ("Host", target.host()),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    own.extend(subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)));
    head(target, "HTTP/1.1", &own, headers)
}

/// The head of a request for MJPEG.
pub fn get(target: &Target, http10: bool, headers: &[Header]) -> Vec<u8> {
    let version = if http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    head(target, version, &[("Host", target.host()), ("User-Agent", "fanlight-bench")], headers)
}

/// A line of the user's takes the place of ours.
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

/// Writes the head of a viewer's message. The mask is zero, which leaves the payload as it is: masks protect proxies from
/// what strangers' scripts send, and here is neither.
pub fn message_head(opcode: u8, length: usize, into: &mut Vec<u8>) {
    assert!(length <= MAX_SENT, "longer messages are refused as options");
    into.push(0x80 | opcode);
    match length {
        0..126 => into.push(0x80 | length as u8),
        _ => {
            into.push(0x80 | 126);
            into.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    into.extend_from_slice(&[0; 4]);
}

/// A whole message of text.
pub fn text(text: &str) -> Vec<u8> {
    let mut message = Vec::new();
    message_head(TEXT, text.len(), &mut message);
    message.extend_from_slice(text.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_line_takes_the_place_of_ours() {
        let target = Target::parse("http://cam:81/a?b=c").unwrap();
        let host = Header { name: "host".into(), value: "other".into() };
        let head = String::from_utf8(get(&target, true, &[host])).unwrap();
        assert_eq!(
            head,
            "GET /a?b=c HTTP/1.0\r\nUser-Agent: fanlight-bench\r\nhost: other\r\n\r\n"
        );
    }

    #[test]
    fn a_message_is_masked_with_its_length_before_it() {
        assert_eq!(text("hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        let long = text(&"x".repeat(300));
        assert_eq!(long[..8], [0x81, 0xfe, 1, 44, 0, 0, 0, 0]);
        assert_eq!(long.len(), 308);
    }
}
