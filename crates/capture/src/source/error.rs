//! What can go wrong with a source, in words its owner understands. These texts become the stream's reason in the
//! catalog, so none of them holds a user or password.

use crate::pixels::convert::ConvertError;
use std::time::Duration;

/// Why a source gives no pictures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such thing.
    #[error("not found: {0}")]
    NotFound(String),
    /// There is, but not for this user.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// Somebody else has it.
    #[error("busy: {0}")]
    Busy(String),
    /// The cameras on this USB bus want more than it carries.
    #[error("USB bandwidth full: {0}")]
    Bandwidth(String),
    /// It was there and is gone.
    #[error("unplugged: {0}")]
    Unplugged(String),
    /// It is there but is no source of pictures.
    #[error("not a video: {0}")]
    NotAVideo(String),
    /// It does not do what was asked for.
    #[error("not offered: {0}")]
    NotOffered(String),
    /// What was written fits several.
    #[error("which camera? {0}")]
    Ambiguous(String),
    /// The host says no.
    #[error("refused: {0}")]
    Refused(String),
    /// The host says nothing.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The host's name means nothing.
    #[error("host not found: {0}")]
    HostNotFound(String),
    /// User or password are wrong or missing.
    #[error("wrong password: {0}")]
    WrongPassword(String),
    /// The host ended the connection.
    #[error("closed: {0}")]
    Closed(String),
    /// The other side sends more than the stated limits let it.
    #[error("too much data: {0}")]
    TooMuch(String),
    /// It is open, but no pictures come.
    #[error("no picture for {0:.1?}")]
    Stalled(Duration),
    /// Anything else.
    #[error("{0}")]
    Other(String),
    /// Not a fault: the program is about to end.
    #[error("stopped")]
    Stopped,
}

impl From<ConvertError> for SourceError {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Pixels(error) => error.into(),
            error => Self::NotAVideo(error.to_string()),
        }
    }
}

impl From<opencv::Error> for SourceError {
    fn from(error: opencv::Error) -> Self {
        Self::Other(format!("OpenCV: {}", error.message))
    }
}
