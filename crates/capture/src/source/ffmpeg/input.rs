//! What can be opened: a URL, or a file.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use super::budget::Over;
use super::diagnose;
use crate::source::SourceError;
use crate::source::address::Address;

/// Where packets come from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A camera, or a video, elsewhere.
    Url(Address),
    /// A file on this machine.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it begins again at its end.
        looped: bool,
    },
}

impl Place {
    /// What FFmpeg is to open.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Url(url) => url.expose().to_owned(),
            // With the scheme, a name such as "cam:1.avi" is not taken for one.
            Self::File { path, .. } => format!("file:{}", path.display()),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    pub(super) fn is_rtsp(&self) -> bool {
        matches!(self, Self::Url(url) if url.scheme().is_rtsp())
    }

    pub(super) fn is_http(&self) -> bool {
        matches!(self, Self::Url(url) if !url.scheme().is_rtsp())
    }

    /// The reason where more came than may come.
    pub(super) fn too_much(&self, over: Over) -> SourceError {
        match self {
            Self::Url(url) => diagnose::too_much(over, url),
            Self::File { path, .. } => {
                SourceError::NotAVideo(format!("{} holds no end of a frame", path.display()))
            }
        }
    }

    /// The reason behind FFmpeg's error, which came after something asked at that moment.
    pub(super) fn reason(&self, error: ffmpeg_next::Error, asked_at: Instant) -> SourceError {
        match self {
            Self::Url(url) => diagnose::reason(error, url, asked_at),
            Self::File { path, .. } => {
                SourceError::NotAVideo(format!("{} cannot be read: {error}", path.display()))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}
