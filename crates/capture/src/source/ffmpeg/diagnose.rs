//! Diagnosis of a URL that delivers no video.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::time::Instant;

use ffmpeg_next::Error;

use super::budget::{Limit, MAX_BYTES, MAX_HEADERS};
use super::timeouts::CONNECT_TIMEOUT;
use crate::native::MOST_MEMORY;
use crate::source::address::Address;
use crate::source::error::SourceError;

/// Returns the reason of an error by FFmpeg, which was called at `called_at`. Names the host, never user, password or
/// path.
pub(super) fn reason(error: Error, url: &Address, called_at: Instant) -> SourceError {
    let host = Host::of(url);
    let at = &host.shown;
    match error {
        Error::HttpUnauthorized => SourceError::LoginFailed(format!(
            "{at} requires a user and password, or rejects those in the URL"
        )),
        Error::HttpForbidden => http_error(403, url),
        Error::HttpNotFound => http_error(404, url),
        Error::HttpBadRequest | Error::HttpOther4xx => {
            SourceError::Refused(format!("{at} rejects the request"))
        }
        Error::HttpServerError => {
            SourceError::Refused(format!("{at} reports an internal error (5xx)"))
        }
        // FFmpeg's RTSP reader returns this for any response that it cannot parse, and for no response.
        Error::InvalidData if host.rtsp && called_at.elapsed() >= CONNECT_TIMEOUT => silent(&host),
        Error::InvalidData if host.rtsp => {
            SourceError::Refused(format!("{at} closed the connection or does not support RTSP"))
        }
        Error::Exit => silent(&host),
        Error::Eof => SourceError::Closed(format!("{at} closed the connection")),
        Error::InvalidData | Error::DemuxerNotFound | Error::StreamNotFound => {
            SourceError::NotAVideo(format!("FFmpeg cannot read the data that {at} sends"))
        }
        Error::DecoderNotFound => {
            SourceError::NotAVideo(format!("FFmpeg cannot decode the codec that {at} sends"))
        }
        Error::ProtocolNotFound => {
            SourceError::Other("FFmpeg does not support this kind of URL".into())
        }
        Error::Other { errno } => os_error(errno, &host),
        other => SourceError::Other(format!("{at}: {other}")),
    }
}

/// Returns the reason of a response with this status.
pub(in crate::source) fn http_error(status: u16, url: &Address) -> SourceError {
    let at = &Host::of(url).shown;
    match status {
        403 => SourceError::NotPermitted(format!("{at} denies access (403)")),
        404 | 410 => SourceError::NotFound(format!(
            "{at} has nothing at this path ({status}): check the URL"
        )),
        503 => SourceError::Busy(format!(
            "{at} serves no further viewer at present (503): close other programs that watch it"
        )),
        500..=599 => SourceError::Refused(format!("{at} reports an internal error ({status})")),
        _ => SourceError::Refused(format!("{at} rejects the request ({status})")),
    }
}

/// Returns the reason after a host exceeded a limit, which ends the connection.
pub(super) fn too_much(limit: Limit, url: &Address) -> SourceError {
    let at = &Host::of(url).shown;
    SourceError::TooMuch(match limit {
        Limit::Bytes => {
            format!("{at} sent more than {} MiB without the end of a frame", mib(MAX_BYTES))
        }
        Limit::Headers => {
            format!("{at} sent more than {} MiB of headers", mib(MAX_HEADERS))
        }
        Limit::Messages => format!("{at} sent more messages than a frame or response can have"),
    })
}

fn mib(bytes: u64) -> u64 {
    bytes / 1024 / 1024
}

/// Returns the reason of a failed connection attempt.
pub(super) fn connect_error(error: &io::Error, host: &Host) -> SourceError {
    match error.raw_os_error() {
        Some(errno) => os_error(errno, host),
        None => silent(host),
    }
}

fn os_error(errno: i32, host: &Host) -> SourceError {
    let at = &host.shown;
    match errno {
        libc::ECONNREFUSED => SourceError::Refused(format!("no server listens at {at}")),
        libc::ETIMEDOUT => silent(host),
        libc::EHOSTUNREACH | libc::ENETUNREACH => {
            SourceError::TimedOut(format!("{at} is unreachable: check network and address"))
        }
        libc::ECONNRESET | libc::EPIPE => {
            SourceError::Closed(format!("{at} closed the connection"))
        }
        // FFmpeg returns this error if a name cannot be resolved.
        libc::EIO if !host.resolves() => SourceError::HostNotFound(at.clone()),
        libc::EIO => SourceError::Closed(format!("{at} interrupted the connection")),
        libc::ENOMEM => SourceError::TooMuch(format!(
            "the data that {at} sends need more than {} MiB of memory",
            mib(MOST_MEMORY as u64)
        )),
        _ => SourceError::Other(format!("{at}: {}", io::Error::from_raw_os_error(errno))),
    }
}

fn silent(host: &Host) -> SourceError {
    SourceError::TimedOut(format!("{} did not respond in time", host.shown))
}

/// The host of a URL.
pub(super) struct Host {
    rtsp: bool,
    name: String,
    port: u16,
    shown: String,
}

impl Host {
    pub(super) fn of(url: &Address) -> Self {
        let (name, port) = (url.host().to_owned(), url.port());
        let shown = format!("{name}:{port}");
        Self { rtsp: url.scheme().is_rtsp(), name, port, shown }
    }

    /// Returns name and port for the system's resolver.
    pub(super) fn address(&self) -> (&str, u16) {
        (self.name.trim_matches(['[', ']']), self.port)
    }

    fn resolves(&self) -> bool {
        self.address().to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> String {
        let url = Address::literal("rtsp://admin:hunter2@10.0.0.7/live?token=abc").unwrap();
        reason(error, &url, Instant::now()).to_string()
    }

    #[test]
    fn reasons_name_only_the_host() {
        let errno = |errno| of(Error::Other { errno });
        assert_eq!(errno(libc::ECONNREFUSED), "refused: no server listens at 10.0.0.7:554");
        assert!(errno(libc::ETIMEDOUT).starts_with("timed out: 10.0.0.7:554"));
        assert!(of(Error::HttpUnauthorized).starts_with("login failed"));
        assert!(of(Error::HttpNotFound).starts_with("not found"));
        assert!(of(Error::InvalidData).ends_with("does not support RTSP"));
        assert!(of(Error::StreamNotFound).starts_with("not a video"));
        for error in [Error::HttpUnauthorized, Error::InvalidData, Error::Eof, Error::Bug] {
            assert!(!of(error).contains("hunter2") && !of(error).contains("abc"));
        }
    }

    #[test]
    fn an_unknown_host_is_reported() {
        let url = Address::literal("http://camera.invalid/").unwrap();
        let reason = reason(Error::Other { errno: libc::EIO }, &url, Instant::now()).to_string();
        assert_eq!(reason, "host not found: camera.invalid:80");
    }
}
