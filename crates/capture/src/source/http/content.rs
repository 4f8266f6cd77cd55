//! The content of a response: MJPEG or something else, by its type, or by its first bytes if the type says nothing.

use std::time::Duration;

use super::request::Response;
use crate::source::error::SourceError;

/// The timeout of all requests up to the first byte of the content. Opening a source must end before its thread counts
/// as stuck, and FFmpeg may need time after this.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(40);

/// The content of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// JPEGs, one after the other.
    Mjpeg,
    /// One JPEG, as the host claims. Some hosts send more.
    Pictures,
    /// Anything else.
    Other,
}

/// The most blank bytes before the content.
const MAX_BLANK: usize = 4096;

impl Content {
    /// Determines the content of a response by `host`.
    pub(super) fn of(response: &mut Response, host: &str) -> Result<Self, SourceError> {
        let kind = response.head.content_type();
        if let Some(content) = Self::by_type(&kind) {
            return Ok(content);
        }
        let mut first = Vec::new();
        let content = loop {
            match Self::by_first_bytes(&first) {
                Some(content) => break content,
                None if response.read(&mut first)? => {}
                None => break Self::Other,
            }
        };
        response.unread(first);
        match content {
            Self::Other if kind == "text/html" => Err(SourceError::NotAVideo(format!(
                "{host} returns a web page at this path: use the address of the camera's MJPEG or RTSP stream"
            ))),
            content => Ok(content),
        }
    }

    fn by_type(kind: &str) -> Option<Self> {
        match kind.split_once('/')? {
            ("multipart", _) => Some(Self::Mjpeg),
            ("image", "jpeg" | "jpg" | "pjpeg") => Some(Self::Pictures),
            ("video", "mjpeg" | "x-mjpeg" | "x-motion-jpeg" | "jpeg" | "x-jpeg") => {
                Some(Self::Mjpeg)
            }
            ("image" | "video" | "audio", _) => Some(Self::Other),
            ("application", kind) if kind.contains("mpegurl") || kind.contains("dash") => {
                Some(Self::Other)
            }
            _ => None,
        }
    }

    /// Returns the content that begins like this, or `None` if more bytes are needed.
    fn by_first_bytes(all: &[u8]) -> Option<Self> {
        let first = all.trim_ascii_start();
        let lower = first[..first.len().min(8)].to_ascii_lowercase();
        let starts = [&b"\xff\xd8\xff"[..], b"--", b"content-"];
        match starts.iter().find(|start| lower.starts_with(start)) {
            Some(_) => Some(Self::Mjpeg),
            None if all.len() > MAX_BLANK => Some(Self::Other),
            None if starts.iter().any(|start| start.starts_with(&lower)) => None,
            None => Some(Self::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_if_it_says_enough() {
        for (kind, content) in [
            ("multipart/x-mixed-replace", Some(Content::Mjpeg)),
            ("multipart/mixed", Some(Content::Mjpeg)),
            ("image/jpeg", Some(Content::Pictures)),
            ("video/x-motion-jpeg", Some(Content::Mjpeg)),
            ("video/mp4", Some(Content::Other)),
            ("image/png", Some(Content::Other)),
            ("application/vnd.apple.mpegurl", Some(Content::Other)),
            ("application/octet-stream", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Content::by_type(kind), content, "{kind}");
        }
    }

    #[test]
    fn otherwise_the_first_bytes_decide() {
        for (first, content) in [
            (&b"\xff\xd8\xff\xe0"[..], Some(Content::Mjpeg)),
            (b"\r\n--frame\r\n", Some(Content::Mjpeg)),
            (b"Content-Type: image/jpeg\r\n", Some(Content::Mjpeg)),
            (b"", None),
            (b"\r\n", None),
            (b"\xff\xd8", None),
            (b"CONT", None),
            (b"-", None),
            (b"<html>", Some(Content::Other)),
            (b"#EXTM3U", Some(Content::Other)),
        ] {
            assert_eq!(Content::by_first_bytes(first), content, "{first:?}");
        }
    }
}
