//! The comparison of decoded pictures, as a task of the worker pool: finds cameras that encode a frozen picture again and
//! again.

use std::sync::Arc;

use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;
use parking_lot::Mutex;

use fanlight_protocol::Timestamp;
use fanlight_protocol::rate::RateLimit;

use crate::frame::FrameData;
use crate::frame::duplicates::copy;
use crate::frame::frozen::{FrozenDetector, SameBlocks};
use crate::frame::latest::Latest;
use crate::options::StreamSettings;
use crate::pipeline::replaceable::Replaceable;
use crate::pixels::convert::{Converter, size_of_frame};
use crate::pixels::decode::JpegDecoder;
use crate::pixels::scale::scale;
use crate::pixels::{Image, Size};
use crate::source::SourceError;
use crate::source::video::VideoDecoder;
use crate::threads::pool::{Task, WorkerPool};
use crate::threads::watchdog::Watchdog;

/// Pictures compared per second: ten of them within the time after which a source is frozen.
const PER_SECOND: f64 = 1.0;
/// Width and height of a block, as JPEG and H.264 encode them: libjpeg-turbo decodes one block to one pixel cheaply.
const BLOCK: u32 = 8;

/// The comparison of one stream.
#[derive(Debug)]
pub(super) struct BlockCheck {
    rate: Mutex<RateLimit>,
    /// The picture to be compared next.
    pending: Latest<Picture>,
    comparison: Replaceable<Comparison>,
    /// The result: since when the source is frozen.
    frozen_since: Mutex<Option<Timestamp>>,
    pool: WorkerPool,
    task: Arc<Task>,
}

#[derive(Debug)]
struct Picture {
    data: FrameData,
    size: Size,
    captured_at: Timestamp,
}

/// The state of the task. Only the thread that runs it uses this.
#[derive(Debug, Default)]
struct Comparison {
    jpeg: JpegDecoder,
    converter: Converter,
    blocks: SameBlocks,
    detector: FrozenDetector,
}

impl BlockCheck {
    /// Creates the comparison of a stream with these settings.
    pub(super) fn new(settings: &StreamSettings, pool: &WorkerPool) -> Arc<Self> {
        let name = settings.name.to_string();
        Arc::new_cyclic(|check| Self {
            rate: Mutex::new(RateLimit::new(Some(PER_SECOND))),
            pending: Latest::default(),
            comparison: Replaceable::new(Comparison::default),
            frozen_since: Mutex::default(),
            pool: pool.clone(),
            task: Task::of(check, "comparing", name, Self::compare, |check: &Self| {
                check.comparison.replace();
            }),
        })
    }

    /// Takes a frame to be compared when a thread is free, if one is due. A delta cannot be compared, because it cannot be
    /// decoded alone. Returns since when the source is frozen, as far as pictures were compared.
    pub(super) fn note(
        &self,
        data: &FrameData,
        size: Size,
        captured_at: Timestamp,
    ) -> Option<Timestamp> {
        if data.picture_bytes().is_some()
            && self.rate.lock().admit(captured_at)
            && let Some(data) = copy(data, None)
        {
            self.pending.put(Picture { data, size, captured_at });
            self.pool.schedule(&self.task);
        }
        *self.frozen_since.lock()
    }

    /// Compares the pending picture, as the task. It may block for ever.
    fn compare(&self, watchdog: &Watchdog) {
        let Some(picture) = self.pending.take() else { return };
        let current = self.comparison.current();
        let frozen_since = current.lock().compare(&picture);
        // After the thread was abandoned, another one compares.
        if watchdog.is_stopped() {
            return;
        }
        match frozen_since {
            Ok(since) => *self.frozen_since.lock() = since,
            Err(error) => tracing::debug!(%error, "cannot compare a picture"),
        }
    }
}

impl Comparison {
    fn compare(&mut self, picture: &Picture) -> Result<Option<Timestamp>, SourceError> {
        let blocks = self.blocks_of(picture)?;
        let is_same = self.blocks.is_same(blocks.bytes());
        Ok(self.detector.note(is_same, picture.captured_at))
    }

    /// Returns an image in which each pixel is the mean of a block.
    fn blocks_of(&mut self, picture: &Picture) -> Result<Image, SourceError> {
        match &picture.data {
            FrameData::Jpeg(bytes) => {
                let mut blocks = Image::default();
                self.jpeg.decode(bytes, picture.size, (1, 1), &mut blocks)?;
                Ok(blocks)
            }
            FrameData::Pixels(image) => means(image),
            FrameData::H264(unit) => {
                let mut decoder = VideoDecoder::of_codec(Id::H264)?;
                decoder.send(&Packet::copy(&unit.bytes));
                decoder.drain();
                let decoded = decoder.take().ok_or_else(|| {
                    SourceError::NotAVideo("a keyframe of its H.264 contains no frame".into())
                })?;
                let mut image = Image::default();
                self.converter.convert(
                    &decoded.frame,
                    size_of_frame(&decoded.frame),
                    &mut image,
                )?;
                means(&image)
            }
        }
    }
}

fn means(image: &Image) -> Result<Image, SourceError> {
    let (width, height) = image.size();
    let target = ((width / BLOCK).max(1), (height / BLOCK).max(1));
    let mut blocks = Image::default();
    scale(image, target, &mut blocks, &mut Image::default())?;
    Ok(blocks)
}
