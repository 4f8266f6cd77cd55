//! An open input and its encoded frames.

use std::fmt;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::packet::side_data;
use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, ffi, media};

use super::arrival;
use super::deadline::Deadline;
use super::diagnose;
use super::input::MediaInput;
use super::opening::{self, Opened};
use super::probe;
use super::timeouts::{CLOSE_TIMEOUT, CONNECT_TIMEOUT, OPEN_TIMEOUT, PLAYLIST_STALL_LIMIT};
use crate::pixels::geometry::{self, Geometry, PixelAspect};
use crate::source::error::SourceError;
use crate::source::url::{Transport, UrlRequest};
use crate::source::video::{Container, Encoded, SourceCodec};
use crate::stall;

/// The protocols that FFmpeg may open for a URL. A playlist must not make it read files of this machine.
const PROTOCOLS: &str = "http,https,httpproxy,tls,tcp,udp,rtp,rtsp,rtsps,crypto,data";

/// The size of the kernel's buffer for UDP, in bytes, as far as the system allows it: a keyframe arrives in one burst.
const UDP_BUFFER: &str = "2097152";

/// An open input.
pub(super) struct Connection {
    opened: Opened,
    deadline: Deadline,
    input: MediaInput,
    stream: usize,
    time_base: Rational,
    live: bool,
    /// The transport if it is RTSP.
    transport: Option<Transport>,
    /// Set once a packet was read.
    has_read: bool,
    stall_limit: Duration,
    /// The time of the last frame by the camera's clock, which RTSP cameras send every few seconds (RTCP).
    own_time: Option<Timestamp>,
}

impl Connection {
    /// Connects and detects the video stream.
    pub(super) fn open(input: &MediaInput, stop: Shutdown) -> Result<Self, SourceError> {
        let deadline = Deadline::new(stop.clone(), OPEN_TIMEOUT, input.is_http());
        let (mut opened, transport) = open(input, &deadline, stop)?;
        // Some of FFmpeg's demuxers treat an interrupt as the end of their input.
        deadline.check_budget(input)?;
        let demuxer = &mut opened.demuxer;
        let video = demuxer
            .streams()
            .best(media::Type::Video)
            .ok_or_else(|| SourceError::NotAVideo("it is readable but contains no video".into()))?;
        let (stream, time_base) = (video.index(), video.time_base());
        let live = input.is_rtsp() || !input.is_file() && is_live(demuxer);
        if live {
            use_wall_clock(demuxer);
        } else if holds_jpegs(demuxer, stream) {
            keep_timestamps(demuxer);
        }
        let mut connection = Self {
            opened,
            deadline,
            input: input.clone(),
            stream,
            time_base,
            live,
            transport,
            has_read: false,
            stall_limit: OPEN_TIMEOUT,
            own_time: None,
        };
        connection.stall_limit = match connection.opened.demuxer.format().name() {
            name if is_playlist(name) => PLAYLIST_STALL_LIMIT,
            _ => stall::limit(connection.interval()),
        };
        Ok(connection)
    }

    /// Returns whether frames arrive when they are captured, not from a recording.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Returns the time of the last frame by the camera's own clock, if it sends that.
    pub(super) fn own_time(&self) -> Option<Timestamp> {
        self.own_time
    }

    /// Returns the frame interval, if known.
    pub(super) fn interval(&self) -> Option<Duration> {
        let rate = f64::from(self.opened.demuxer.stream(self.stream)?.avg_frame_rate());
        (0.01..1000.0).contains(&rate).then(|| Duration::from_secs_f64(1.0 / rate))
    }

    /// Describes the video, for the log.
    pub(super) fn description(&self) -> String {
        let codec = self.parameters().map_or("unknown", |parameters| parameters.id().name());
        let kind = if self.live { "live" } else { "recorded" };
        let over =
            self.transport.map_or_else(String::new, |transport| format!(" over {transport}"));
        format!("{kind} {codec} ({}{over})", self.opened.demuxer.format().name())
    }

    /// Returns the codec of the video.
    pub(super) fn codec(&self) -> Result<SourceCodec, SourceError> {
        // A copy: the original keeps the demuxer open.
        let parameters = self.parameters()?.clone();
        let stream = self.opened.demuxer.stream(self.stream);
        let geometry = stream.map_or(Geometry::default(), |stream| geometry_of(&stream));
        Ok(SourceCodec::Described(Container { parameters, geometry }))
    }

