//! The reasons for which the relay refuses a request, independent of any protocol.
//!
//! Each protocol translates them once: `http::error` into a status, `fanlight.v1` into an error code.

use thiserror::Error as ThisError;

use crate::stats::labels::DenialReason;

/// A refused request. Its text names the failure and the remedy, for the client.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The request asks for something that does not exist in the protocol, or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// There is no such stream or track.
    #[error("{0}")]
    NotFound(String),
    /// A limit is reached. The client may retry when others have left.
    #[error("{0}")]
    TooMany(String),
    /// Another publisher has the name of the stream.
    #[error("{0}")]
    Conflict(String),
    /// The relay cannot serve the request at the moment, for example because it shuts down.
    #[error("{0}")]
    Unavailable(String),
    /// An access rule denies the request.
    #[error("{message}")]
    Denied {
        /// The rule, for metrics.
        reason: DenialReason,
        /// The text for the client.
        message: String,
    },
}

impl Error {
    /// Creates [`Error::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// Creates [`Error::Denied`].
    pub fn denied(reason: DenialReason, message: impl Into<String>) -> Self {
        Self::Denied { reason, message: message.into() }
    }
}
