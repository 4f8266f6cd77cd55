//! The source's own H.264: stored since its last entry, and passed through to the full H.264 track.

use std::sync::{Arc, Mutex};

mod progress;

use super::gop::{Gop, Unit};
use super::lock;
use super::track::Track;
use crate::frame::{CaptureTimes, Coded, Frame};
use progress::Progress;

/// One source's own H.264.
#[derive(Debug, Default)]
pub(super) struct Passthrough {
    gop: Mutex<Gop>,
    progress: Mutex<Progress>,
}

impl Passthrough {
    /// Stores the newest access unit. Also returns whether keyframes have just turned out to be too far apart.
    pub(super) fn push(&self, coded: Arc<Coded>, taken: CaptureTimes) -> (Unit, bool) {
        lock(&self.gop).push(coded, taken)
    }

    /// Whether keyframes are too far apart for passthrough.
    pub(super) fn is_sparse(&self) -> bool {
        lock(&self.gop).is_sparse()
    }

    /// The stored access units, for a decoder.
    pub(super) fn gop(&self) -> &Mutex<Gop> {
        &self.gop
    }

    /// Sends the full H.264 track what it needs up to the newest unit, if there is passthrough to it. Frames that it will
    /// never get are counted. Returns whether a frame was published.
    pub(super) fn pass_through(&self, full: Option<&Track>, newest: &Unit) -> bool {
        let mut progress = lock(&self.progress);
        let Some(full) = full else {
            *progress = Progress::default();
            return false;
        };
        let mut published = false;
        let withheld = progress.advance(&lock(&self.gop), newest, |unit| {
            let Coded { ref bytes, width, height, keyframe, .. } = *unit.coded;
            let frame =
                Frame::new(bytes.clone(), unit.taken, (width, height), keyframe);
            let sent = full.publish(frame);
            published |= sent;
            sent
        });
        full.tally().withhold(withheld);
        published
    }

    /// The full H.264 track got its first viewer: it begins at a keyframe.
    pub(super) fn begin(&self) {
        *lock(&self.progress) = Progress::default();
    }

    /// No track is watched for a while. The stored units are released if the source is `closed`.
    pub(super) fn rest(&self, closed: bool) {
        if closed {
            lock(&self.gop).clear();
        }
        self.begin();
    }
}
