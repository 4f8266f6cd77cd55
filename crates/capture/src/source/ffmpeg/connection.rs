//! An open URL and its packets.

use std::fmt;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Dictionary, Packet, Rational, ffi, media};

use super::arrival;
use super::deadline::Deadline;
use super::input::Place;
use super::mjpeg_http::{NoPart, Parts};
use super::opening::{self, Opened};
use crate::source::SourceError;
use crate::stall;

/// Connecting, or any single answer while opening, may take so long.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Opening as a whole: connecting, and then finding out what comes.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// Saying goodbye to a camera that does not answer any more may take so long.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// A playlist is silent for as long as its longest segment lasts.
const PLAYLIST_SILENCE: Duration = Duration::from_secs(30);

/// What FFmpeg may open on behalf of a URL: a playlist must not make it read files of this machine.
const PROTOCOLS: &str = "http,https,httpproxy,tls,tcp,udp,rtp,rtsp,rtsps,crypto,data";

/// An open place.
pub(super) struct Connection {
    opened: Opened,
    deadline: Deadline,
    place: Place,
    stream: usize,
    time_base: Rational,
    live: bool,
    limit: Duration,
    /// Where it is MJPEG over HTTP.
    parts: Option<Parts>,
}

impl Connection {
    /// Connects and finds out what comes.
    pub(super) fn open(place: &Place, stop: Shutdown) -> Result<Self, SourceError> {
        let deadline = Deadline::new(stop, OPEN_WITHIN, place.is_http());
        let mut opened = opening::open(place, &options(place), &deadline)
            .map_err(|error| deadline.reason(error, place))?;
        // Some of FFmpeg's readers take being stopped for the end of what they read.
        deadline.check_budget(place)?;
        let input = &mut opened.input;
        let video = input
            .streams()
            .best(media::Type::Video)
            .ok_or_else(|| SourceError::NotAVideo("it can be read but holds no video".into()))?;
        let (stream, time_base) = (video.index(), video.time_base());
        let live = place.is_rtsp() || !place.is_file() && is_live(input);
        if live {
            use_wall_clock(input);
        } else if holds_jpegs(input, stream) {
            take_stamps_as_they_are(input);
        }
        let parts = (live && input.format().name() == "mpjpeg").then(Parts::new);
        let mut connection = Self {
            opened,
            deadline,
            place: place.clone(),
            stream,
            time_base,
            live,
            limit: OPEN_WITHIN,
            parts,
        };
        connection.limit = match connection.opened.input.format().name() {
            name if is_playlist(name) => PLAYLIST_SILENCE,
            _ => stall::limit(connection.interval()),
        };
        Ok(connection)
    }

    /// Whether every packet is a JPEG.
    pub(super) fn gives_jpegs(&self) -> bool {
        holds_jpegs(&self.opened.input, self.stream)
    }

    /// Whether pictures come as they are taken, rather than from a recording.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// The time from picture to picture, where it is known.
    pub(super) fn interval(&self) -> Option<Duration> {
        if let Some(parts) = &self.parts {
            return Some(parts.interval());
        }
        let rate = f64::from(self.opened.input.stream(self.stream)?.avg_frame_rate());
        (0.01..1000.0).contains(&rate).then(|| Duration::from_secs_f64(1.0 / rate))
    }

    /// In words, for the log.
    pub(super) fn description(&self) -> String {
        let codec = self.parameters().map_or("unknown", |parameters| parameters.id().name());
        let kind = if self.live { "live" } else { "recorded" };
        format!("{kind} {codec} ({})", self.opened.input.format().name())
    }

    /// What the decoder must know.
    pub(super) fn parameters(&self) -> Result<Parameters, SourceError> {
        let stream = self.opened.input.stream(self.stream);
        let stream = stream
            .ok_or_else(|| SourceError::Other("the video's parameters are missing".into()))?;
        Ok(stream.parameters())
    }

