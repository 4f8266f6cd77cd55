//! Which stream and track a request means, and how it wants it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::viewer::{CodecWish, RenditionWish, Watch};
use fanlight_protocol::{Codec, Rendition, TrackName};
use serde::Deserialize;

use crate::egress::abr::ladder::Room;
use crate::egress::abr::{AdaptiveViewer, Auto};
use crate::error::Error;
use crate::hub::ring::MAX_BUFFER;
use crate::hub::{Hub, Stream, ViewOptions, Viewer};
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// Frames a second that may be asked for: from one in a hundred seconds to more than any camera has.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;
/// Every picture of H.264 is needed to decode the next one.
const NOT_THINNED_OUT: &str = "fps= leaves frames out, which H.264 cannot do without: take codec=jpeg with it, or without \
     it a rendition that its source caps (see api/streams)";
const ONLY_JPEG: &str =
    "here is nothing but JPEG: leave codec= out, or take /streams/NAME/ws or fanlight.v1 for H.264";
/// At most so many names of streams are told to somebody who asks for one that is not there.
const NAMES_TOLD: usize = 20;

/// The query that all transports understand. Unknown keys are ignored, as is usual in URLs.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Query {
    rendition: Option<String>,
    codec: Option<String>,
    fps: Option<f64>,
    buffer: Option<f64>,
    max_width: Option<u32>,
    max_height: Option<u32>,
    /// The relay's token, where it wants one.
    pub token: Option<String>,
}

/// How a viewer wants its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    rendition: RenditionWish,
    codec: CodecWish,
    /// The room in which it is shown.
    room: Room,
    /// Which of its frames, and when.
    pub manner: ViewOptions,
}

/// What of a stream is to be sent.
#[derive(Debug)]
pub struct Choice {
    /// The track to begin with.
    pub track: TrackName,
    /// Where the relay chooses, and may choose anew.
    pub auto: Option<Auto>,
    /// What may be shown until there is something of the track to begin with.
    meanwhile: Option<TrackName>,
}

impl Choice {
    /// Where the relay chooses, the smallest to begin with.
    pub fn begin_small(&mut self) {
        if let Some(auto) = &mut self.auto {
            auto.begin_small();
            self.track = auto.track().clone();
            if let Some(meanwhile) = &mut self.meanwhile {
                meanwhile.rendition = self.track.rendition.clone();
            }
        }
    }

    /// Begins to watch it.
    pub fn watch(
        self,
        stream: &Arc<Stream>,
        transport: Transport,
        manner: ViewOptions,
        waker: Waker,
    ) -> AdaptiveViewer {
        let now = clock::now();
        let mut viewer = Viewer::watch(stream, &self.track, transport, manner, waker, now);
        let is_there = |track: &&TrackName| is_listed(stream, track);
        if let Some(meanwhile) = self.meanwhile.as_ref().filter(is_there) {
            viewer.start_with_fallback(meanwhile, now);
        }
        AdaptiveViewer::new(viewer, self.auto)
    }
}

impl Wish {
    /// What a query says.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the wrong option.
    pub fn from_query(query: &Query) -> Result<Self, Error> {
        let bad = |error: fanlight_protocol::InvalidName| Error::invalid(error.to_string());
        let rendition = query.rendition.as_deref().map(str::parse).transpose().map_err(bad)?;
        let codec = query.codec.as_deref().map(str::parse).transpose().map_err(bad)?;
        let room = Room { width: query.max_width, height: query.max_height };
        Self::new(rendition, codec, room, query.fps, query.buffer)
    }

    /// What a `watch` says.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the wrong option.
    pub fn from_watch(watch: &Watch) -> Result<Self, Error> {
        let room = Room { width: watch.max_width, height: watch.max_height };
        Self::new(watch.rendition.clone(), watch.codec, room, watch.fps, watch.buffer)
    }

    fn new(
        rendition: Option<RenditionWish>,
        codec: Option<CodecWish>,
        room: Room,
        fps: Option<f64>,
        buffer: Option<f64>,
    ) -> Result<Self, Error> {
        if let Some(fps) = fps.filter(|fps| !FPS.contains(fps)) {
            let message = format!("fps={fps}: {} to {}", FPS.start(), FPS.end());
            return Err(Error::invalid(message));
        }
        let most = MAX_BUFFER.as_secs_f64();
        if let Some(buffer) = buffer.filter(|buffer| !(0.0..=most).contains(buffer)) {
            let message = format!("buffer={buffer}: 0 to {most} seconds");
            return Err(Error::invalid(message));
        }
        if codec == Some(CodecWish::Exactly(Codec::H264)) && fps.is_some() {
            return Err(Error::invalid(NOT_THINNED_OUT));
        }
        let delay = Duration::from_secs_f64(buffer.unwrap_or(0.0));
        let rendition = rendition.unwrap_or(RenditionWish::Exactly(Rendition::full()));
        let codec = codec.unwrap_or(CodecWish::Exactly(Codec::Jpeg));
        Ok(Self { rendition, codec, room, manner: ViewOptions { max_fps: fps, delay } })
    }

