//! URLs and files, read through FFmpeg's libraries.
//!
//! - `input`: a URL or a file; `opening` opens it;
//! - `connection`: reads encoded frames, never for longer than allowed;
//! - `deadline`, `budget`, `timeouts`: how long FFmpeg may block, and how much a host may send;
//! - `byte_stream`, `host_connection`: a connection without FFmpeg's protocols, for `http`;
//! - `arrival`: when a packet arrived, which counts as the capture time of its frame;
//! - `diagnose`: why a URL delivers no video; `probe`: asks a camera over RTSP for what FFmpeg does not report.
//!
//! OpenCV can open both too. But it decodes with one thread for each core, each of which delays the output by a frame; it
//! blocks all sources of a process while one host is silent; and it ignores the colours that a video declares.

mod arrival;
mod budget;
mod byte_stream;
mod connection;
mod deadline;
mod diagnose;
mod host_connection;
mod input;
mod opening;
mod probe;
mod timeouts;

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use super::address::Address;
use super::contract::{About, DecodedFrom, Grabbed, Source};
use super::error::SourceError;
use super::pacing::{Due, Pacing, sleep_until};
use super::url::UrlRequest;
use super::video::{Unpacked, Unpacker};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use connection::Connection;
pub(super) use diagnose::{
    broke_rules, closed, host, http_error, login_rejected, login_required, no_video, silent,
    too_long,
};
pub(super) use host_connection::HostConnection;
use input::MediaInput;
pub(super) use probe::{Probe, probe};
pub(super) use timeouts::OPEN_TIMEOUT;

/// The frame interval of an input that does not state its own.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_millis(40);
/// The longest time with packets but without a frame, until the first keyframe arrives. Then the camera is opened again,
/// because most cameras begin with one.
pub(super) const KEYFRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// The most addresses of a host to try. Usually it has one for each IP version.
const MAX_ADDRESSES: usize = 4;

/// A URL or file as a source.
pub struct MediaSource {
    input: MediaInput,
    about: About,
    connection: Connection,
    unpacker: Unpacker,
    /// The schedule of a recording.
    pacing: Option<Pacing>,
    grabbed: Option<Unpacked>,
    /// The time when the connection was established. Frames that the host sent during detection may be older.
    opened_at: Timestamp,
    /// The arrival time of the last frame, at first that of the connection.
    alive_at: Instant,
    /// Frames since the input was opened.
    frames: u64,
    stop: Shutdown,
}

impl MediaSource {
    /// Connects to a camera over RTSP; `refuses_tcp`: it refuses to send video over TCP.
    ///
    /// # Errors
    /// Fails if it cannot be opened, with the reason.
    pub(super) fn open_rtsp(
        url: &UrlRequest,
        refuses_tcp: bool,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let input = MediaInput::Url { url: url.clone(), authorization: None, refuses_tcp };
        Self::open_input(input, stop)
    }

    /// Connects to an HTTP URL with this value of the `Authorization` header.
    ///
    /// # Errors
    /// Fails if it cannot be opened, with the reason.
    pub(super) fn open_authorized(
        url: &Address,
        authorization: Option<String>,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let url = url.clone().into();
        Self::open_input(MediaInput::Url { url, authorization, refuses_tcp: false }, stop)
    }

    /// Opens a file, to be restarted at its end if `looped`.
    ///
    /// # Errors
    /// Fails if it cannot be opened, with the reason.
    pub fn open_file(path: &Path, looped: bool, stop: Shutdown) -> Result<Self, SourceError> {
        Self::open_input(MediaInput::File { path: path.into(), looped }, stop)
    }

    fn open_input(input: MediaInput, stop: Shutdown) -> Result<Self, SourceError> {
        let connection = Connection::open(&input, stop.clone())?;
        let interval = connection.interval();
        let live = connection.is_live();
        let frame_interval = interval.unwrap_or(DEFAULT_INTERVAL);
        let live_interval = live.then_some(frame_interval);
        let unpacker = Unpacker::new(input.to_string(), connection.codec()?, live_interval)?;
        let about = About { description: connection.description(), interval, recorded: !live };
        Ok(Self {
            input,
            about,
            connection,
            unpacker,
            pacing: (!live).then(|| Pacing::new(frame_interval)),
            grabbed: None,
            opened_at: clock::now(),
            alive_at: Instant::now(),
            frames: 0,
            stop,
        })
    }

