//! The ladder of a stream: all its renditions and their tracks.

use std::sync::Arc;

use fanlight_protocol::Codec;

use super::Resources;
use super::encoded_track::EncodedTrack;
use super::outcome::Outcome;
use super::rendition::Rendition;
use crate::options::StreamSettings;

/// The renditions of one stream, the full one first.
#[derive(Debug)]
pub(super) struct Ladder(Vec<Rendition>);

impl Ladder {
    /// Creates the renditions that the settings list.
    pub(super) fn new(
        settings: &StreamSettings,
        resources: &Resources<'_>,
        outcome: &Arc<Outcome>,
    ) -> Self {
        let rendition = |one| Rendition::new(settings, one, resources, outcome);
        Self(settings.renditions.iter().map(rendition).collect())
    }

    /// Returns the renditions.
    pub(super) fn renditions(&self) -> &[Rendition] {
        &self.0
    }

    /// Returns all tracks, each with its rendition: first all JPEG tracks, then all H.264 tracks.
    pub(super) fn tracks(&self) -> impl Iterator<Item = (&Rendition, &Arc<EncodedTrack>)> {
        [Codec::Jpeg, Codec::H264].into_iter().flat_map(|codec| {
            let tracks =
                self.0.iter().flat_map(|one| one.tracks().iter().map(move |track| (one, track)));
            tracks.filter(move |(_, track)| track.codec() == codec)
        })
    }

    /// Returns the tracks that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = (&Rendition, &Arc<EncodedTrack>)> {
        self.tracks().filter(|(_, track)| track.is_watched())
    }

    /// Returns whether any track is watched.
    pub(super) fn is_watched(&self) -> bool {
        self.watched().next().is_some()
    }

    /// Returns the track of the full rendition in this codec if it is watched.
    pub(super) fn watched_full(&self, codec: Codec) -> Option<&Arc<EncodedTrack>> {
        let full = self.watched().filter(|(rendition, _)| rendition.is_full());
        full.map(|(_, track)| track).find(|track| track.codec() == codec)
    }

    /// Returns the watched tracks that need the pixels of a frame. The full rendition got it by passthrough in the
    /// codec `passed`, if any.
    pub(super) fn needing_pixels(
        &self,
        passed: Option<Codec>,
    ) -> impl Iterator<Item = (&Rendition, &Arc<EncodedTrack>)> {
        self.0.iter().flat_map(move |one| one.needing_pixels(passed).map(move |track| (one, track)))
    }
}