    /// Waits for the next packet of the video, stamped in microseconds: with its arrival by this process's clock where
    /// it is live, else with its place in the recording. `None` at the end.
    pub(super) fn read(&mut self) -> Result<Option<Packet>, SourceError> {
        if let Some(parts) = &mut self.parts {
            self.limit = stall::limit(Some(parts.interval()));
            self.deadline.set(self.limit);
            let read = parts.read(&mut self.opened.input);
            return self.part(read);
        }
        self.deadline.set(self.limit);
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.opened.input) {
                Ok(()) if packet.stream() == self.stream => {
                    self.stamp(&mut packet);
                    return Ok(Some(packet));
                }
                Ok(()) => {}
                Err(ffmpeg_next::Error::Eof) => {
                    self.deadline.check_budget(&self.place)?;
                    return Ok(None);
                }
                // A damaged part; the next one may be well. The deadline still counts.
                Err(ffmpeg_next::Error::InvalidData) if !self.deadline.passed() => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    fn part(&self, read: Result<Packet, NoPart>) -> Result<Option<Packet>, SourceError> {
        match read {
            Ok(packet) => Ok(Some(packet)),
            Err(NoPart::Read(ffmpeg_next::Error::Eof)) => Ok(None),
            Err(NoPart::Read(error)) => Err(self.broken(error)),
            Err(NoPart::Not(reason)) => Err(reason),
        }
    }

    /// Why reading failed.
    fn broken(&self, error: ffmpeg_next::Error) -> SourceError {
        match error {
            ffmpeg_next::Error::Exit
                if !self.deadline.is_stopped() && self.deadline.over().is_none() =>
            {
                SourceError::Stalled(self.limit)
            }
            error => self.deadline.reason(error, &self.place),
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
        // Closing tells the camera goodbye; it shall not take the last deadline's fate.
        self.deadline.set(CLOSE_WITHIN);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("place", &self.place).finish_non_exhaustive()
    }
}

fn is_playlist(format: &str) -> bool {
    format.split(',').any(|name| matches!(name, "hls" | "dash"))
}

/// What came over HTTP is live where it has no end. A playlist is not: its pictures come in bundles.
fn is_live(input: &Input) -> bool {
    match input.format().name() {
        "mpjpeg" => true,
        name if is_playlist(name) => false,
        _ => input.io_size().is_none(),
    }
}

fn holds_jpegs(input: &Input, stream: usize) -> bool {
    input.stream(stream).is_some_and(|stream| stream.parameters().id() == codec::Id::MJPEG)
}

fn options(place: &Place) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let timeout = CONNECT_WITHIN.as_micros().to_string();
    options.set("timeout", &timeout);
    options.set("protocol_whitelist", if place.is_file() { "file" } else { PROTOCOLS });
    if place.is_rtsp() {
        // UDP loses packets as soon as a picture is larger than a few of them.
        options.set("rtsp_transport", "tcp");
        options.set("allowed_media_types", "video");
        options.set("use_wallclock_as_timestamps", "1");
        // Cameras announce what they send; half a second of it is enough to see how fast.
        options.set("analyzeduration", "500000");
        options.set("probesize", "1000000");
    } else {
        options.set("analyzeduration", "1000000");
    }
    options
}

/// Lets FFmpeg stamp packets with the wall clock from now on.
#[expect(
    unsafe_code,
    reason = "whether a URL is live is known only once it is open, and then it is no option any more"
)]
fn use_wall_clock(input: &mut Input) {
    // SAFETY: the pointer is that of a context which `input` owns, and the field is a plain integer.
    unsafe { (*input.as_mut_ptr()).use_wallclock_as_timestamps = 1 }
}

/// Keeps FFmpeg from working out for each packet what its stamps would be in a codec that reorders pictures: for JPEGs that
/// is a third of what reading them costs. What has no stamps at all needs it.
#[expect(
    unsafe_code,
    reason = "what comes is known only once it is open, and then it is no option any more"
)]
fn take_stamps_as_they_are(input: &mut Input) {
    // SAFETY: the pointers are those of a context which `input` owns, alone while it is borrowed here, and of the constant
    // description of its format; the fields are plain integers.
    unsafe {
        let context = input.as_mut_ptr();
        if (*(*context).iformat).flags & ffi::AVFMT_NOTIMESTAMPS == 0 {
            (*context).flags |= ffi::AVFMT_FLAG_NOFILLIN;
        }
    }
}
