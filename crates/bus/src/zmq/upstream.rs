//! The bytes of messages from a subscriber to a publisher: one byte that says what follows, then the rest.

use crate::core::Upstream;

/// ZeroMQ's own first bytes (ZMTP 3.0, RFC 23).
const UNSUBSCRIBE: u8 = 0;
const SUBSCRIBE: u8 = 1;
/// The first byte of a message that is none of ZeroMQ's own: a request.
const USER_MESSAGE: u8 = 2;

pub(super) fn subscribe(prefix: &[u8]) -> Vec<u8> {
    message(SUBSCRIBE, prefix)
}

pub(super) fn unsubscribe(prefix: &[u8]) -> Vec<u8> {
    message(UNSUBSCRIBE, prefix)
}

pub(super) fn request(bytes: &[u8]) -> Vec<u8> {
    message(USER_MESSAGE, bytes)
}

fn message(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind], rest].concat()
}

/// Reads a message.
pub(super) fn read(message: &mut zmq::Message) -> Upstream<'_> {
    let is_request = message.first() == Some(&USER_MESSAGE);
    let peer = if is_request { peer_of(message) } else { 0 };
    match message.split_first() {
        Some((&UNSUBSCRIBE, prefix)) => Upstream::Unsubscribe(prefix),
        Some((&SUBSCRIBE, prefix)) => Upstream::Subscribe(prefix),
        Some((_, bytes)) if is_request => Upstream::Request { peer, bytes },
        _ => Upstream::Unknown,
    }
}

/// Returns the number under which the peer was admitted. libzmq keeps it with each message of the connection.
fn peer_of(message: &mut zmq::Message) -> u64 {
    message.gets("User-Id").and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let message = |bytes: Vec<u8>| zmq::Message::from(bytes);
        let request = request(b"bytes");
        assert_eq!(read(&mut message(subscribe(b"cam/"))), Upstream::Subscribe(b"cam/"));
        assert_eq!(read(&mut message(unsubscribe(b""))), Upstream::Unsubscribe(b""));
        assert_eq!(read(&mut message(request)), Upstream::Request { peer: 0, bytes: b"bytes" });
        assert_eq!(read(&mut message(vec![])), Upstream::Unknown);
        assert_eq!(read(&mut message(vec![3, 1])), Upstream::Unknown);
    }

    #[test]
    fn the_first_bytes_are_those_of_every_release() {
        assert_eq!(unsubscribe(b"a"), [0, b'a']);
        assert_eq!(subscribe(b"a"), [1, b'a']);
        assert_eq!(request(b"a"), [2, b'a']);
    }
}
