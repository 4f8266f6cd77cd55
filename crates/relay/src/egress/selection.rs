//! The track that a request selects, and its view options.

use std::sync::Arc;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::viewer::{CodecChoice, RenditionChoice, Watch};
use fanlight_protocol::{Codec, RenditionName, TrackName};
use serde::Deserialize;

use crate::egress::abr::viewer_ladder::DisplaySize;
use crate::egress::abr::{AdaptiveViewer, AutoRendition};
use crate::error::Error;
use crate::hub::ring::MAX_BUFFER;
use crate::hub::{Stream, ViewOptions, Viewer};
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// Frame rates that may be requested: from one frame in 100 seconds to more than any camera has.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;
/// The refusal of a lower frame rate for H.264, of which each frame is needed to decode the next one.
const NO_FPS_IN_H264: &str = "fps= drops frames, which breaks H.264: use codec=jpeg with it, or use a rendition whose source has \
     a lower frame rate (see api/streams)";
const ONLY_JPEG: &str = "this address sends JPEG only: leave codec= out, or use /streams/NAME/ws or fanlight.v1 for H.264";

/// The query string that all transports understand. Unknown keys are ignored, as is usual in URLs.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ViewQuery {
    rendition: Option<String>,
    codec: Option<String>,
    fps: Option<f64>,
    buffer: Option<f64>,
    max_width: Option<u32>,
    max_height: Option<u32>,
    /// The age up to which a snapshot is accepted.
    pub max_age: Option<String>,
}

/// A viewer's request for a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRequest {
    rendition: RenditionChoice,
    codec: CodecChoice,
    display: DisplaySize,
    /// The frame rate and the delay.
    pub options: ViewOptions,
}

/// The track that a request selects.
#[derive(Debug)]
pub struct TrackSelection {
    /// The track to start with.
    pub track: TrackName,
    /// The relay's choice, if the request leaves it to the relay.
    pub auto: Option<AutoRendition>,
    /// A track that is sent until the first one has a frame.
    fallback: Option<TrackName>,
}

impl TrackSelection {
    /// Starts at the smallest rendition, if the relay chooses.
    pub fn start_smallest(&mut self) {
        if let Some(auto) = &mut self.auto {
            auto.start_smallest();
            self.track = auto.track().clone();
            if let Some(fallback) = &mut self.fallback {
                fallback.rendition = self.track.rendition.clone();
            }
        }
    }

    /// Returns a viewer of the selected track.
    pub fn watch(
        self,
        stream: &Arc<Stream>,
        transport: Transport,
        options: ViewOptions,
        waker: Waker,
    ) -> AdaptiveViewer {
        let now = clock::now();
        let mut viewer = Viewer::watch(stream, &self.track, transport, options, waker, now);
        let listed = |track: &&TrackName| is_listed(stream, track);
        if let Some(fallback) = self.fallback.as_ref().filter(listed) {
            viewer.start_with_fallback(fallback, now);
        }
        AdaptiveViewer::new(viewer, self.auto)
    }
}

impl ViewRequest {
    /// Parses a query string.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with the invalid value.
    pub fn from_query(query: &ViewQuery) -> Result<Self, Error> {
        let bad = |error: fanlight_protocol::InvalidName| Error::invalid(error.to_string());
        let rendition = query.rendition.as_deref().map(str::parse).transpose().map_err(bad)?;
        let codec = query.codec.as_deref().map(str::parse).transpose().map_err(bad)?;
        let display = DisplaySize { width: query.max_width, height: query.max_height };
        Self::new(rendition, codec, display, query.fps, query.buffer)
    }

    /// Parses a `watch` message.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with the invalid value.
    pub fn from_watch(watch: &Watch) -> Result<Self, Error> {
        let display = DisplaySize { width: watch.max_width, height: watch.max_height };
        Self::new(watch.rendition.clone(), watch.codec, display, watch.fps, watch.buffer)
    }

