//! Why a URL gives no pictures.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::time::Instant;

use ffmpeg_next::Error;

use super::budget::{MOST_BYTES, MOST_HEADERS, Over};
use super::connection::CONNECT_WITHIN;
use crate::native::MOST_MEMORY;
use crate::source::SourceError;
use crate::source::address::Address;

/// The reason behind FFmpeg's error, which came after something asked at that moment. Names the host, never user, password or path.
pub(super) fn reason(error: Error, url: &Address, asked_at: Instant) -> SourceError {
    let host = Host::of(url);
    let at = &host.shown;
    match error {
        Error::HttpUnauthorized => SourceError::WrongPassword(format!(
            "{at} wants a user and password, or others than those in the URL"
        )),
        Error::HttpForbidden => SourceError::NotPermitted(format!("{at} forbids it (403)")),
        Error::HttpNotFound => {
            SourceError::NotFound(format!("{at} answers, but has nothing at this path (404)"))
        }
        Error::HttpBadRequest | Error::HttpOther4xx => {
            SourceError::Refused(format!("{at} rejects the request"))
        }
        Error::HttpServerError => {
            SourceError::Refused(format!("{at} reports a fault of its own (5xx)"))
        }
        // FFmpeg's RTSP reader says this of any answer it does not understand, none at all among them.
        Error::InvalidData if host.rtsp && asked_at.elapsed() >= CONNECT_WITHIN => silent(&host),
        Error::InvalidData if host.rtsp => {
            SourceError::Refused(format!("{at} ended the connection or does not speak RTSP"))
        }
        Error::Exit => silent(&host),
        Error::Eof => SourceError::Closed(format!("{at} ended the connection")),
        Error::InvalidData | Error::DemuxerNotFound | Error::StreamNotFound => {
            SourceError::NotAVideo(format!("what {at} sends cannot be read as one"))
        }
        Error::DecoderNotFound => {
            SourceError::NotAVideo(format!("{at} sends a codec that FFmpeg lacks"))
        }
        Error::ProtocolNotFound => SourceError::Other("this FFmpeg cannot read such URLs".into()),
        Error::Other { errno } => of_system(errno, &host),
        other => SourceError::Other(format!("{at}: {other}")),
    }
}

/// The reason where a host sends more than may come, which ends the connection.
pub(super) fn too_much(over: Over, url: &Address) -> SourceError {
    let at = &Host::of(url).shown;
    SourceError::TooMuch(match over {
        Over::Bytes => {
            format!(
                "{at} sent {} MiB without the end of a frame, which is the limit",
                mib(MOST_BYTES)
            )
        }
        Over::Headers => {
            format!("{at} sent {} MiB of headers, which is the limit", mib(MOST_HEADERS))
        }
        Over::Messages => format!("{at} sent more messages than a frame or an answer can have"),
    })
}

fn mib(bytes: u64) -> u64 {
    bytes / 1024 / 1024
}

/// The reason why a host cannot be connected to.
pub(super) fn of_connecting(error: &io::Error, host: &Host) -> SourceError {
    match error.raw_os_error() {
        Some(errno) => of_system(errno, host),
        None => silent(host),
    }
}

fn of_system(errno: i32, host: &Host) -> SourceError {
    let at = &host.shown;
    match errno {
        libc::ECONNREFUSED => SourceError::Refused(format!("nobody listens at {at}")),
        libc::ETIMEDOUT => silent(host),
        libc::EHOSTUNREACH | libc::ENETUNREACH => {
            SourceError::TimedOut(format!("no way to {at}: check network and address"))
        }
        libc::ECONNRESET | libc::EPIPE => SourceError::Closed(format!("{at} ended the connection")),
        // FFmpeg says no more than that when a name cannot be resolved.
        libc::EIO if !host.resolves() => SourceError::HostNotFound(at.clone()),
        libc::EIO => SourceError::Closed(format!("{at} broke the connection off")),
        libc::ENOMEM => SourceError::TooMuch(format!(
            "what {at} sends needs more than {} MiB of memory at one time, which is the limit",
            mib(MOST_MEMORY as u64)
        )),
        _ => SourceError::Other(format!("{at}: {}", io::Error::from_raw_os_error(errno))),
    }
}

fn silent(host: &Host) -> SourceError {
    SourceError::TimedOut(format!("{} did not answer in time", host.shown))
}

/// Who a URL leads to.
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

    /// As the system's resolver takes it.
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
    fn reasons_are_in_words_and_name_only_the_host() {
        let errno = |errno| of(Error::Other { errno });
        assert_eq!(errno(libc::ECONNREFUSED), "refused: nobody listens at 10.0.0.7:554");
        assert!(errno(libc::ETIMEDOUT).starts_with("timed out: 10.0.0.7:554"));
        assert!(of(Error::HttpUnauthorized).starts_with("wrong password"));
        assert!(of(Error::HttpNotFound).starts_with("not found"));
        assert!(of(Error::InvalidData).ends_with("does not speak RTSP"));
        assert!(of(Error::StreamNotFound).starts_with("not a video"));
        for error in [Error::HttpUnauthorized, Error::InvalidData, Error::Eof, Error::Bug] {
            assert!(!of(error).contains("hunter2") && !of(error).contains("abc"));
        }
    }

    #[test]
    fn a_name_nobody_knows_is_called_so() {
        let url = Address::literal("http://camera.invalid/").unwrap();
        let reason = reason(Error::Other { errno: libc::EIO }, &url, Instant::now()).to_string();
        assert_eq!(reason, "host not found: camera.invalid:80");
    }
}
