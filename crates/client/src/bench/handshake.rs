//! The check of a server's response to a request.

use fanlight_websocket::handshake::is_accepted;

use super::answer::Answer;
use super::decode::Decoder;
use super::decode::mjpeg::Mjpeg;
use super::decode::websocket::WebSocket;
use super::request::KEY;
use super::settings::Protocol;
use super::v1;

/// The reason why a response is not the one that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The status is not 101 (MJPEG: 200); the body may hold the reason.
    Status,
    /// The status is right, but something else is wrong.
    Strange(String),
}

/// Returns the decoder of what follows this response.
///
/// # Errors
/// Fails if the response is not the one that was requested.
pub fn accept(answer: &Answer, protocol: Protocol) -> Result<Decoder, Refusal> {
    let mjpeg = protocol == Protocol::Mjpeg;
    if answer.status != if mjpeg { 200 } else { 101 } {
        return Err(Refusal::Status);
    }
    if mjpeg {
        let Some(boundary) = answer.boundary() else {
            return Err(Refusal::Strange(format!(
                "the server answered 200 with {:?}, which is not MJPEG (multipart/x-mixed-replace)",
                answer.content_type
            )));
        };
        return Ok(Decoder::Mjpeg(Box::new(Mjpeg::new(boundary, answer.chunked))));
    }
    if !is_accepted(KEY, &answer.accept) {
        return Err(Refusal::Strange("the server's Sec-WebSocket-Accept is wrong".into()));
    }
    if protocol == Protocol::FanlightV1 && answer.subprotocol != v1::SUBPROTOCOL {
        let chosen = &answer.subprotocol;
        let why = format!("the server chose the subprotocol {chosen:?}, not {}", v1::SUBPROTOCOL);
        return Err(Refusal::Strange(why));
    }
    Ok(Decoder::WebSocket(WebSocket::default()))
}

#[cfg(test)]
mod tests {
    use fanlight_websocket::handshake::accept_key;

    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    fn strange(answer: &Answer, protocol: Protocol) -> String {
        match accept(answer, protocol) {
            Err(Refusal::Strange(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_protocol_has_its_response() {
        let accept_key = accept_key(KEY.as_bytes());
        let upgraded = Answer { accept: accept_key, ..answer(101) };
        let relays = Answer { subprotocol: "fanlight.v1".into(), ..upgraded.clone() };
        let parts = Answer { content_type: "multipart/x-mixed-replace".into(), ..answer(200) };
        for (answer, protocol) in [
            (&upgraded, Protocol::WebSocket),
            (&relays, Protocol::FanlightV1),
            (&parts, Protocol::Mjpeg),
        ] {
            assert!(accept(answer, protocol).is_ok());
        }
        assert!(strange(&upgraded, Protocol::FanlightV1).contains("not fanlight.v1"));
    }

    #[test]
    fn a_wrong_response_is_described() {
        assert!(strange(&answer(101), Protocol::WebSocket).contains("Sec-WebSocket-Accept"));
        assert!(strange(&answer(200), Protocol::Mjpeg).contains("not MJPEG"));
        for (status, protocol) in [(200, Protocol::WebSocket), (101, Protocol::Mjpeg)] {
            assert_eq!(accept(&answer(status), protocol).unwrap_err(), Refusal::Status);
        }
    }
}
