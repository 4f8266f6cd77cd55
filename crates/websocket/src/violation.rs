//! The ways in which a peer can break the protocol.

use crate::close_code::CloseCode;

/// Bytes that the other side must not send. The connection must then be closed with [`Violation::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set, although no extension was negotiated.
    #[error("a reserved bit is set but no extension was negotiated")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode {0}")]
    UnknownOpcode(u8),
    /// A client sent an unmasked frame (RFC 6455, section 5.1).
    #[error("frames from a client must be masked")]
    NotMasked,
    /// A server sent a masked frame (RFC 6455, section 5.1).
    #[error("frames from a server must not be masked")]
    Masked,
    /// A control frame is fragmented or longer than 125 bytes (RFC 6455, section 5.5).
    #[error("a control frame must not be fragmented or longer than 125 bytes")]
    InvalidControl,
    /// A continuation frame came although no message is in progress.
    #[error("a continuation frame without a message")]
    UnexpectedContinuation,
    /// A message began before the previous one ended.
    #[error("a message begins before the previous one ended")]
    NestedMessage,
    /// A message is longer than this side accepts.
    #[error("a message of {length} bytes; at most {limit} are accepted")]
    TooLong {
        /// Its length, as far as it was announced.
        length: u64,
        /// The limit of this direction.
        limit: u64,
    },
    /// A text message is not UTF-8.
    #[error("a text message must be UTF-8")]
    TextNotUtf8,
    /// A close frame holds a single byte, which is half a close code.
    #[error("a close frame with half a close code")]
    HalfCloseCode,
    /// A close code that must not be sent (RFC 6455, section 7.4).
    #[error("close code {0} must not be sent")]
    InvalidCloseCode(u16),
    /// The reason in a close frame is not UTF-8.
    #[error("the reason of a close frame must be UTF-8")]
    ReasonNotUtf8,
}

impl Violation {
    /// Returns the code to close the connection with (RFC 6455, section 7.4.1).
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::TooLong { .. } => CloseCode::TooBig,
            Self::TextNotUtf8 | Self::ReasonNotUtf8 => CloseCode::InvalidPayload,
            _ => CloseCode::Protocol,
        }
    }
}
