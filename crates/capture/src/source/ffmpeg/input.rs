//! The input of FFmpeg: a URL or a file.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use super::budget::Limit;
use super::diagnose;
use crate::source::error::SourceError;
use crate::source::url::{Transport, UrlRequest};

/// A URL or a file that FFmpeg opens.
#[derive(Debug, Clone)]
pub(super) enum MediaInput {
    /// A camera or a recording on another host.
    Url {
        /// Its address, and how to read it.
        url: UrlRequest,
        /// The value of the `Authorization` header, if FFmpeg cannot find it out.
        authorization: Option<String>,
        /// True if the camera refuses to send video over TCP.
        refuses_tcp: bool,
    },
    /// A file on this machine.
    File {
        /// Its path.
        path: PathBuf,
        /// True to restart it at its end.
        looped: bool,
    },
}

impl MediaInput {
    /// Returns the URL that FFmpeg opens.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Url { url, .. } => url.address.expose().to_owned(),
            // Without this prefix, FFmpeg would read a name such as "cam:1.avi" as a URL.
            Self::File { path, .. } => format!("file:{}", path.display()),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    pub(super) fn is_rtsp(&self) -> bool {
        matches!(self, Self::Url { url, .. } if url.address.scheme().is_rtsp())
    }

    pub(super) fn is_http(&self) -> bool {
        matches!(self, Self::Url { url, .. } if !url.address.scheme().is_rtsp())
    }

    /// Returns the transport to try first, if it is RTSP.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self {
            Self::Url { url, refuses_tcp, .. } if url.address.scheme().is_rtsp() => {
                let usual = if *refuses_tcp { Transport::Udp } else { Transport::Tcp };
                Some(url.transport.unwrap_or(usual))
            }
            Self::Url { .. } | Self::File { .. } => None,
        }
    }

    /// Returns the reason after a limit was exceeded.
    pub(super) fn too_much(&self, limit: Limit) -> SourceError {
        match self {
            Self::Url { url, .. } => diagnose::too_much(limit, &url.address),
            Self::File { path, .. } => SourceError::NotAVideo(format!(
                "{} contains a frame without an end",
                path.display()
            )),
        }
    }

    /// Returns the reason of an error by FFmpeg, which was called at `called_at`.
    pub(super) fn reason(&self, error: ffmpeg_next::Error, called_at: Instant) -> SourceError {
        match self {
            Self::Url { url, .. } => diagnose::reason(error, url, called_at),
            Self::File { path, .. } => SourceError::NotAVideo(match error {
                ffmpeg_next::Error::InvalidData => format!(
                    "{} contains no video that FFmpeg can read, or is damaged",
                    path.display()
                ),
                error => format!("{} cannot be read: {error}", path.display()),
            }),
        }
    }
}

impl From<UrlRequest> for MediaInput {
    fn from(url: UrlRequest) -> Self {
        Self::Url { url, authorization: None, refuses_tcp: false }
    }
}

impl fmt::Display for MediaInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, .. } => url.fmt(f),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}
