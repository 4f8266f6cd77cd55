//! Where pictures come from. Knows nothing of encoding and publishing.
//!
//! - [`spec`]: what a user may write as SOURCE; [`address`]: a URL, taken apart so that it never shows a password;
//! - [`test_picture`], [`webcam`], [`mod@file`], [`mod@url`], [`exec`]: the kinds, each behind [`Source`];
//! - `jpeg_splitter`, `video`: bytes to pictures, for all who need it;
//! - [`pacing`]: when the pictures of something recorded are due; `rhythm`: how fast others come;
//! - [`error`]: what can go wrong, in the words of a camera's owner.

pub mod address;
pub mod error;
pub mod exec;
pub mod ffmpeg;
pub mod file;
mod jpeg_splitter;
pub mod mode;
pub mod pacing;
mod rhythm;
pub mod run;
pub mod spec;
pub mod test_picture;
pub(crate) mod video;
pub mod webcam;

use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_protocol::{StreamName, Timestamp};

use crate::frame::Picture;
use crate::frame::latest::Buffers;
use crate::stall;
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

    /// The picture last grabbed: as the camera's own JPEG where that is to be had, else as pixels, in one of `buffers`.
    ///
    /// # Errors
    /// When the picture is damaged.
    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError>;

    /// Whether each picture counts, because those after it refer to it; none is expensive then.
    fn each_counts(&self) -> bool {
        false
    }

    /// Whether it can stay as it is while nobody watches: it costs nothing, and misses nothing.
    fn can_pause(&self) -> bool {
        false
    }

    /// Goes on after a pause.
    fn resume(&mut self) {}
}

/// What a source says of itself once it is open.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// In words, for the log: what was given, where it can differ from what was asked for.
    pub description: String,
    /// The time from picture to picture, where it is known.
    pub interval: Option<Duration>,
    /// Whether it is played at its own pace, which may have pauses.
    pub recorded: bool,
}

impl About {
    /// The silence after which it is stalled.
    pub fn silence(&self) -> Duration {
        let longest = if self.recorded { pacing::LONGEST_STEP } else { Duration::ZERO };
        stall::limit(self.interval).max(longest)
    }
}

/// A picture the source holds, not yet made into pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grabbed {
    /// When it was captured, by this process's clock.
    pub captured_at: Timestamp,
    /// Pictures passed over since the one before, because this process came too late for them.
    pub skipped: u64,
}

/// Opens one source, again and again.
pub trait SourceFactory {
    /// Opens it. May block for as long as its time-outs say, but for no longer once `stop` was requested.
    ///
    /// # Errors
    /// When it cannot be opened; trying again later may help.
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError>;

    /// Whether it is still there, as far as that can be told without opening it.
    ///
    /// # Errors
    /// When it is not, with the reason.
    fn look(&self) -> Result<(), SourceError>;

    /// Whether to open it once though nobody watches, to tell whether it is well and how large its pictures are.
    fn probes(&self) -> bool {
        true
    }

    /// How often that is worth a look.
    fn look_every(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// How long one picture may take before the thread that waits for it counts as stuck: longer than all time-outs of the
    /// source itself.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Another one that knows what this one knows: for a thread in the place of one that is stuck.
    fn another(&self) -> Box<dyn SourceFactory + Send>;
}

/// Opens what a user named. Clones share what they know of where it is.
#[derive(Debug, Clone)]
pub struct ConfiguredSource {
    spec: SourceSpec,
    stream: StreamName,
    /// Where the webcam is, if it is one.
    finder: webcam::Finder,
}

impl ConfiguredSource {
    /// Opens this for a stream.
    pub fn new(spec: SourceSpec, stream: StreamName) -> Self {
        Self { spec, stream, finder: webcam::Finder::default() }
    }
}

impl SourceFactory for ConfiguredSource {
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let stop = stop.clone();
        Ok(match &self.spec {
            SourceSpec::Test(mode) => {
                Box::new(test_picture::TestPicture::new(&self.stream, *mode, stop)?)
            }
            SourceSpec::Webcam(asked) => webcam::open(asked, &self.finder, &self.stream, stop)?,
            SourceSpec::File { path, looped } => file::open(path, *looped, stop)?,
            SourceSpec::Url(url) => Box::new(ffmpeg::MediaSource::open(url, stop)?),
            SourceSpec::Exec(command) => Box::new(exec::Exec::open(command, &self.stream, stop)?),
        })
    }

    fn look(&self) -> Result<(), SourceError> {
        match &self.spec {
            SourceSpec::Test(_) | SourceSpec::Exec(_) => Ok(()),
            SourceSpec::Webcam(asked) => webcam::look(asked, &self.finder),
            SourceSpec::File { path, .. } => file::look(path),
            SourceSpec::Url(url) => ffmpeg::look(url),
        }
    }

    /// A command is started when it is wanted, and not before.
    fn probes(&self) -> bool {
        !matches!(self.spec, SourceSpec::Exec(_))
    }

    fn look_every(&self) -> Duration {
        match &self.spec {
            SourceSpec::Url(_) | SourceSpec::Exec(_) => Duration::from_secs(10),
            _ => Duration::from_secs(1),
        }
    }

    fn patience(&self) -> Duration {
        match &self.spec {
            SourceSpec::Url(_) | SourceSpec::Exec(_) => Duration::from_secs(60),
            _ => Duration::from_secs(20),
        }
    }

    fn another(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

/// Sleeps until then, or until `stop` is requested; says whether it was.
fn sleep_until(moment: Instant, stop: &Shutdown) -> bool {
    stop.wait_timeout(moment.saturating_duration_since(Instant::now()))
}