    fn new(
        rendition: Option<RenditionChoice>,
        codec: Option<CodecChoice>,
        display: DisplaySize,
        fps: Option<f64>,
        buffer: Option<f64>,
    ) -> Result<Self, Error> {
        if let Some(fps) = fps.filter(|fps| !FPS.contains(fps)) {
            let message =
                format!("fps={fps} is out of range: use {} to {}", FPS.start(), FPS.end());
            return Err(Error::invalid(message));
        }
        let max = MAX_BUFFER.as_secs_f64();
        if let Some(buffer) = buffer.filter(|buffer| !(0.0..=max).contains(buffer)) {
            let message = format!("buffer={buffer} is out of range: use 0 to {max} seconds");
            return Err(Error::invalid(message));
        }
        if codec == Some(CodecChoice::Exactly(Codec::H264)) && fps.is_some() {
            return Err(Error::invalid(NO_FPS_IN_H264));
        }
        let delay = Duration::from_secs_f64(buffer.unwrap_or(0.0));
        let rendition = rendition.unwrap_or(RenditionChoice::Exactly(RenditionName::full()));
        let codec = codec.unwrap_or(CodecChoice::Exactly(Codec::Jpeg));
        Ok(Self { rendition, codec, display, options: ViewOptions { max_fps: fps, delay } })
    }

    /// Selects a track of the stream.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] with the known tracks if there is no such track.
    pub fn select(&self, stream: &Stream) -> Result<TrackSelection, Error> {
        let codec = match self.codec {
            CodecChoice::Auto if self.options.max_fps.is_none() && self.has_h264(stream) => {
                Codec::H264
            }
            CodecChoice::Auto => Codec::Jpeg,
            CodecChoice::Exactly(codec) => codec,
        };
        let fallback = |track: &TrackName| {
            let jpeg = TrackName { codec: Codec::Jpeg, ..track.clone() };
            (self.codec == CodecChoice::Auto && codec != Codec::Jpeg).then_some(jpeg)
        };
        Ok(match &self.rendition {
            RenditionChoice::Auto => {
                let auto = AutoRendition::new(stream, codec, self.display);
                let auto = if self.codec == CodecChoice::Auto { auto.or_jpeg() } else { auto };
                let track = Self::known(stream, auto.track().clone())?;
                TrackSelection { fallback: fallback(&track), track, auto: Some(auto) }
            }
            RenditionChoice::Exactly(rendition) => {
                let track = TrackName { rendition: rendition.clone(), codec };
                let track = Self::known(stream, track)?;
                TrackSelection { fallback: fallback(&track), track, auto: None }
            }
        })
    }

    /// Restricts the request to JPEG, for transports that send nothing else.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the request names another codec.
    pub fn jpeg_only(self) -> Result<Self, Error> {
        match self.codec {
            CodecChoice::Exactly(Codec::H264) => Err(Error::invalid(ONLY_JPEG)),
            CodecChoice::Auto | CodecChoice::Exactly(Codec::Jpeg) => {
                Ok(Self { codec: CodecChoice::Exactly(Codec::Jpeg), ..self })
            }
        }
    }

    /// Returns whether the requested rendition exists in H.264. The answer is the same as long as it exists, so that a
    /// repeated request does not switch the codec.
    fn has_h264(&self, stream: &Stream) -> bool {
        stream.status().tracks.iter().map(|entry| &entry.name).any(|track| {
            let is_requested = match &self.rendition {
                RenditionChoice::Auto => true,
                RenditionChoice::Exactly(rendition) => track.rendition == *rendition,
            };
            track.codec == Codec::H264 && is_requested
        })
    }

    fn known(stream: &Stream, track: TrackName) -> Result<TrackName, Error> {
        // Before the first frame a publisher may not have announced any track, but every stream has the full one.
        if track == TrackName::full_jpeg() || is_listed(stream, &track) {
            return Ok(track);
        }
        let tracks = &stream.status().tracks;
        let known: Vec<String> = tracks.iter().map(|track| track.name.to_string()).collect();
        Err(Error::NotFound(format!(
            "stream {} has no track {track}; its tracks: {}",
            stream.name(),
            or_none(&known)
        )))
    }
}

fn is_listed(stream: &Stream, track: &TrackName) -> bool {
    stream.status().tracks.iter().any(|known| known.name == *track)
}

fn or_none(known: &[String]) -> String {
    if known.is_empty() { "none yet".into() } else { known.join(", ") }
}
