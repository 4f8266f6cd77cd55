//! The router: decides for each frame of the source whether it is passed through, transcoded, both or neither.
//!
//! It runs on the thread that reads the source, and never waits for a decoder or an encoder.

use std::sync::Arc;

use fanlight_codec::jpeg::{self, RepairedJpeg};
use fanlight_protocol::{Codec, RenditionName, StreamName};

use super::Resources;
use super::encoded_track::EncodedTrack;
use super::ladder::Ladder;
use super::outcome::Outcome;
use super::passthrough::Passthrough;
use super::rendition::Rendition;
use super::transcoder::{PendingFrame, Transcoder};
use crate::frame::latest::Buffers;
use crate::frame::{CaptureTimes, FrameData, RawFrame};
use crate::options::StreamSettings;
use crate::pixels::orientation::Orientation;
use crate::pixels::{self, Size};
use crate::source::SourceError;
use crate::source::lifecycle::PushError;
use crate::status::SourceStatus;

/// The router of one stream, with everything that it routes to.
#[derive(Debug)]
pub(super) struct Router {
    ladder: Arc<Ladder>,
    passthrough: Arc<Passthrough>,
    transcoder: Arc<Transcoder>,
    outcome: Arc<Outcome>,
    orientation: Orientation,
    /// The source is read without viewers.
    keep_open: bool,
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
        let (orientation, keep_open) = (settings.orientation, settings.keep_open);
        Self { ladder, passthrough, transcoder, outcome, orientation, keep_open }
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
    pub(super) fn start_track(&self, track: &EncodedTrack) {
        self.transcoder.forget_duplicates();
        if track.codec() == Codec::H264 {
            track.request_keyframe();
            if track.topic().track.rendition == RenditionName::full() {
                self.passthrough.restart();
            }
        }
    }

    /// Stops a track that is no longer watched. Its encoder is closed when a thread is free.
    pub(super) fn stop_track(&self, track: &EncodedTrack) {
        track.close_encoder();
    }

    /// Releases what is kept for the next frame, because no viewer watches the stream. If the source is not `closed`,
    /// its next frame follows the last one.
    pub(super) fn pause(&self, closed: bool) {
        // Without an entry point, only the present decoder can decode the next frame.
        self.transcoder.pause(closed || self.passthrough.has_entry());
        self.passthrough.pause(closed);
        self.ladder.renditions().iter().for_each(Rendition::pause);
    }

    /// Routes a frame of the source.
    ///
    /// # Errors
    /// Fails if the frame is damaged, or if the source must be opened again.
    pub(super) fn route(&self, frame: RawFrame, status: &SourceStatus) -> Result<(), PushError> {
        self.outcome.report(status);
        let RawFrame { data, times } = frame;
        let (data, size) = inspect(data)?;
        status.set_size(self.orientation.size(size));
        let is_waiting = self.pass_h264(&data, times, status.name());
        // A viewer that joins during this call gets the next frame. No frame of H.264 can be left out; its pixels are
        // compared after decoding.
        let is_h264 = matches!(data, FrameData::H264(_));
        if !self.ladder.is_watched() {
            // The decoder of a source that is kept open must not lose its place.
            match is_h264 && self.keep_open && self.passthrough.is_outgrown() {
                true => self.transcoder.put(PendingFrame { data, size, times, passed: None }),
                false => self.transcoder.recycle(data),
            }
            return Ok(());
        }
        if !is_h264 && self.transcoder.is_duplicate(&data) {
            self.transcoder.recycle(data);
            return Ok(());
        }
        let passed = self.passthrough.codec(&data);
        let full = self.ladder.watched_full(Codec::Jpeg).filter(|_| passed == Some(Codec::Jpeg));
        let due = full.filter(|full| full.is_due(times.captured_at));
        let is_needed = self.transcoder.is_needed(passed, times);
        if is_h264 {
            self.transcoder.check_entry_wait(is_needed || is_waiting, times)?;
        }
        if is_waiting {
            self.transcoder.wait_for_entry(times);
        }
        match (data, due) {
            (FrameData::Jpeg(payload), Some(full)) if !is_needed => {
                self.passthrough.publish_jpeg(full, payload, size, times);
            }
            (data, _) if !is_needed => self.transcoder.recycle(data),
            (data, due) => {
                if let (FrameData::Jpeg(bytes), Some(full)) = (&data, due) {
                    self.passthrough.publish_jpeg(full, bytes.clone(), size, times);
                }
                self.transcoder.put(PendingFrame { data, size, times, passed });
            }
        }
        Ok(())
    }

    /// Passes the source's own H.264 to the full H.264 track. Returns whether that track waits for a keyframe.
    fn pass_h264(&self, data: &FrameData, times: CaptureTimes, stream: &StreamName) -> bool {
        let full = self.ladder.watched_full(Codec::H264).map(Arc::as_ref);
        if let FrameData::H264(unit) = data {
            return self.passthrough.push_h264(unit, times, full, stream);
        }
        if let Some(full) = full {
            full.set_passthrough(false);
        }
        false
    }
}

/// Returns a frame and its size. A JPEG is parsed, and repaired if necessary.
fn inspect(data: FrameData) -> Result<(FrameData, Size), SourceError> {
    match data {
        FrameData::Pixels(pixels) => {
            let size = pixels::size_of(&pixels);
            Ok((FrameData::Pixels(pixels), size))
        }
        FrameData::Jpeg(bytes) => {
            let RepairedJpeg { bytes, width, height } =
                jpeg::repair(bytes).map_err(|damage| SourceError::NotAVideo(damage.to_string()))?;
            Ok((FrameData::Jpeg(bytes), (width, height)))
        }
        FrameData::H264(unit) => {
            let size = (unit.width, unit.height);
            Ok((FrameData::H264(unit), size))
        }
    }
}
