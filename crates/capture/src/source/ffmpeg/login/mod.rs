//! Why a camera has refused a login over RTSP. FFmpeg only reports that it has; of several challenges FFmpeg answers the
//! last one only, without SHA-256.
//!
//! - here: the reason;
//! - `head`: asks the camera again, and reads the head of its response.

mod head;

use fanlight_cli::stop::Shutdown;

use super::diagnose::{Host, login_refused};
use super::host_connection::HostConnection;
use super::timeouts::OPEN_TIMEOUT;
use crate::source::address::Address;
use crate::source::challenges::Challenges;
use crate::source::error::SourceError;
use head::Head;

/// Finds out why the camera at this URL has refused the login. An encrypted camera is not asked again.
pub(super) fn refused(url: &Address, stop: Shutdown) -> SourceError {
    if url.login().is_none() || url.scheme().is_encrypted() {
        return login_refused(url);
    }
    let connection = HostConnection::connect(url, OPEN_TIMEOUT, stop).ok();
    let head = connection.and_then(|connection| Head::request(url, connection));
    let head = head.filter(|head| head.status() == 401);
    let Some(head) = head else { return login_refused(url) };
    let challenges = Challenges::of(head.headers("www-authenticate"));
    if challenges.are_answered_by_ffmpeg() {
        return login_refused(url);
    }
    SourceError::NotSupported(format!(
        "{} asks for a login that FFmpeg cannot answer over RTSP ({challenges}): let the camera accept Digest with MD5, \
         as the last of its methods, or Basic",
        Host::of(url)
    ))
}
