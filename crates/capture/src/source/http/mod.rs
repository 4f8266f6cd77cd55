//! HTTP: the requests of a URL up to its content, and MJPEG. FFmpeg reads all other content.
//!
//! - here: logins, by [`super::login`], and redirections, by [`Address::redirected`];
//! - `request`: one request and its response; `head`, `body`: the parts of a response, as tolerantly as browsers read
//!   them;
//! - `content`: which responses are MJPEG; `mjpeg`: MJPEG as a source.
//!
//! FFmpeg could read all of it. But it requests a range, which some cameras refuse, forgets user and password at a
//! redirection, and probes the start of a multipart stream, which must begin with a boundary then.

mod body;
mod content;
mod head;
mod mjpeg;
mod request;

use std::time::Instant;

use fanlight_cli::stop::Shutdown;

use super::address::{Address, MAX_REDIRECTIONS};
use super::challenges::Challenges;
use super::contract::Source;
use super::error::SourceError;
use super::ffmpeg::{self, HostConnection, MediaSource};
use super::interval::{IntervalEstimate, KnownInterval};
use super::login::{Login, Request};
use super::rtsp::{self, ReaderMemory};
use content::Content;
use mjpeg::HttpMjpeg;
use request::Response;

/// The most requests, with the logins at each host.
const MAX_REQUESTS: u32 = 2 * (MAX_REDIRECTIONS + 1);

/// Opens a URL: MJPEG by this module, all else by FFmpeg. `known`: what is known of the frame interval; `memory`: of the
/// reader, if the URL redirects to RTSP.
///
/// # Errors
/// Fails if it cannot be opened, with the reason.
pub fn open(
    url: &Address,
    known: &KnownInterval,
    memory: &ReaderMemory,
    stop: &Shutdown,
) -> Result<Box<dyn Source>, SourceError> {
    if uses_proxy(url) {
        return Ok(Box::new(MediaSource::open_authorized(url, None, stop.clone())?));
    }
    let mut requests = Requests {
        first: url.clone(),
        url: url.clone(),
        login: None,
        ffmpeg_logs_in: true,
        redirections: 0,
        is_repeated: false,
    };
    requests.open(known, memory, stop).map_err(|error| match requests.redirections {
        0 => error,
        _ => error.noted(&format!("(redirected by {}:{})", url.host(), url.port())),
    })
}

/// Returns whether FFmpeg uses a proxy for this URL. An encrypted connection uses it by itself.
fn uses_proxy(url: &Address) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let exempt = std::env::var("no_proxy").unwrap_or_default();
    let is_exempt = |host: &str| host == "*" || url.host().ends_with(host.trim_start_matches('*'));
    let mut exempt = exempt.split([',', ' ']).filter(|host| !host.is_empty());
    !url.scheme().is_encrypted() && is_set("http_proxy") && !exempt.any(is_exempt)
}

/// The requests that lead to the content of a URL.
struct Requests {
    /// The URL of the source.
    first: Address,
    /// The URL to request, after redirections.
    url: Address,
    login: Option<Login>,
    /// True unless FFmpeg cannot answer the host's challenges.
    ffmpeg_logs_in: bool,
    redirections: u32,
    /// True after a second answer at this host.
    is_repeated: bool,
}

impl Requests {
    /// Sends requests up to the content, and opens it.
    fn open(
        &mut self,
        known: &KnownInterval,
        memory: &ReaderMemory,
        stop: &Shutdown,
    ) -> Result<Box<dyn Source>, SourceError> {
        let estimate = IntervalEstimate::new(known, Instant::now());
        let until = Instant::now() + estimate.limit().min(content::HEAD_TIMEOUT);
        let left = || until.saturating_duration_since(Instant::now());
        for _ in 0..MAX_REQUESTS {
            let connection = HostConnection::connect(&self.url, left(), stop.clone())?;
            connection.allow(left());
            let response = Response::get(&self.url, self.authorization().as_deref(), connection);
            if let Err(SourceError::TimedOut(_)) = response {
                // Some cameras respond with their first picture.
                known.stalled();
            }
            let Some(mut response) = response? else { return self.open_in_ffmpeg(stop) };
            if self.follow(&response)? {
                if self.url.scheme().is_rtsp() {
                    return rtsp::open(&self.url.clone().into(), known, memory, stop);
                }
                continue;
            }
            let host = self.host();
            let content = Content::of(&mut response, &host)?;
            if content == Content::Other {
                // Some cameras accept one connection only.
                drop(response);
                return self.open_in_ffmpeg(stop);
            }
            let mut source = HttpMjpeg::new(host, response, estimate);
            if content == Content::Pictures {
                source.check_follows(left())?;
            }
            return Ok(Box::new(source));
        }
        Err(SourceError::Refused(format!("{} requires too many requests", self.host())))
    }

    fn open_in_ffmpeg(&self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let authorization = if self.ffmpeg_logs_in { None } else { self.authorization() };
        Ok(Box::new(MediaSource::open_authorized(&self.url, authorization, stop.clone())?))
    }

    fn host(&self) -> String {
        format!("{}:{}", self.url.host(), self.url.port())
    }

    fn authorization(&self) -> Option<String> {
        let (user, password) = self.url.login()?;
        let nonce = format!("{:016x}", fastrand::u64(..));
        let target = self.url.target();
        let request =
            Request { user: &user, password: &password, method: "GET", target, nonce: &nonce };
        self.login.as_ref().map(|login| login.answer(request))
    }

    /// Prepares the next request. Returns false if the response is the content.
    fn follow(&mut self, response: &Response) -> Result<bool, SourceError> {
        let (head, at) = (&response.head, self.host());
        match (head.status, head.get("location")) {
            (200..=299, _) => Ok(false),
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                self.redirections += 1;
                if self.redirections > MAX_REDIRECTIONS {
                    return Err(SourceError::Refused(format!("{at} redirects without an end")));
                }
                let next = self.url.redirected(location);
                self.url = next.map_err(|_| {
                    SourceError::Refused(format!("{at} redirects to an address that is not valid"))
                })?;
                (self.login, self.ffmpeg_logs_in, self.is_repeated) = (None, true, false);
                Ok(true)
            }
            (401, _) => self.log_in(response).map(|()| true),
            (status, _) => Err(ffmpeg::http_error(status, &self.url)),
        }
    }

    fn log_in(&mut self, response: &Response) -> Result<(), SourceError> {
        let at = self.host();
        if self.url.login().is_none() {
            return Err(ffmpeg::login_required(&self.first, &self.url));
        }
        let headers = || response.head.all("www-authenticate");
        // A nonce may be too old for the first answer only.
        let is_stale = headers().any(|one| one.to_ascii_lowercase().contains("stale=true"));
        if self.login.is_some() && (self.is_repeated || !is_stale) {
            return Err(ffmpeg::login_rejected(&self.url));
        }
        self.is_repeated = self.login.is_some();
        let challenges = Challenges::of(headers());
        let login = Login::select(&challenges).map_err(|schemes| {
            SourceError::NotSupported(format!(
                "{at} requires a login by {schemes}, which is not supported: set the camera to Digest or Basic"
            ))
        })?;
        // FFmpeg may repeat a header to other hosts, so it never gets one that contains the password.
        self.ffmpeg_logs_in = matches!(login, Login::Basic) || challenges.are_answered_by_ffmpeg();
        self.login = Some(login);
        Ok(())
    }
}
