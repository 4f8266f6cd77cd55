//! The contract between sources and the pipeline.

use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use fanlight_protocol::Timestamp;

use super::error::SourceError;
use super::pacing;
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::pixels::colours::StatedColours;
use crate::stall;

/// An opened source. It stays on one thread, which it may block.
pub trait Source {
    /// Describes the opened source.
    fn about(&self) -> &About;

    /// Waits for the next frame and holds it, at the lowest possible cost. Returns `None` at the end.
    ///
    /// # Errors
    /// Fails if the source must be reopened.
    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError>;

    /// Returns the frame grabbed last: the camera's own JPEG or H.264 if available, otherwise pixels in one of
    /// `buffers`. Called at most once for each grab.
    ///
    /// # Errors
    /// Fails if the frame is damaged.
    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError>;

    /// Returns the time of the frame grabbed last by the source's own clock, unchanged, if the source has one. Its offset
    /// from this process's clock is not known.
    fn own_time(&self) -> Option<Timestamp> {
        None
    }

    /// Returns what the source decodes or converts to pixels, if it does not deliver its frames as they are.
    fn decoded_from(&self) -> Option<DecodedFrom> {
        None
    }

    /// Returns whether no frame may be dropped, because later ones refer to it. Retrieving is cheap then.
    fn needs_every_frame(&self) -> bool {
        false
    }

    /// Returns whether the source can stay open without being read while it has no viewer, at no cost and without
    /// losing frames.
    fn can_pause(&self) -> bool {
        false
    }

    /// Continues after a pause.
    fn resume(&mut self) {}
}

/// The properties of an opened source.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// For the log: what the source delivers, if that may differ from the request.
    pub description: String,
    /// The frame interval, if known.
    pub interval: Option<Duration>,
    /// True for a recording, which is played at its own pace with possible pauses.
    pub recorded: bool,
}

impl About {
    /// Returns the time without a frame after which the source counts as stalled.
    pub fn stall_limit(&self) -> Duration {
        let longest = if self.recorded { pacing::LONGEST_STEP } else { Duration::ZERO };
        stall::limit(self.interval).max(longest)
    }
}

/// The form of a source's frames before it decodes or converts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedFrom {
    /// The codec or pixel format.
    pub format: String,
    /// The colours, if known.
    pub colours: Option<StatedColours>,
    /// The reason why the frames are not delivered as they are.
    pub reason: String,
}

/// A frame that the source holds and has not decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grabbed {
    /// The capture time, by this process's clock.
    pub captured_at: Timestamp,
    /// The number of frames skipped before it, because this process was too late for them.
    pub skipped: u64,
}

/// Opens one source, any number of times.
pub trait SourceFactory {
    /// Opens the source. May block up to its timeouts, but returns soon after `stop` is requested.
    ///
    /// # Errors
    /// Fails if it cannot be opened. A later attempt may succeed.
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError>;

    /// Checks that the source is still available, as far as possible without opening it.
    ///
    /// # Errors
    /// Fails if it is not available, with the reason.
    fn check(&self) -> Result<(), SourceError>;

    /// Returns whether to open the source once without a viewer, to learn its state and frame size.
    fn opens_at_start(&self) -> bool {
        true
    }

    /// Returns the interval at which to call [`SourceFactory::check`].
    fn check_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Returns how long one frame may take before the thread counts as stuck: longer than all timeouts of the source
    /// itself.
    fn frame_timeout(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Returns a factory with the same knowledge, for a thread that replaces a stuck one.
    fn clone_box(&self) -> Box<dyn SourceFactory + Send>;
}
