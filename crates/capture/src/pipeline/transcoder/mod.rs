//! The transcoder: from a frame of the source to the pixels of each rendition that is watched. Each frame is decoded
//! once, and scaled from the larger renditions to the smaller ones.
//!
//! This file has the part that runs on the thread that reads the source; [`process`] has the part that runs as a task.

mod process;

use std::sync::Arc;

use fanlight_protocol::Codec;
use parking_lot::Mutex;

use super::decoding::H264Decoding;
use super::entry_wait::EntryWait;
use super::ladder::Ladder;
use super::outcome::Outcome;
use super::passthrough::Passthrough;
use super::replaceable::Replaceable;
use crate::frame::duplicates::Duplicates;
use crate::frame::latest::Buffers;
use crate::frame::{CaptureTimes, FrameData};
use crate::options::StreamSettings;
use crate::pixels::Size;
use crate::pixels::decode::JpegDecoder;
use crate::pixels::orientation::Orientation;
use crate::pixels::overlay::Overlay;
use crate::source::SourceError;
use crate::source::lifecycle::PushError;
use crate::threads::pool::{Task, WorkerPool};

const STUCK: &str = "cannot decode frames: the decoder does not answer";

/// The transcoder of one stream.
#[derive(Debug)]
pub(super) struct Transcoder {
    ladder: Arc<Ladder>,
    passthrough: Arc<Passthrough>,
    outcome: Arc<Outcome>,
    orientation: Orientation,
    overlay: Option<Overlay>,
    /// Pixels of the source's own size.
    buffers: Buffers,
    duplicates: Mutex<Duplicates>,
    decoders: Replaceable<Decoders>,
    work: Mutex<SharedWork>,
    pool: WorkerPool,
    /// Processes the pending frame.
    task: Arc<Task>,
}

/// The state shared by the thread that reads the source and the task. The lock is held for moments only.
#[derive(Debug, Default)]
struct SharedWork {
    /// The frame to process next: the newest wins.
    pending: Option<PendingFrame>,
    /// The codec in which the frame that is being processed was passed through.
    passed: Option<Codec>,
    /// The decoders must be closed before the next frame.
    must_close: bool,
    /// The wait of the H.264 decoder for an entry point.
    entry_wait: EntryWait,
}

/// The decoders. Only the thread that runs the task uses them.
#[derive(Debug, Default)]
struct Decoders {
    jpeg: JpegDecoder,
    h264: H264Decoding,
}

/// A frame that waits to become the pixels of renditions.
#[derive(Debug)]
pub(super) struct PendingFrame {
    pub(super) data: FrameData,
    /// The source's own size.
    pub(super) size: Size,
    pub(super) times: CaptureTimes,
    /// The codec in which the full rendition got the frame by passthrough.
    pub(super) passed: Option<Codec>,
}

impl Transcoder {
    /// Creates the transcoder of a stream with these settings.
    pub(super) fn new(
        settings: &StreamSettings,
        ladder: Arc<Ladder>,
        passthrough: Arc<Passthrough>,
        outcome: Arc<Outcome>,
        pool: &WorkerPool,
    ) -> Arc<Self> {
        let name = settings.name.to_string();
        Arc::new_cyclic(|transcoder| Self {
            ladder,
            passthrough,
            outcome,
            orientation: settings.orientation,
            overlay: settings.overlay.map(|zone| Overlay::new(zone, &settings.name)),
            buffers: Buffers::default(),
            duplicates: Mutex::new(Duplicates::new(settings.drop_same)),
            decoders: Replaceable::new(Decoders::default),
            work: Mutex::default(),
            pool: pool.clone(),
            task: Task::of(transcoder, "decoding", name, Self::process, Self::replace_decoders),
        })
    }

    /// Returns the buffers for pixels of the source's own size.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Returns whether a frame equals the one before and can be dropped.
    pub(super) fn is_duplicate(&self, data: &FrameData) -> bool {
        self.duplicates.lock().is_duplicate(data)
    }

    /// Makes the next frame no duplicate, for a new viewer.
    pub(super) fn forget_duplicates(&self) {
        self.duplicates.lock().forget();
    }

    /// Keeps the buffer of a frame that is not needed.
    pub(super) fn recycle(&self, data: FrameData) {
        if let FrameData::Pixels(image) = data {
            self.buffers.recycle(image);
        }
    }

    /// Returns whether any track needs the pixels of a frame that was `passed` through in a codec. Tracks that cannot
    /// get the frame now count it.
    pub(super) fn is_needed(&self, passed: Option<Codec>, times: CaptureTimes) -> bool {
        let decodes = self.task.is_usable();
        let mut is_needed = false;
        for (_, track) in self.ladder.needing_pixels(passed) {
            match (decodes, track.accepts(times.read_at)) {
                (true, true) => is_needed = true,
                (true, false) => track.counters().withhold(1),
                (false, _) => {
                    track.fail(STUCK);
                    self.outcome.failed(STUCK.into());
                }
            }
        }
        is_needed
    }

    /// Ends the wait of the H.264 decoder for an entry point if it takes too long.
    pub(super) fn check_entry_wait(
        &self,
        is_needed: bool,
        times: CaptureTimes,
    ) -> Result<(), PushError> {
        let wait = &mut self.work.lock().entry_wait;
        let waited = wait.waited(times.read_at);
        if !is_needed {
            wait.pause();
        } else if wait.is_over(times.read_at) {
            return Err(PushError::Reopen(SourceError::NoKeyframe(waited)));
        }
        Ok(())
    }

    /// Notes that a track waits for an entry point.
    pub(super) fn wait_for_entry(&self, times: CaptureTimes) {
        let waited = self.work.lock().entry_wait.wait(times.read_at);
        if let Some(waited) = waited {
            self.outcome.waits(SourceError::NoKeyframe(waited).to_string());
        }
    }

    /// Takes a frame to be processed when a thread is free. It replaces a frame that was not processed in time. If no
    /// track needs the pixels of H.264, the decoder still follows.
    pub(super) fn put(&self, frame: PendingFrame) {
        let replaced = self.work.lock().pending.replace(frame);
        if let Some(replaced) = replaced {
            let read_at = replaced.times.read_at;
            // A track with a frame rate limit need not have been meant to get the frame.
            let missed = self.ladder.needing_pixels(replaced.passed);
            let missed = missed.filter(|(one, track)| !one.is_limited() && track.accepts(read_at));
            missed.for_each(|(_, track)| track.counters().drop_frames(1));
            self.recycle(replaced.data);
        }
        self.pool.schedule(&self.task);
    }

    /// Releases what is kept for the next frame, because no viewer watches the stream. The decoders are closed if
    /// `closes`.
    pub(super) fn pause(&self, closes: bool) {
        let mut work = self.work.lock();
        work.pending = None;
        work.entry_wait.pause();
        work.must_close |= closes;
        drop(work);
        self.pool.schedule(&self.task);
        self.buffers.clear();
        self.forget_duplicates();
    }
}
