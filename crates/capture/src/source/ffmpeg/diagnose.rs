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
use crate::source::url::UrlRequest;

/// Returns the reason of an error by FFmpeg, which was called at `called_at`. Names the host, never user, password or
/// path.
pub(super) fn reason(error: Error, url: &UrlRequest, called_at: Instant) -> SourceError {
    let host = Host::of(&url.address);
    let at = &host.shown;
    match error {
        Error::HttpUnauthorized => login_refused(&url.address),
        Error::HttpForbidden => http_error(403, &url.address),
        Error::HttpNotFound => http_error(404, &url.address),
        Error::HttpBadRequest | Error::HttpOther4xx => {
            SourceError::Refused(format!("{at} rejects the request"))
        }
        Error::HttpServerError => SourceError::Refused(internal_error(at, "5xx")),
        // FFmpeg's RTSP reader returns this for any response that it cannot parse, and for no response.
        Error::InvalidData if host.rtsp && called_at.elapsed() >= CONNECT_TIMEOUT => {
            did_not_respond(&host)
        }
        Error::InvalidData if host.rtsp => {
            SourceError::Refused(format!("{at} closed the connection or does not support RTSP"))
        }
        Error::Exit => did_not_respond(&host),
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
        error if refuses_transport(error) => SourceError::NotSupported(match url.transport {
            Some(transport) => format!(
                "{at} refuses to send video over {transport} (461): remove #transport={}",
                transport.as_str()
            ),
            None => format!("{at} refuses to send video over TCP and over UDP (461)"),
        }),
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
        500..=599 => SourceError::Refused(internal_error(at, &status.to_string())),
        _ => SourceError::Refused(format!("{at} rejects the request ({status})")),
    }
}

fn internal_error(at: &str, status: &str) -> String {
    format!("{at} reports an internal error ({status}): restart it if this continues")
}

/// Returns whether a camera refuses the transport that was requested.
pub(super) fn refuses_transport(error: Error) -> bool {
    error == Error::Other { errno: libc::EPROTONOSUPPORT }
}

/// Returns the reason if no packet arrives over UDP.
pub(super) fn no_datagrams(url: &Address) -> SourceError {
    SourceError::TimedOut(format!(
        "nothing arrives from {} over UDP: let firewalls pass UDP from the camera, or let the camera send over TCP",
        Host::of(url)
    ))
}

/// Returns the reason of a refused login if nothing more is known.
pub(super) fn login_refused(url: &Address) -> SourceError {
    match url.login() {
        Some(_) => login_rejected(url),
        None => login_required(url, url),
    }
}

/// Returns the reason if the host has rejected user and password.
pub(in crate::source) fn login_rejected(url: &Address) -> SourceError {
    let at = Host::of(url);
    SourceError::LoginFailed(format!("{at} rejects the user and password in the URL"))
}

/// Returns the reason if `target`, to which the URL may redirect, requires a user and password that it was not sent.
pub(in crate::source) fn login_required(url: &Address, target: &Address) -> SourceError {
    let (at, to) = (Host::of(url), Host::of(target));
    SourceError::LoginRequired(match url.login() {
        Some(_) => format!(
            "{at} redirects to {to}, which is not sent the user and password of another host: use the URL of {to}"
        ),
        None if at.shown != to.shown => format!(
            "{at} redirects to {to}, which requires a user and password: use the URL of {to}, with them"
        ),
        None => format!("{to} requires a user and password: write them into the URL"),
    })
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
        None => did_not_respond(host),
    }
}

