//! Close codes (RFC 6455, section 7.4).

/// The close codes that this side sends (RFC 6455, section 7.4.1, and IANA's registry of WebSocket close codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Normal closure.
    Normal = 1000,
    /// This side shuts down.
    GoingAway = 1001,
    /// The peer broke the protocol.
    Protocol = 1002,
    /// The peer sent data of a type that this side does not accept.
    UnsupportedData = 1003,
    /// The peer sent text that is not UTF-8.
    InvalidPayload = 1007,
    /// The peer sent more than it may.
    Policy = 1008,
    /// The peer sent a message that is too long.
    TooBig = 1009,
    /// The peer presents no valid token.
    Unauthorized = 3000,
    /// The peer's token no longer allows what the peer does.
    Forbidden = 3003,
    /// Another client does what the peer did (of the range for applications).
    Replaced = 4409,
}