    /// Waits for the next frame; returns `None` at the end of the input.
    fn next_frame(&mut self) -> Result<Option<Unpacked>, SourceError> {
        loop {
            if let Some(frame) = self.unpacker.next_decoded() {
                return Ok(Some(frame));
            }
            let silent = self.alive_at.elapsed();
            if silent > KEYFRAME_TIMEOUT {
                return Err(SourceError::NoKeyframe(silent));
            }
            match self.connection.read()? {
                Some(encoded) => {
                    if let Some(frame) = self.unpacker.push(encoded)? {
                        return Ok(Some(frame));
                    }
                }
                None if !self.unpacker.drain() => return Ok(None),
                None => {}
            }
        }
    }

    fn presentation(&mut self, timestamp: Timestamp) -> Presentation {
        // Later H.264 frames refer to this one.
        let is_required = self.unpacker.passes_h264();
        let Some(pacing) = &mut self.pacing else {
            let interval = self.about.interval.unwrap_or(DEFAULT_INTERVAL);
            let is_stale = timestamp + interval * 2 < self.opened_at;
            return match is_stale && !is_required {
                true => Presentation::Skip,
                false => Presentation::Captured(timestamp),
            };
        };
        match pacing.next(Duration::from_micros(timestamp.micros()), Instant::now()) {
            Due::At(due) => Presentation::Due(due),
            Due::Missed(due) if is_required => Presentation::Due(due),
            Due::Missed(_) => Presentation::Skip,
        }
    }

    /// Restarts a recording at its end; returns false if it must not be restarted. A live input has no end, so the
    /// connection was interrupted.
    fn restart(&mut self) -> Result<bool, SourceError> {
        let Some(pacing) = &mut self.pacing else {
            return Err(SourceError::Closed("the camera closed the connection".into()));
        };
        match &self.input {
            MediaInput::File { looped: false, .. } => return Ok(false),
            MediaInput::File { path, .. } if self.frames == 0 => {
                let path = path.display();
                return Err(SourceError::NotAVideo(format!("{path} contains no frame")));
            }
            MediaInput::Url { .. } if self.frames < 2 => {
                return Err(SourceError::NotAVideo(
                    "this URL returns a single picture: use the address of the camera's MJPEG or RTSP stream".into(),
                ));
            }
            MediaInput::File { .. } | MediaInput::Url { .. } => {}
        }
        pacing.rewind();
        self.frames = 0;
        self.connection = Connection::open(&self.input, self.stop.clone())?;
        self.unpacker.reopen(self.connection.codec()?)?;
        Ok(true)
    }
}

/// The time to present a frame.
enum Presentation {
    /// Immediately, because it is live.
    Captured(Timestamp),
    /// At this moment, because it is recorded.
    Due(Instant),
    /// Never: the next frame has arrived or is due already.
    Skip,
}

impl Source for MediaSource {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let mut skipped = 0;
        loop {
            let Some(frame) = self.next_frame()? else {
                if !self.restart()? {
                    return Ok(None);
                }
                continue;
            };
            self.alive_at = Instant::now();
            self.frames += 1;
            let captured_at = match self.presentation(frame.timestamp) {
                Presentation::Captured(captured_at) => captured_at,
                Presentation::Due(due) if sleep_until(due, &self.stop) => {
                    return Err(SourceError::Stopped);
                }
                Presentation::Due(due) => clock::at(due),
                Presentation::Skip => {
                    // A stale live frame was buffered before the connection could deliver it, so it does not count.
                    skipped += u64::from(self.about.recorded);
                    continue;
                }
            };
            self.grabbed = Some(frame);
            if self.pacing.is_none() {
                self.about.interval = self.connection.interval();
            }
            return Ok(Some(Grabbed { captured_at, skipped }));
        }
    }

    fn own_time(&self) -> Option<Timestamp> {
        self.connection.own_time()
    }

    fn decoded_from(&self) -> Option<DecodedFrom> {
        self.unpacker.decoded_from()
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        self.unpacker.data(self.grabbed.take(), buffers)
    }

    fn needs_every_frame(&self) -> bool {
        self.unpacker.passes_h264()
    }

    fn can_pause(&self) -> bool {
        self.input.is_file()
    }

    fn resume(&mut self) {
        self.alive_at = Instant::now();
        if let Some(pacing) = &mut self.pacing {
            pacing.resume();
        }
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSource").field("input", &self.input).finish_non_exhaustive()
    }
}

/// Checks that a URL's host accepts connections.
///
/// # Errors
/// Fails if it does not, with the reason.
pub fn check(url: &Address) -> Result<(), SourceError> {
    let host = diagnose::Host::of(url);
    let addresses = host.address().to_socket_addrs();
    let addresses = addresses.map_err(|_| SourceError::HostNotFound(host.to_string()))?;
    let mut reason = SourceError::HostNotFound(host.to_string());
    for address in addresses.take(MAX_ADDRESSES) {
        match TcpStream::connect_timeout(&address, timeouts::CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => reason = diagnose::connect_error(&error, &host),
        }
    }
    Err(reason)
}