    fn parameters(&self) -> Result<Parameters, SourceError> {
        let stream = self.opened.demuxer.stream(self.stream);
        let stream = stream
            .ok_or_else(|| SourceError::Other("the video's parameters are missing".into()))?;
        Ok(stream.parameters())
    }

    /// Waits for the next frame of the video. Its timestamp is its arrival by this process's clock if the input is
    /// live, otherwise its position in the recording. Returns `None` at the end.
    pub(super) fn read(&mut self) -> Result<Option<Encoded>, SourceError> {
        self.deadline.set(self.stall_limit);
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.opened.demuxer) {
                Ok(()) if packet.stream() == self.stream => {
                    self.own_time = arrival::own_time(&packet);
                    self.stamp(&mut packet);
                    self.has_read = true;
                    return Ok(Some(Encoded::Packet(packet)));
                }
                Ok(()) => {}
                Err(Error::Eof) => {
                    self.deadline.check_budget(&self.input)?;
                    return Ok(None);
                }
                // Damaged data; the next packet may be intact. The deadline still applies.
                Err(Error::InvalidData) if !self.deadline.is_over() => {}
                Err(error) => return Err(self.reason(error)),
            }
        }
    }

    /// Returns why reading failed.
    fn reason(&self, error: Error) -> SourceError {
        let is_silent = is_timeout(error) && !self.deadline.is_stopped();
        match error {
            _ if is_silent && !self.has_read && self.transport == Some(Transport::Udp) => {
                no_datagrams(&self.input, &self.deadline, error)
            }
            Error::Exit if !self.deadline.is_stopped() && self.deadline.exceeded().is_none() => {
                SourceError::Stalled(self.stall_limit)
            }
            error => self.deadline.reason(error, &self.input),
        }
    }

    fn stamp(&self, packet: &mut Packet) {
        if self.live {
            let arrived_at = arrival::arrived_at(packet.pts(), self.time_base);
            packet.set_pts(Some(arrived_at.micros() as i64));
            packet.set_dts(None);
        } else {
            packet.set_pts(packet.pts().map(|pts| arrival::micros(pts, self.time_base)));
            packet.set_dts(packet.dts().map(|dts| arrival::micros(dts, self.time_base)));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closing sends a last request to the camera, to which the deadline of the last read must not apply.
        self.deadline.set(CLOSE_TIMEOUT);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("input", &self.input).finish_non_exhaustive()
    }
}

/// Returns the geometry that the container declares for a stream.
#[expect(unsafe_code, reason = "ffmpeg-next does not expose a stream's aspect ratio")]
fn geometry_of(stream: &Stream<'_>) -> Geometry {
    // SAFETY: the stream is alive, and the field consists of plain integers.
    let ratio = unsafe { (*stream.as_ptr()).sample_aspect_ratio };
    let mut matrices =
        stream.side_data().filter(|data| data.kind() == side_data::Type::DisplayMatrix);
    Geometry {
        aspect: PixelAspect::of(ratio.into()),
        orientation: matrices.next().and_then(|matrix| geometry::orientation_of(matrix.data())),
    }
}

/// Opens an input, over the transport that a camera accepts.
fn open(
    input: &MediaInput,
    deadline: &Deadline,
    stop: Shutdown,
) -> Result<(Opened, Option<Transport>), SourceError> {
    let first = input.transport();
    let mut options = options(input, first);
    let refused = match opening::open(input, &options, deadline) {
        Ok(opened) => return Ok((opened, first)),
        Err(error) => error,
    };
    match input {
        _ if deadline.is_stopped() => {}
        MediaInput::Url { url, .. } if input.is_rtsp() && refused == Error::HttpUnauthorized => {
            return Err(probe::refused_login(&url.address, stop));
        }
        MediaInput::Url { url: UrlRequest { transport: None, .. }, .. }
            if first == Some(Transport::Tcp) && may_send_over_udp(refused) =>
        {
            deadline.set(OPEN_TIMEOUT);
            let second = Some(Transport::Udp);
            return opening::open(input, &self::options(input, second), deadline)
                .map(|opened| (opened, second))
                .map_err(|error| no_datagrams(input, deadline, error));
        }
        _ if input.is_http() && matches!(refused, Error::HttpBadRequest | Error::HttpOther4xx) => {
            // Some servers refuse the range that FFmpeg requests to find out whether it can seek.
            options.set("seekable", "0");
            return opening::open(input, &options, deadline)
                .map(|opened| (opened, None))
                .map_err(|error| deadline.reason(error, input));
        }
        _ => {}
    }
    Err(match first {
        Some(Transport::Udp) => no_datagrams(input, deadline, refused),
        _ => deadline.reason(refused, input),
    })
}