fn os_error(errno: i32, host: &Host) -> SourceError {
    let at = &host.shown;
    match errno {
        libc::ECONNREFUSED => SourceError::Refused(format!("no server listens at {at}")),
        libc::ETIMEDOUT => did_not_respond(host),
        libc::EHOSTUNREACH | libc::ENETUNREACH => {
            SourceError::TimedOut(format!("{at} is unreachable: check network and address"))
        }
        libc::ECONNRESET | libc::EPIPE => {
            SourceError::Closed(format!("{at} closed the connection"))
        }
        // FFmpeg returns this error if a name cannot be resolved.
        libc::EIO if !host.resolves() => SourceError::HostNotFound(at.clone()),
        libc::EIO => SourceError::Closed(format!("{at} interrupted the connection")),
        // FFmpeg's RTSP reader returns -1 for a connection that ends within a response.
        libc::EPERM if host.rtsp => SourceError::Closed(format!("{at} closed the connection")),
        libc::ENOMEM => SourceError::TooMuch(format!(
            "the data that {at} sends need more than {} MiB of memory",
            mib(MOST_MEMORY as u64)
        )),
        _ => SourceError::Other(format!("{at}: {}", io::Error::from_raw_os_error(errno))),
    }
}

fn did_not_respond(host: &Host) -> SourceError {
    SourceError::TimedOut(format!(
        "{} did not respond in time: check that it is switched on and that the address is right",
        host.shown
    ))
}

/// Returns the reason if the host does not respond.
pub(in crate::source) fn silent(url: &Address) -> SourceError {
    did_not_respond(&Host::of(url))
}

/// Returns the reason if the host offers no video.
pub(in crate::source) fn no_video(url: &Address) -> SourceError {
    SourceError::NotAVideo(format!("{} offers no video at this path: check the URL", Host::of(url)))
}

/// Returns the reason if the host ends a connection.
pub(in crate::source) fn closed(url: &Address) -> SourceError {
    SourceError::Closed(format!("{} closed the connection", Host::of(url)))
}

/// Returns the reason if the host does not keep to RTSP or RTP.
pub(in crate::source) fn broke_rules(url: &Address) -> SourceError {
    SourceError::Closed(format!(
        "{} sent a message that is not valid in RTSP or RTP",
        Host::of(url)
    ))
}

/// Returns the reason if the host sends a response without an end.
pub(in crate::source) fn too_long(url: &Address) -> SourceError {
    SourceError::TooMuch(format!("{} sent a response or packet without an end", Host::of(url)))
}

/// Returns the host and port of a URL, for a message.
pub(in crate::source) fn host(url: &Address) -> String {
    Host::of(url).shown
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
    use crate::source::url::Transport;

    fn of(error: Error) -> String {
        over(None, error)
    }

    fn over(transport: Option<Transport>, error: Error) -> String {
        let address = Address::literal("rtsp://admin:hunter2@10.0.0.7/live?token=abc").unwrap();
        reason(error, &UrlRequest { address, transport }, Instant::now()).to_string()
    }

    #[test]
    fn a_refused_transport_is_named_with_the_option_that_chose_it() {
        let refused = Error::Other { errno: libc::EPROTONOSUPPORT };
        let reason = over(Some(Transport::Tcp), refused);
        assert!(reason.contains("over TCP (461): remove #transport=tcp"), "{reason}");
        assert!(over(None, refused).contains("over TCP and over UDP"));
    }

    #[test]
    fn reasons_name_only_the_host() {
        let errno = |errno| of(Error::Other { errno });
        assert_eq!(errno(libc::ECONNREFUSED), "refused: no server listens at 10.0.0.7:554");
        assert!(errno(libc::ETIMEDOUT).starts_with("timed out: 10.0.0.7:554"));
        assert!(of(Error::HttpUnauthorized).starts_with("login failed: 10.0.0.7:554 rejects"));
        let url = Address::literal("rtsp://10.0.0.7/live").unwrap();
        assert!(login_refused(&url).to_string().starts_with("login required: 10.0.0.7:554"));
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
        let error = Error::Other { errno: libc::EIO };
        let reason = reason(error, &url.into(), Instant::now()).to_string();
        assert_eq!(reason, "host not found: camera.invalid:80");
    }
}