    /// What of a stream is meant.
    ///
    /// # Errors
    /// [`Error::NotFound`] that names the known tracks.
    pub fn of(&self, stream: &Stream) -> Result<Choice, Error> {
        let codec = match self.codec {
            CodecWish::Auto if self.manner.max_fps.is_none() && self.has_h264(stream) => {
                Codec::H264
            }
            CodecWish::Auto => Codec::Jpeg,
            CodecWish::Exactly(codec) => codec,
        };
        let meanwhile = |track: &TrackName| {
            let jpeg = TrackName { codec: Codec::Jpeg, ..track.clone() };
            (self.codec == CodecWish::Auto && codec != Codec::Jpeg).then_some(jpeg)
        };
        Ok(match &self.rendition {
            RenditionWish::Auto => {
                let auto = Auto::new(stream, codec, self.room);
                let auto = if self.codec == CodecWish::Auto { auto.or_jpeg() } else { auto };
                let track = Self::known(stream, auto.track().clone())?;
                Choice { meanwhile: meanwhile(&track), track, auto: Some(auto) }
            }
            RenditionWish::Exactly(rendition) => {
                let track = TrackName { rendition: rendition.clone(), codec };
                let track = Self::known(stream, track)?;
                Choice { meanwhile: meanwhile(&track), track, auto: None }
            }
        })
    }

    /// The same for a transport that carries nothing but JPEG.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another codec is asked for.
    pub fn in_jpeg(self) -> Result<Self, Error> {
        match self.codec {
            CodecWish::Exactly(Codec::H264) => Err(Error::invalid(ONLY_JPEG)),
            CodecWish::Auto | CodecWish::Exactly(Codec::Jpeg) => {
                Ok(Self { codec: CodecWish::Exactly(Codec::Jpeg), ..self })
            }
        }
    }

    /// Whether there is H.264 of what is wished for. As long as there is, this answer stays: whoever wishes the same again
    /// is not sent another codec.
    fn has_h264(&self, stream: &Stream) -> bool {
        stream.status().tracks.iter().map(|entry| &entry.name).any(|track| {
            let is_wished = match &self.rendition {
                RenditionWish::Auto => true,
                RenditionWish::Exactly(rendition) => track.rendition == *rendition,
            };
            track.codec == Codec::H264 && is_wished
        })
    }

    fn known(stream: &Stream, track: TrackName) -> Result<TrackName, Error> {
        // Before the first picture a publisher may not have told of any track; every stream has the full one.
        if track == TrackName::full_jpeg() || is_listed(stream, &track) {
            return Ok(track);
        }
        let tracks = &stream.status().tracks;
        let known: Vec<String> = tracks.iter().map(|track| track.name.to_string()).collect();
        Err(Error::NotFound(format!(
            "stream {} has no track {track}; it has: {}",
            stream.name(),
            or_none(&known)
        )))
    }
}

/// The stream of this name.
///
/// # Errors
/// [`Error::NotFound`] that names the known streams.
pub fn stream(hub: &Hub, name: &str) -> Result<Arc<Stream>, Error> {
    hub.stream(name).ok_or_else(|| {
        let streams = hub.streams();
        let mut known: Vec<String> =
            streams.iter().take(NAMES_TOLD).map(|stream| stream.name().to_string()).collect();
        if streams.len() > NAMES_TOLD {
            known.push(format!("and {} more (see api/streams)", streams.len() - NAMES_TOLD));
        }
        let asked: String = name.chars().take(fanlight_protocol::name::MAX_STREAM_NAME).collect();
        Error::NotFound(format!(
            "there is no stream {asked:?} here; there are: {}",
            or_none(&known)
        ))
    })
}

fn is_listed(stream: &Stream, track: &TrackName) -> bool {
    stream.status().tracks.iter().any(|known| known.name == *track)
}

fn or_none(known: &[String]) -> String {
    if known.is_empty() { "none yet".into() } else { known.join(", ") }
}