/// Returns whether a camera may accept UDP after it has refused TCP with this error. Some refuse TCP by another status
/// than the one for it.
fn may_send_over_udp(error: Error) -> bool {
    diagnose::refuses_transport(error) || error == Error::HttpOther4xx
}

/// Returns the reason of an error over UDP.
fn no_datagrams(input: &MediaInput, deadline: &Deadline, error: Error) -> SourceError {
    match input {
        MediaInput::Url { url, .. } if is_timeout(error) && !deadline.is_stopped() => {
            diagnose::no_datagrams(&url.address)
        }
        _ => deadline.reason(error, input),
    }
}

fn is_timeout(error: Error) -> bool {
    error == Error::Exit || error == Error::Other { errno: libc::ETIMEDOUT }
}

fn is_playlist(format: &str) -> bool {
    format.split(',').any(|name| matches!(name, "hls" | "dash"))
}

/// Returns whether an HTTP response is live: it has no end. A playlist is not, because its frames arrive in segments.
fn is_live(demuxer: &Input) -> bool {
    match demuxer.format().name() {
        "mpjpeg" => true,
        name if is_playlist(name) => false,
        _ => demuxer.io_size().is_none(),
    }
}

fn holds_jpegs(demuxer: &Input, stream: usize) -> bool {
    demuxer.stream(stream).is_some_and(|stream| stream.parameters().id() == codec::Id::MJPEG)
}

fn options(input: &MediaInput, transport: Option<Transport>) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let timeout = CONNECT_TIMEOUT.as_micros().to_string();
    options.set("timeout", &timeout);
    options.set("protocol_whitelist", if input.is_file() { "file" } else { PROTOCOLS });
    if let Some(transport) = transport {
        options.set("rtsp_transport", transport.as_str());
        if transport == Transport::Udp {
            options.set("buffer_size", UDP_BUFFER);
        }
        options.set("allowed_media_types", "video");
        options.set("use_wallclock_as_timestamps", "1");
        // Cameras announce their streams; half a second of video is enough to measure the frame rate.
        options.set("analyzeduration", "500000");
        options.set("probesize", "1000000");
    } else {
        options.set("analyzeduration", "1000000");
    }
    if let MediaInput::Url { authorization: Some(authorization), .. } = input {
        options.set("headers", &format!("Authorization: {authorization}\r\n"));
        // Redirections are resolved by now. FFmpeg would repeat the header at another host.
        options.set("max_redirects", "0");
    }
    options
}

/// Makes FFmpeg stamp packets with the wall clock from now on.
#[expect(
    unsafe_code,
    reason = "a URL is known to be live only once it is open, when the option can no longer be set"
)]
fn use_wall_clock(demuxer: &mut Input) {
    // SAFETY: the pointer is that of a context which `demuxer` owns, and the field is a plain integer.
    unsafe { (*demuxer.as_mut_ptr()).use_wallclock_as_timestamps = 1 }
}

/// Stops FFmpeg from computing timestamps as for a codec that reorders frames. For JPEGs, that takes a third of the
/// time to read them. Formats without timestamps need it.
#[expect(
    unsafe_code,
    reason = "the codec is known only once the input is open, when the option can no longer be set"
)]
fn keep_timestamps(demuxer: &mut Input) {
    // SAFETY: the pointers are those of a context which `demuxer` owns, exclusively while it is borrowed here, and of
    // the constant description of its format; the fields are plain integers.
    unsafe {
        let context = demuxer.as_mut_ptr();
        if (*(*context).iformat).flags & ffi::AVFMT_NOTIMESTAMPS == 0 {
            (*context).flags |= ffi::AVFMT_FLAG_NOFILLIN;
        }
    }
}
