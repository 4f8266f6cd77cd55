//! One rendition of a stream: pixels of one size, and the tracks encoded from them.

use std::sync::Arc;

use fanlight_protocol::{Codec, RenditionName};

use super::Resources;
use super::encoded_track::{EncodedTrack, Pixels};
use super::outcome::Outcome;
use crate::encode::EncoderSettings;
use crate::frame::CaptureTimes;
use crate::frame::latest::Buffers;
use crate::options::StreamSettings;
use crate::pixels::{Image, Size};
use crate::rendition_settings::{RenditionSettings, RenditionSize};

/// One rendition.
#[derive(Debug)]
pub(super) struct Rendition {
    name: RenditionName,
    size: RenditionSize,
    limited: bool,
    /// The JPEG track and, if there is an encoder, the H.264 track.
    tracks: Vec<Arc<EncodedTrack>>,
    buffers: Arc<Buffers>,
}

impl Rendition {
    /// Creates a rendition of a stream with its tracks.
    pub(super) fn new(
        stream: &StreamSettings,
        settings: &RenditionSettings,
        resources: &Resources<'_>,
        outcome: &Arc<Outcome>,
    ) -> Self {
        let jpeg = EncoderSettings::Jpeg(settings.quality);
        let h264 = stream.encoder.as_ref().map(|name| EncoderSettings::H264(name.clone()));
        let buffers = Arc::<Buffers>::default();
        let track = |encoder| {
            EncodedTrack::new(&stream.name, settings, encoder, resources, &buffers, outcome)
        };
        Self {
            name: settings.name.clone(),
            size: settings.size,
            limited: settings.fps.is_some(),
            tracks: [jpeg].into_iter().chain(h264).map(track).collect(),
            buffers,
        }
    }

    /// Returns the tracks, one for each codec.
    pub(super) fn tracks(&self) -> &[Arc<EncodedTrack>] {
        &self.tracks
    }

    /// Returns the size of the rendition for a source of this size.
    pub(super) fn size(&self, full: Size) -> Size {
        self.size.of(full)
    }

    /// Returns whether this is the full rendition, to which frames of the source can be passed through.
    pub(super) fn is_full(&self) -> bool {
        self.name == RenditionName::full()
    }

    /// Returns whether there is a frame rate limit. A frame that such a rendition misses may have been one too many
    /// anyway.
    pub(super) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Returns the watched tracks that need the pixels of a frame. The full rendition got it by passthrough in the
    /// codec `passed`, if any.
    pub(super) fn needing_pixels(
        &self,
        passed: Option<Codec>,
    ) -> impl Iterator<Item = &Arc<EncodedTrack>> {
        let has_it = move |track: &EncodedTrack| self.is_full() && passed == Some(track.codec());
        self.tracks.iter().filter(move |track| track.is_watched() && !has_it(track))
    }

    /// Returns those of them that accept a frame now and for which it is due.
    pub(super) fn due(&self, passed: Option<Codec>, times: CaptureTimes) -> Vec<Arc<EncodedTrack>> {
        let due = |track: &&Arc<EncodedTrack>| {
            track.accepts(times.read_at) && track.is_due(times.captured_at)
        };
        self.needing_pixels(passed).filter(due).cloned().collect()
    }

    /// Returns a buffer for the next frame.
    pub(super) fn buffer(&self) -> Image {
        self.buffers.take()
    }

    /// Gives an image of the rendition's size to these of its tracks. It is encoded when threads are free.
    pub(super) fn put(&self, image: Image, times: CaptureTimes, tracks: Vec<Arc<EncodedTrack>>) {
        let image = Arc::new(image);
        for track in tracks {
            track.put(Pixels { image: image.clone(), times });
        }
        self.buffers.recycle_shared(image);
    }

    /// Releases what is kept for the next frame, because no viewer watches the stream.
    pub(super) fn pause(&self) {
        for track in &self.tracks {
            track.discard_pending();
            track.close_encoder();
        }
        self.buffers.clear();
    }
}
