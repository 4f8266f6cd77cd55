//! Where pictures come from. Knows nothing of encoding and publishing.
//!
//! - [`spec`]: what a user may write as SOURCE;
//! - [`test_picture`], [`webcam`], [`mod@file`], [`mod@url`]: the four kinds, each behind [`Source`];
//! - [`pacing`]: when the pictures of something recorded are due;
//! - [`error`]: what can go wrong, in the words of a camera's owner.

pub mod error;
pub mod file;
pub mod mode;
pub mod pacing;
pub mod spec;
pub mod test_picture;
pub mod url;
pub mod webcam;

use std::time::{Duration, Instant};

use fanlight_program::stop::Shutdown;
use fanlight_protocol::{StreamName, Timestamp};
use opencv::core::Mat;

pub use error::SourceError;
pub use spec::SourceSpec;

/// An opened source. It lives on one thread, which may block in it.
pub trait Source {
    /// What was opened.
    fn about(&self) -> &About;

    /// Waits for the next picture and takes hold of it, at as little cost as possible; `None` at the end.
    ///
    /// # Errors
    /// When no further picture can be expected of what is open now.
    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError>;

    /// Turns the picture last grabbed into pixels, in `pixels`, whose former content does not matter.
    ///
    /// # Errors
    /// When the picture cannot be decoded.
    fn retrieve(&mut self, pixels: &mut Mat) -> Result<(), SourceError>;
}

/// What a source says of itself once it is open.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// In words, for the log: what was given, where it can differ from what was asked for.
    pub description: String,
    /// The time from picture to picture, where it is known.
    pub interval: Option<Duration>,
}

/// A picture the source holds, not yet made into pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grabbed {
    /// When it was captured, by this process's clock.
    pub captured_at: Timestamp,
    /// Pictures passed over since the one before, because this process came too late for them.
    pub skipped: u64,
}

/// Opens a source. May block for as long as its time-outs say, but for no longer once `stop` was requested.
///
/// # Errors
/// When it cannot be opened; trying again later may help.
pub fn open(
    spec: &SourceSpec,
    name: &StreamName,
    stop: &Shutdown,
) -> Result<Box<dyn Source>, SourceError> {
    Ok(match spec {
        SourceSpec::Test(mode) => {
            Box::new(test_picture::TestPicture::new(name, *mode, stop.clone())?)
        }
        SourceSpec::Webcam { device, mode } => {
            Box::new(webcam::Webcam::open(device, *mode, stop.clone())?)
        }
        SourceSpec::File { path, looped } => {
            Box::new(file::File::open(path, *looped, stop.clone())?)
        }
        SourceSpec::Url(url) => Box::new(url::Live::open(url, stop.clone())?),
    })
}

/// Sleeps until then, or until `stop` is requested; says whether it was.
fn sleep_until(moment: Instant, stop: &Shutdown) -> bool {
    stop.wait_timeout(moment.saturating_duration_since(Instant::now()))
}
