//! The router: decides for each frame of the source whether it is passed through, transcoded, both or neither.
//!
//! It runs on the thread that reads the source, and never waits for a decoder or an encoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanlight_codec::jpeg::{self, JpegError, Obstacle, RepairedJpeg};
use fanlight_protocol::{Codec, RenditionName, StreamName};
use parking_lot::Mutex;

use super::Resources;
use super::encoded_track::EncodedTrack;
use super::frozen::FrozenCheck;
use super::ladder::Ladder;
use super::outcome::Outcome;
use super::passthrough::Passthrough;
use super::rendition::Rendition;
use super::transcoder::{PendingFrame, Transcoder};
use crate::frame::latest::Buffers;
use crate::frame::{CaptureTimes, FrameData, RawFrame};
use crate::options::StreamSettings;
use crate::pixels::Size;
use crate::pixels::decode::JpegDecoder;
use crate::pixels::orientation::Orientation;
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
    frozen: FrozenCheck,
    orientation: Orientation,
    /// The source is read without viewers.
    keep_open: bool,
    /// Checks JPEGs whose end marker was missing. Only the thread that reads the source uses it.
    checker: Mutex<JpegDecoder>,
    /// The log has the reason why JPEGs are not passed through.
    obstacle_logged: AtomicBool,
}

/// A frame of the source, inspected.
struct Inspected {
    data: FrameData,
    size: Size,
    /// The reason why a JPEG cannot be passed through.
    obstacle: Option<Obstacle>,
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
        let (frozen, orientation) =
            (FrozenCheck::new(settings, resources.pool), settings.orientation);
        Self {
            ladder,
            passthrough,
            transcoder,
            outcome,
            frozen,
            orientation,
            checker: Mutex::default(),
            keep_open: settings.keep_open,
            obstacle_logged: AtomicBool::new(false),
        }
    }

    /// Returns the renditions and their tracks.
    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Returns the buffers for pixels of the source's own size.
    pub(super) fn buffers(&self) -> &Buffers {
        self.transcoder.buffers()
    }

    /// Notes that the source was opened, and whether it plays a recording.
    pub(super) fn opened(&self, recorded: bool) {
        self.frozen.opened(recorded);
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
        let Inspected { data, size, obstacle } = self.inspect(data)?;
        if let Some(obstacle) = obstacle
            && !self.obstacle_logged.swap(true, Ordering::Relaxed)
        {
            tracing::info!(stream = %status.name(), "the source's JPEG is transcoded: {obstacle}");
        }
        status.set_size(self.orientation.size(size));
        self.frozen.note(&data, size, times, status);
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
        let passed = self.passthrough.codec(&data).filter(|_| obstacle.is_none());
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

    /// Inspects a frame. A JPEG is parsed, and repaired if necessary.
    fn inspect(&self, data: FrameData) -> Result<Inspected, SourceError> {
        let (data, size, obstacle) = match data {
            FrameData::Pixels(image) => {
                let size = image.size();
                (FrameData::Pixels(image), size, None)
            }
            FrameData::Jpeg(bytes) => {
                let RepairedJpeg { bytes, width, height, had_end, obstacle } =
                    jpeg::repair(bytes).map_err(damaged)?;
                if !had_end && !self.checker.lock().is_complete(&bytes) {
                    return Err(damaged(JpegError::Truncated));
                }
                (FrameData::Jpeg(bytes), (width, height), obstacle)
            }
            FrameData::H264(unit) => {
                let size = (unit.width, unit.height);
                (FrameData::H264(unit), size, None)
            }
        };
        Ok(Inspected { data, size, obstacle })
    }
}

fn damaged(damage: JpegError) -> SourceError {
    SourceError::NotAVideo(damage.to_string())
}
