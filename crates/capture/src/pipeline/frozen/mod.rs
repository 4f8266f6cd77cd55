//! The check of one stream for a source that repeats the same picture, on the thread that reads the source. [`blocks`] is
//! the part that needs decoded pictures.

mod blocks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanlight_protocol::Timestamp;
use parking_lot::Mutex;

use crate::frame::frozen::{FrozenDetector, FrozenMode, SamePicture};
use crate::frame::{CaptureTimes, FrameData};
use crate::options::StreamSettings;
use crate::pixels::Size;
use crate::status::SourceStatus;
use crate::threads::pool::WorkerPool;
use blocks::BlockCheck;

/// The check of one stream. It remembers the last picture while the source is closed, so that a frozen camera is
/// reported again with its first frames.
#[derive(Debug)]
pub(super) struct FrozenCheck {
    check: Check,
    /// Set while the check is off because the source plays a recording, in which a still scene is no fault.
    exempt: AtomicBool,
    /// Set if recordings are checked too, because the user asked for it.
    requested: bool,
}

#[derive(Debug)]
enum Check {
    Off,
    Bytes(Mutex<Bytes>),
    Blocks(Arc<BlockCheck>),
}

#[derive(Debug, Default)]
struct Bytes {
    last: SamePicture,
    detector: FrozenDetector,
}

impl FrozenCheck {
    /// Creates the check of a stream with these settings.
    pub(super) fn new(settings: &StreamSettings, pool: &WorkerPool) -> Self {
        // Equal frames are expected if the user drops them.
        let default = if settings.drop_same > 0 { FrozenMode::Off } else { FrozenMode::Bytes };
        let check = match settings.frozen.unwrap_or(default) {
            FrozenMode::Off => Check::Off,
            FrozenMode::Bytes => Check::Bytes(Mutex::default()),
            FrozenMode::Blocks => Check::Blocks(BlockCheck::new(settings, pool)),
        };
        Self { check, exempt: AtomicBool::new(false), requested: settings.frozen.is_some() }
    }

    /// Notes that the source was opened, and whether it plays a recording.
    pub(super) fn opened(&self, recorded: bool) {
        self.exempt.store(recorded && !self.requested, Ordering::Relaxed);
    }

    /// Notes a frame of the source of this size, and reports whether the source is frozen.
    pub(super) fn note(
        &self,
        data: &FrameData,
        size: Size,
        times: CaptureTimes,
        status: &SourceStatus,
    ) {
        if !self.exempt.load(Ordering::Relaxed) {
            status.set_frozen(self.frozen_since(data, size, times.captured_at));
        }
    }

    fn frozen_since(
        &self,
        data: &FrameData,
        size: Size,
        captured_at: Timestamp,
    ) -> Option<Timestamp> {
        match &self.check {
            Check::Off => None,
            Check::Bytes(bytes) => {
                let Bytes { last, detector } = &mut *bytes.lock();
                detector.note(last.is_same(data), captured_at)
            }
            Check::Blocks(blocks) => blocks.note(data, size, captured_at),
        }
    }
}
