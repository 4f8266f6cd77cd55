//! After a host has refused a login: the reason, and the URL and headers with which the login may succeed.
//!
//! - here: what to do next;
//! - `head`: asks the host again, and reads the head of its response;
//! - `challenge`: the logins that it accepts; `digest`: the answer to one of them.
//!
//! FFmpeg only reports that a login was refused. It forgets user and password at a redirection to an absolute URL, and of
//! several challenges it answers the last one only, without SHA-256.

mod challenge;
mod digest;
mod head;

use super::deadline::Deadline;
use super::diagnose::{Host, login_refused, login_rejected, login_required};
use super::timeouts::OPEN_TIMEOUT;
use crate::source::address::{Address, Scheme};
use crate::source::error::SourceError;
use challenge::Challenges;
use head::Head;

/// The most redirections to follow: as many as FFmpeg follows.
const MAX_REDIRECTS: usize = 8;

/// Another try to log in.
pub(super) struct Retry {
    /// The URL to which the host redirects, with user and password.
    pub(super) address: Address,
    /// The `Authorization` header, if FFmpeg cannot write it.
    pub(super) headers: Option<String>,
}

/// Finds out why the host of this URL refused the login.
///
/// # Errors
/// Fails with the reason if another try is useless.
pub(super) fn after_refusal(url: &Address, deadline: &Deadline) -> Result<Retry, SourceError> {
    deadline.set(OPEN_TIMEOUT);
    let mut target = url.clone();
    for redirects in 0..=MAX_REDIRECTS {
        let Some(head) = Head::request(&target, deadline) else { break };
        match (head.status(), head.header("location")) {
            (401, _) => return next(url, target, redirects > 0, &Challenges::of(&head)),
            (300..=399, Some(location)) if target.scheme() == Scheme::Http => {
                let Ok(next) = target.redirected(location) else { break };
                target = next;
            }
            _ => break,
        }
        if target.scheme() == Scheme::Https && target.expose_user().is_some() {
            return Ok(Retry { address: target, headers: None });
        }
    }
    Err(login_refused(url))
}

/// Returns what to do about these challenges, by `target`.
fn next(
    url: &Address,
    target: Address,
    is_redirected: bool,
    challenges: &Challenges,
) -> Result<Retry, SourceError> {
    let at = Host::of(&target);
    let Some(user) = target.expose_user() else { return Err(login_required(url, &target)) };
    match challenges.are_answered_by_ffmpeg() {
        true if is_redirected => Ok(Retry { address: target, headers: None }),
        true => Err(login_rejected(url)),
        false if target.scheme().is_rtsp() => Err(SourceError::NotSupported(format!(
            "{at} asks for a login that FFmpeg cannot answer over RTSP ({challenges}): let the camera accept Digest with MD5, \
             as the last of its methods, or Basic"
        ))),
        false => match challenges.answer(user, "GET", head::path(&target)) {
            Some(headers) => Ok(Retry { address: target, headers: Some(headers) }),
            None => Err(SourceError::NotSupported(format!(
                "{at} asks for an unknown kind of login ({challenges}): let the camera accept Digest or Basic"
            ))),
        },
    }
}
