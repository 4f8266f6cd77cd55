//! RTSP: H.264 over TCP by the library retina, all else by FFmpeg.
//!
//! Retina returns the packets of a frame as they arrive, so that the frame is complete with its last one; FFmpeg's parser
//! waits for the next frame. It also gives the camera's timestamps, which show how long a frame was on its way.
//!
//! - here: which reader is used; redirections, so that user and password stay with their host;
//! - `camera`: a camera as a source; `session`: its session in retina; `waiting`: bounds each wait for retina;
//! - `description`: the parameter sets in the camera's description; `camera_clock`: when frames were captured;
//! - `obstacle`: why retina does not read a camera; `reader_memory`: what earlier openings have shown.
//!
//! Retina's own frames of H.264 are not used: it keeps one parameter set of each kind, removes those within the video, and
//! does not limit the size of a frame. `fanlight_codec` joins the packets.
//!
//! FFmpeg reads what arrives over UDP, because retina does not restore the order of packets; encrypted RTSP; other codecs;
//! and each camera whose responses retina does not accept.

mod camera;
mod camera_clock;
mod description;
mod obstacle;
mod reader_memory;
mod session;
mod waiting;

use std::time::Instant;

use fanlight_cli::stop::Shutdown;

use super::address::{Address, MAX_REDIRECTIONS, Scheme};
use super::contract::Source;
use super::error::SourceError;
use super::ffmpeg::{self, MediaSource, OPEN_TIMEOUT, Probe};
use super::interval::KnownInterval;
use super::url::{Transport, UrlRequest};
use camera::RtspCamera;
use obstacle::Obstacle;
pub use reader_memory::ReaderMemory;
use waiting::Unfinished;

/// Opens a camera. `known`: what is known of its frame interval; `memory`: of its reader.
///
/// # Errors
/// Fails if it cannot be opened, with the reason.
pub fn open(
    request: &UrlRequest,
    known: &KnownInterval,
    memory: &ReaderMemory,
    stop: &Shutdown,
) -> Result<Box<dyn Source>, SourceError> {
    let mut opening = Opening { first: request, request: request.clone(), known, memory, stop };
    opening.open().map_err(|error| match opening.is_redirected() {
        false => error,
        true => error.noted(&format!("(redirected by {})", ffmpeg::host(&request.address))),
    })
}

/// One attempt to open a camera.
struct Opening<'a> {
    /// The URL of the source.
    first: &'a UrlRequest,
    /// The URL to request, after redirections.
    request: UrlRequest,
    known: &'a KnownInterval,
    memory: &'a ReaderMemory,
    stop: &'a Shutdown,
}

impl Opening<'_> {
    fn open(&mut self) -> Result<Box<dyn Source>, SourceError> {
        let until = Instant::now() + OPEN_TIMEOUT;
        for _ in 0..=MAX_REDIRECTIONS {
            if let Some(reason) = self.why_ffmpeg() {
                return match self.find_redirection(until)? {
                    true => continue,
                    false => self.open_in_ffmpeg(reason, false),
                };
            }
            let url = self.request.address.clone();
            let opened = RtspCamera::open(&url, until, self.known, self.memory, self.stop.clone());
            let obstacle = match opened {
                Ok(camera) => {
                    self.memory.log(self.first, "read by retina");
                    return Ok(Box::new(camera));
                }
                Err(obstacle) => obstacle,
            };
            match obstacle {
                Obstacle::Redirected if self.find_redirection(until)? => continue,
                // FFmpeg would send the login to the other host.
                Obstacle::Redirected if url.login().is_some() => {
                    return Err(invalid_redirection(&url));
                }
                Obstacle::LoginRejected => return Err(ffmpeg::login_rejected(&url)),
                Obstacle::LoginRequired if url.login().is_none() => {
                    return Err(ffmpeg::login_required(&self.first.address, &url));
                }
                Obstacle::NoVideo => return Err(ffmpeg::no_video(&url)),
                Obstacle::Unfinished(Unfinished::Stopped) => return Err(SourceError::Stopped),
                Obstacle::Unfinished(Unfinished::Late) => return Err(ffmpeg::silent(&url)),
                // FFmpeg would follow a redirection with the login.
                _ if url.login().is_some() && self.find_redirection(until)? => continue,
                _ => {}
            }
            if obstacle == Obstacle::Unfinished(Unfinished::Panicked) {
                // Each attempt would fail in the same way, and log the place where retina fails.
                self.memory.avoid("retina failed on a response");
            }
            let refuses_tcp = matches!(obstacle, Obstacle::TcpRefused(_));
            return self.open_in_ffmpeg(&obstacle.describe(), refuses_tcp);
        }
        let at = ffmpeg::host(&self.request.address);
        Err(SourceError::Refused(format!("{at} redirects without an end")))
    }

    fn is_redirected(&self) -> bool {
        self.request.address != self.first.address
    }

    /// Returns why FFmpeg must read the camera, if that is known before it is asked.
    fn why_ffmpeg(&self) -> Option<&'static str> {
        match (self.request.address.scheme(), self.request.transport) {
            (Scheme::Rtsp, Some(Transport::Udp)) => {
                Some("retina does not restore the order of packets over UDP")
            }
            (Scheme::Rtsp, _) => self.memory.avoided(),
            _ => Some("retina does not support encryption"),
        }
    }

    /// Asks the camera whether it redirects, because FFmpeg would send user and password to any other host, and retina
    /// does not return the new URL. Returns true if the URL has changed.
    fn find_redirection(&mut self, until: Instant) -> Result<bool, SourceError> {
        let url = &self.request.address;
        if self.why_ffmpeg().is_some() && url.login().is_none() {
            return Ok(false);
        }
        let left = until.saturating_duration_since(Instant::now());
        match ffmpeg::probe(url, left, self.stop.clone()) {
            Probe::Redirected(location) => {
                self.request.address = redirected(url, &location)?;
                Ok(true)
            }
            // Some cameras lock a user out after a few attempts.
            Probe::Rejected => Err(ffmpeg::login_rejected(url)),
            _ => Ok(false),
        }
    }

    fn open_in_ffmpeg(
        &self,
        reason: &str,
        refuses_tcp: bool,
    ) -> Result<Box<dyn Source>, SourceError> {
        let source = MediaSource::open_rtsp(&self.request, refuses_tcp, self.stop.clone())?;
        self.memory.log(self.first, &format!("read by FFmpeg: {reason}"));
        Ok(Box::new(source))
    }
}

/// Returns the URL of a redirection.
fn redirected(url: &Address, location: &str) -> Result<Address, SourceError> {
    let next = url.redirected(location).ok().filter(|next| next.scheme().is_rtsp());
    next.ok_or_else(|| invalid_redirection(url))
}

fn invalid_redirection(url: &Address) -> SourceError {
    let at = ffmpeg::host(url);
    SourceError::Refused(format!("{at} redirects to an address that is not valid"))
}
