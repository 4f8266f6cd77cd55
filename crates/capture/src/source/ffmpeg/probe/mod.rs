//! Asks a camera over RTSP for its description, as far as the response shows what FFmpeg and retina do not report: where the
//! camera redirects, and why it refuses a login.
//!
//! - here: the requests;
//! - `head`: one request, and the head of its response.

mod head;

use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;

use super::diagnose::{Host, login_refused};
use super::host_connection::HostConnection;
use super::timeouts::OPEN_TIMEOUT;
use crate::source::address::Address;
use crate::source::challenges::Challenges;
use crate::source::error::SourceError;
use crate::source::login::{Login, Request};
use head::Head;

/// The method of the request.
const METHOD: &str = "DESCRIBE";

/// A camera's answer.
#[derive(Debug)]
pub(in crate::source) enum Probe {
    /// It redirects to this URL.
    Redirected(String),
    /// It accepts one of these logins.
    LoggedIn(Challenges),
    /// It rejects user and password.
    Rejected,
    /// It asks for logins that are not supported.
    OtherLogin(Challenges),
    /// It does not respond, or asks for no login.
    Other,
}

/// Asks the camera at this URL, for at most this time.
pub(in crate::source) fn probe(url: &Address, within: Duration, stop: Shutdown) -> Probe {
    let until = Instant::now() + within;
    let ask = |authorization: Option<&str>| {
        let left = until.saturating_duration_since(Instant::now());
        let connection = HostConnection::connect(url, left, stop.clone()).ok()?;
        Head::request(METHOD, url, authorization, connection)
    };
    let Some(first) = ask(None) else { return Probe::Other };
    if first.status() != 401 {
        return first.redirection();
    }
    let Some((user, password)) = url.login() else { return Probe::Other };
    let challenges = Challenges::of(first.headers("www-authenticate"));
    // Over HTTP, Basic would be tried without a challenge.
    let login = if challenges.0.is_empty() { None } else { Login::select(&challenges).ok() };
    let Some(login) = login else { return Probe::OtherLogin(challenges) };
    let (target, nonce) = (url.without_login(), format!("{:016x}", fastrand::u64(..)));
    let answer = login.answer(Request {
        user: &user,
        password: &password,
        method: METHOD,
        target: &target,
        nonce: &nonce,
    });
    match ask(Some(&answer)) {
        Some(second) if (200..300).contains(&second.status()) => Probe::LoggedIn(challenges),
        Some(second) if second.status() == 401 => Probe::Rejected,
        Some(second) => second.redirection(),
        None => Probe::Other,
    }
}

impl Head {
    fn redirection(&self) -> Probe {
        match (self.status(), self.headers("location").next()) {
            (301 | 302 | 303 | 305 | 307 | 308, Some(location)) => {
                Probe::Redirected(location.to_owned())
            }
            _ => Probe::Other,
        }
    }
}

/// Finds out why the camera at this URL has refused FFmpeg's login. FFmpeg only reports that it has; of several challenges it
/// answers the last one only, without SHA-256.
pub(super) fn refused_login(url: &Address, stop: Shutdown) -> SourceError {
    if url.login().is_none() {
        return login_refused(url);
    }
    match probe(url, OPEN_TIMEOUT, stop) {
        Probe::LoggedIn(challenges) if !challenges.are_answered_by_ffmpeg() => {
            SourceError::NotSupported(format!(
                "{} asks for a login that FFmpeg cannot answer ({challenges}): let the camera accept Digest with MD5, as the \
                 last of its methods, or send over TCP without encryption",
                Host::of(url)
            ))
        }
        Probe::OtherLogin(challenges) => SourceError::NotSupported(format!(
            "{} asks for a login that is not supported over RTSP ({challenges}): let the camera accept Digest or Basic",
            Host::of(url)
        )),
        _ => login_refused(url),
    }
}
