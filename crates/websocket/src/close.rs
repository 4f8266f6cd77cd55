//! Close frames (RFC 6455, sections 5.5.1 and 7.4).

use crate::Violation;
use crate::close_code::CloseCode;
use crate::frame::MAX_CONTROL_PAYLOAD;

/// Returns the payload of a close frame. A reason that does not fit is cut between characters.
pub fn encode(code: CloseCode, reason: &str) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.floor_char_boundary(MAX_CONTROL_PAYLOAD - 2)];
    [&(code as u16).to_be_bytes(), reason].concat()
}

/// Checks the payload of a peer's close frame.
///
/// # Errors
/// Fails if it is a single byte, its code must not be sent, or its reason is not UTF-8.
pub fn check(payload: &[u8]) -> Result<(), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(()) } else { Err(Violation::HalfCloseCode) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::InvalidCloseCode(code));
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation::ReasonNotUtf8),
    }
}

/// Returns whether a peer may send this code: IANA registered it for use on the wire (1004 to 1006 and 1015 are not),
/// or it belongs to the range of libraries and applications.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_that_must_not_be_sent_is_a_violation() {
        let close = |code: u16, reason: &[u8]| {
            check(&[&code.to_be_bytes(), reason].concat()).map_err(Violation::close_code)
        };
        assert_eq!(check(b""), Ok(()));
        assert_eq!(check(b"\x03").unwrap_err().close_code(), CloseCode::Protocol);
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            assert_eq!(close(code, "vier Wörter".as_bytes()), Ok(()), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(close(code, b""), Err(CloseCode::Protocol), "{code}");
        }
        assert_eq!(close(1000, b"\xce\xba\xed\xa0\x80"), Err(CloseCode::InvalidPayload));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let payload = encode(CloseCode::GoingAway, &"ö".repeat(100));
        assert_eq!(payload.len(), MAX_CONTROL_PAYLOAD - 1);
        assert_eq!((&payload[..2], check(&payload)), (&[0x03, 0xe9][..], Ok(())));
    }
}
