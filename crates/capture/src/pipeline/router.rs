//! The router: decides for each frame of the source whether it is passed through, transcoded, both or neither.
//!
//! It runs on the thread that reads the source, and never waits for a decoder or an encoder.

use std::sync::Arc;

use fanlight_codec::jpeg::{self, RepairedJpeg};
use fanlight_protocol::{Codec, Rendition as Name};

use super::Resources;
use super::ladder::Ladder;
use super::outcome::Outcome;
use super::passthrough::Passthrough;
use super::rendition::Rendition;
use super::track::Track;
use super::transcoder::{PendingFrame, Transcoder};
use crate::frame::latest::Buffers;
use crate::frame::{Picture, RawFrame};
use crate::options::StreamSettings;
use crate::pixels::orientation::Orientation;
use crate::pixels::{self, Size};
use crate::source::SourceError;
use crate::source::run::PushError;
use crate::status::Status;

/// The router of one stream, with everything that it routes to.
#[derive(Debug)]
pub(super) struct Router {
    ladder: Arc<Ladder>,
    passthrough: Arc<Passthrough>,
    transcoder: Arc<Transcoder>,
    outcome: Arc<Outcome>,
    orientation: Orientation,
}

impl Router {
    /// Creates the tracks of a stream, and what fills them.
    pub(super) fn new(settings: &StreamSettings, resources: &Resources<'_>) -> Self {
        let outcome = Arc::<Outcome>::default();
        let ladder = Arc::new(Ladder::new(settings, resources, &outcome));
        let passthrough = Arc::new(Passthrough::new(settings, outcome.clone()));
        let transcoder = Transcoder::new(
            settings,
            ladder.clone(),
            passthrough.clone(),
            outcome.clone(),
            resources.pool,
        );
        Self { ladder, passthrough, transcoder, outcome, orientation: settings.orientation }
    }

    /// Returns the renditions and their tracks.
    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Returns the buffers for pixels of the source's own size.
    pub(super) fn buffers(&self) -> &Buffers {
        self.transcoder.buffers()
    }

    /// Starts a track that has its first viewer. The viewer gets a frame even if it equals the last one. Other tracks
    /// are not affected.
    pub(super) fn start_track(&self, track: &Track) {
        self.transcoder.forget_duplicates();
        if track.codec() == Codec::H264 {
            track.request_keyframe();
            if track.topic().track.rendition == Name::full() {
                self.passthrough.restart();
            }
        }
    }

    /// Stops a track that is no longer watched. Its encoder is closed when a thread is free.
    pub(super) fn stop_track(&self, track: &Track) {
        track.close_encoder();
    }

    /// Releases what is kept for the next frame, because no viewer watches the stream. If the source is not `closed`,
    /// its next frame follows the last one.
    pub(super) fn pause(&self, closed: bool) {
        self.transcoder.pause();
        self.passthrough.pause(closed);
        self.ladder.renditions().iter().for_each(Rendition::pause);
    }

    /// Routes a frame of the source.
    ///
    /// # Errors
    /// Fails if the frame is damaged, or if the source must be opened again.
    pub(super) fn route(&self, frame: RawFrame, status: &Status) -> Result<(), PushError> {
        self.outcome.report(status);
        let RawFrame { picture, times } = frame;
        let (picture, size) = inspect(picture)?;
        status.set_size(self.orientation.size(size));
        match (&picture, self.ladder.watched_full(Codec::H264).map(Arc::as_ref)) {
            (Picture::H264(unit), full) => {
                self.passthrough.push_h264(unit, times, full, status.name());
            }
            (_, Some(full)) => full.set_passthrough(false),
            _ => {}
        }
        // A viewer that joins during this call gets the next frame. No frame of H.264 can be left out; its pixels are
        // compared after decoding.
        let is_h264 = matches!(picture, Picture::H264(_));
        if !self.ladder.is_watched() || !is_h264 && self.transcoder.is_duplicate(&picture) {
            self.transcoder.recycle(picture);
            return Ok(());
        }
        let passed = self.passthrough.codec(&picture);
        let full = self.ladder.watched_full(Codec::Jpeg).filter(|_| passed == Some(Codec::Jpeg));
        let due = full.filter(|full| full.is_due(times.captured_at));
        let is_needed = self.transcoder.is_needed(passed, times);
        if is_h264 {
            self.transcoder.check_entry_wait(is_needed, times)?;
        }
        match (picture, due) {
            (Picture::Jpeg(payload), Some(full)) if !is_needed => {
                self.passthrough.publish_jpeg(full, payload, size, times);
            }
            (picture, _) if !is_needed => self.transcoder.recycle(picture),
            (picture, due) => {
                if let (Picture::Jpeg(bytes), Some(full)) = (&picture, due) {
                    self.passthrough.publish_jpeg(full, bytes.clone(), size, times);
                }
                self.transcoder.put(PendingFrame { picture, size, times, passed });
            }
        }
        Ok(())
    }
}

/// Returns a frame and its size. A JPEG is parsed, and repaired if necessary.
fn inspect(picture: Picture) -> Result<(Picture, Size), SourceError> {
    match picture {
        Picture::Pixels(pixels) => {
            let size = pixels::size_of(&pixels);
            Ok((Picture::Pixels(pixels), size))
        }
        Picture::Jpeg(bytes) => {
            let RepairedJpeg { bytes, width, height } =
                jpeg::repair(bytes).map_err(|damage| SourceError::NotAVideo(damage.to_string()))?;
            Ok((Picture::Jpeg(bytes), (width, height)))
        }
        Picture::H264(unit) => {
            let size = (unit.width, unit.height);
            Ok((Picture::H264(unit), size))
        }
    }
}
