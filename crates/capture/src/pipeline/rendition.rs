//! One rendition of a stream: pixels of one size, and the tracks that they become.

use std::sync::Arc;

use fanlight_bus::Publisher;
use fanlight_protocol::{Codec, Rendition as Name, StreamName};
use opencv::core::Mat;

use super::track::{Pixels, Track};
use crate::encode::h264::EncoderName;
use crate::encode::{EncodeError, EncoderSettings, Encoders};
use crate::frame::CaptureTimes;
use crate::frame::latest::Buffers;
use crate::pixels::Size;
use crate::rendition::{Measure, RenditionSettings};
use crate::threads::pool::WorkerPool;
use crate::threads::watchdog::Watchdog;

/// One rendition.
#[derive(Debug)]
pub(super) struct Rendition {
    name: Name,
    measure: Measure,
    capped: bool,
    /// As JPEG, and as H.264 where there is an encoder.
    tracks: Vec<Arc<Track>>,
    buffers: Buffers,
}

impl Rendition {
    pub(super) fn new(
        stream: &StreamName,
        settings: &RenditionSettings,
        h264: Option<&EncoderName>,
        encoders: &Arc<Encoders>,
        publisher: &Publisher,
    ) -> Self {
        let jpeg = EncoderSettings::Jpeg(settings.quality);
        let h264 = h264.map(|name| EncoderSettings::H264(name.clone()));
        let track = |of| Track::new(stream, settings, of, encoders, publisher);
        Self {
            name: settings.name.clone(),
            measure: settings.measure,
            capped: settings.fps.is_some(),
            tracks: [jpeg].into_iter().chain(h264).map(track).collect(),
            buffers: Buffers::default(),
        }
    }

    /// Its tracks, one a codec.
    pub(super) fn tracks(&self) -> &[Arc<Track>] {
        &self.tracks
    }

    /// The size of its pictures, for a source of this size.
    pub(super) fn size(&self, full: Size) -> Size {
        self.measure.of(full)
    }

    /// Whether it is the full rendition, which goes out as what a source has encoded itself.
    pub(super) fn is_full(&self) -> bool {
        self.name == Name::full()
    }

    /// Whether it may have fewer pictures than the source: what it misses need not have been meant for it.
    pub(super) fn is_capped(&self) -> bool {
        self.capped
    }

    /// Its tracks that are watched and need a picture's pixels, if the full rendition was `passed_on` in a codec already.
    pub(super) fn needing(&self, passed_on: Option<Codec>) -> impl Iterator<Item = &Arc<Track>> {
        let has_it = move |track: &Track| self.is_full() && passed_on == Some(track.codec());
        self.tracks.iter().filter(move |track| track.is_watched() && !has_it(track))
    }

    /// Those of them that are given the picture taken then.
    pub(super) fn due(&self, passed_on: Option<Codec>, taken: CaptureTimes) -> Vec<Arc<Track>> {
        let due =
            |track: &&Arc<Track>| track.accepts(taken.read_at) && track.is_due(taken.captured_at);
        self.needing(passed_on).filter(due).cloned().collect()
    }

    /// A buffer for the next picture.
    pub(super) fn buffer(&self) -> Mat {
        self.buffers.take()
    }

    /// Takes pixels of its size for these of its tracks, to be encoded as soon as threads are free.
    pub(super) fn put(
        &self,
        pixels: Mat,
        taken: CaptureTimes,
        tracks: Vec<Arc<Track>>,
        workshop: &WorkerPool,
    ) {
        let pixels = Arc::new(pixels);
        for track in tracks {
            let overtaken = track.put(Pixels { pixels: pixels.clone(), taken }, workshop);
            overtaken.into_iter().for_each(|Pixels { pixels, .. }| self.recycle(pixels));
        }
        self.recycle(pixels);
    }

    /// The last track that is done with pixels gives their buffer back.
    fn recycle(&self, pixels: Arc<Mat>) {
        if let Some(pixels) = Arc::into_inner(pixels) {
            self.buffers.recycle(pixels);
        }
    }

    /// Releases what is kept for the next picture.
    pub(super) fn rest(&self, workshop: &WorkerPool) {
        for track in &self.tracks {
            track.take();
            track.rest(workshop);
        }
        self.buffers.clear();
    }

    /// Encodes and publishes a track's newest picture; returns whether one went out. Done by the track's job.
    ///
    /// # Errors
    /// Why it cannot be encoded.
    pub(super) fn encode(&self, track: &Track, shift: &Watchdog) -> Result<bool, EncodeError> {
        let Some(Pixels { pixels, taken }) = track.take() else {
            track.rest_if_asked();
            return Ok(false);
        };
        let encoded = track.encode(&pixels, taken);
        self.recycle(pixels);
        // After a thread was stuck, the encoder is another thread's.
        if !shift.is_over() {
            // An encoder at rest holds many megabytes.
            track.rest_if_asked();
        }
        encoded
    }
}
