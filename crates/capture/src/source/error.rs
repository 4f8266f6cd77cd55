//! Errors of sources, in terms that a camera's owner understands.
//!
//! These texts become the stream's reason in the catalog, so none of them contains a user or password.

use std::time::Duration;

use fanlight_codec::SplitError;

use crate::pixels::convert::ConvertError;

/// The reason why a source delivers no frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// It exists, but this user may not read it.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// Another process uses it.
    #[error("busy: {0}")]
    Busy(String),
    /// The cameras on this USB bus need more bandwidth than it has.
    #[error("USB bandwidth exceeded: {0}")]
    Bandwidth(String),
    /// It was removed.
    #[error("unplugged: {0}")]
    Unplugged(String),
    /// It exists, but delivers no video.
    #[error("not a video: {0}")]
    NotAVideo(String),
    /// It does not support the requested format.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// The source as written matches several cameras.
    #[error("ambiguous: {0}")]
    Ambiguous(String),
    /// The host refused the connection or the request.
    #[error("refused: {0}")]
    Refused(String),
    /// The host did not answer.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The host's name cannot be resolved.
    #[error("host not found: {0}")]
    HostNotFound(String),
    /// The host rejects user and password.
    #[error("login failed: {0}")]
    LoginFailed(String),
    /// The host requires a user and password, and none were sent.
    #[error("login required: {0}")]
    LoginRequired(String),
    /// The host ended the connection.
    #[error("closed: {0}")]
    Closed(String),
    /// The host sent more than the stated limits allow.
    #[error("too much data: {0}")]
    TooMuch(String),
    /// It is open, but no frames arrive.
    #[error("no picture for {0:.1?}: the source is open, and sends nothing")]
    Stalled(Duration),
    /// It sends frames, but decoding cannot begin before the next keyframe.
    #[error(
        "waiting for a keyframe for {} s: the source sends them far apart. Set a shorter keyframe interval (GOP) in the camera",
        .0.as_secs()
    )]
    NoKeyframe(Duration),
    /// Any other reason.
    #[error("{0}")]
    Other(String),
    /// The program is shutting down, which is not a failure.
    #[error("stopped")]
    Stopped,
}

impl SourceError {
    /// Appends a note to the text, if the reason has one.
    pub(super) fn noted(self, note: &str) -> Self {
        let (reason, text): (fn(String) -> Self, String) = match self {
            Self::NotFound(text) => (Self::NotFound, text),
            Self::NotPermitted(text) => (Self::NotPermitted, text),
            Self::Busy(text) => (Self::Busy, text),
            Self::NotAVideo(text) => (Self::NotAVideo, text),
            Self::Refused(text) => (Self::Refused, text),
            Self::TimedOut(text) => (Self::TimedOut, text),
            Self::HostNotFound(text) => (Self::HostNotFound, text),
            Self::LoginFailed(text) => (Self::LoginFailed, text),
            Self::NotSupported(text) => (Self::NotSupported, text),
            Self::Closed(text) => (Self::Closed, text),
            Self::TooMuch(text) => (Self::TooMuch, text),
            Self::Other(text) => (Self::Other, text),
            other => return other,
        };
        reason(format!("{text} {note}"))
    }
}

impl From<ConvertError> for SourceError {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Pixels(error) => error.into(),
            error => Self::NotAVideo(error.to_string()),
        }
    }
}

impl From<SplitError> for SourceError {
    fn from(error: SplitError) -> Self {
        Self::NotAVideo(error.to_string())
    }
}

impl From<opencv::Error> for SourceError {
    fn from(error: opencv::Error) -> Self {
        Self::Other(format!("OpenCV: {}", error.message))
    }
}
