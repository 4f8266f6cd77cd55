//! One rendition of a stream: pixels of its size, and the tracks that they become.

use std::sync::Arc;

use fanlight_bus::Publisher;
use fanlight_protocol::{Codec, Rendition as Name, StreamName, Timestamp};
use opencv::core::Mat;

use super::track::Track;
use crate::encode::EncodeError;
use crate::encode::h264::EncoderName;
use crate::hand_over::{Buffers, HandOver};
use crate::picture::Taken;
use crate::pixels::Size;
use crate::rendition::{Measure, RenditionSettings};

/// One rendition.
#[derive(Debug)]
pub(super) struct Rendition {
    name: Name,
    measure: Measure,
    capped: bool,
    /// As JPEG, and as H.264 where there is an encoder.
    tracks: Vec<Arc<Track>>,
    /// Pixels of its size that wait to be encoded.
    place: HandOver<Waiting>,
    buffers: Buffers,
}

/// Pixels, and the tracks that they are for.
#[derive(Debug)]
struct Waiting {
    pixels: Mat,
    taken: Taken,
    tracks: Vec<Arc<Track>>,
}

impl Rendition {
    pub(super) fn new(
        stream: &StreamName,
        settings: &RenditionSettings,
        encoder: Option<&EncoderName>,
        publisher: &Publisher,
    ) -> Self {
        let mut tracks = vec![Track::jpeg(stream, settings, publisher)];
        tracks.extend(encoder.map(|encoder| Track::h264(stream, settings, encoder, publisher)));
        Self {
            name: settings.name.clone(),
            measure: settings.measure,
            capped: settings.fps.is_some(),
            tracks,
            place: HandOver::default(),
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

    /// Its tracks that are watched and wait for a picture's pixels, where the full rendition was `passed_on` in a codec
    /// already.
    pub(super) fn waiting(&self, passed_on: Option<Codec>) -> impl Iterator<Item = &Arc<Track>> {
        let has_it = move |track: &Track| self.is_full() && passed_on == Some(track.codec());
        self.tracks.iter().filter(move |track| track.is_watched() && !has_it(track))
    }

    /// Those of them that are to have the picture captured then.
    pub(super) fn due(&self, passed_on: Option<Codec>, captured_at: Timestamp) -> Vec<Arc<Track>> {
        let due = |track: &&Arc<Track>| track.is_due(captured_at);
        self.waiting(passed_on).filter(due).cloned().collect()
    }

    /// A buffer for the next picture.
    pub(super) fn buffer(&self) -> Mat {
        self.buffers.take()
    }

    /// Takes pixels of its size for these of its tracks, to be encoded as soon as somebody has time.
    pub(super) fn put(&self, pixels: Mat, taken: Taken, tracks: Vec<Arc<Track>>) {
        if let Some(overtaken) = self.place.put(Waiting { pixels, taken, tracks }) {
            overtaken.tracks.iter().for_each(|track| track.tally().drop_frames(1));
            self.buffers.recycle(overtaken.pixels);
        }
    }

    /// Lets go of what is kept for the next picture.
    pub(super) fn rest(&self) {
        self.place.take();
        self.buffers.clear();
        self.tracks.iter().for_each(|track| track.rest());
    }

    /// Encodes and publishes the newest picture; returns whether one went out.
    ///
    /// # Errors
    /// Why it cannot be encoded: the first reason of several.
    pub(super) fn develop(&self) -> Result<bool, EncodeError> {
        let developed = self.place.take().map_or(Ok(false), |waiting| self.develop_one(waiting));
        // Nobody watches these for now, and an encoder at rest holds many megabytes.
        self.tracks.iter().filter(|track| !track.is_watched()).for_each(|track| track.rest());
        developed
    }

    fn develop_one(&self, waiting: Waiting) -> Result<bool, EncodeError> {
        let Waiting { pixels, taken, tracks } = waiting;
        let mut developed = Ok(false);
        for track in &tracks {
            match (track.encode(&pixels, taken), &mut developed) {
                (Ok(gone), Ok(any)) => *any |= gone,
                (Ok(_), Err(_)) => {}
                (Err(reason), first) => {
                    track.tally().note_damage();
                    if first.is_ok() {
                        *first = Err(reason);
                    }
                }
            }
        }
        self.buffers.recycle(pixels);
        developed
    }
}
