//! A measurement: the frames of some seconds, counted and timed.

use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use super::content::{Codec, Content};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::source::{Source, SourceError};

/// The shortest and the longest measurement, from the first frame on. Between them, it ends as soon as the distance of
/// two keyframes is known.
const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(12);
/// Many servers send stored frames in a burst when a client connects. It is over after this time.
const BURST: Duration = Duration::from_secs(1);
/// The most damaged frames before the first intact one.
const MAX_DAMAGED: u64 = 50;

/// The frames of a source.
#[derive(Debug)]
pub(super) struct Measurement {
    /// The content of the newest keyframe, or else of the first frame.
    pub(super) content: Content,
    /// Intact frames, each with its time of capture and its encoded bytes.
    pub(super) frames: Vec<(Timestamp, u64)>,
    /// Damaged frames.
    pub(super) damaged: u64,
    /// Times of capture of keyframes.
    pub(super) keyframes: Vec<Timestamp>,
    /// True if the source stamps frames by a clock of its own.
    pub(super) has_clock: bool,
    /// The smallest age of a frame when it was read.
    pub(super) age: Duration,
    /// The reason why the source ended early, if it failed.
    pub(super) failure: Option<SourceError>,
}

/// The rate of the frames and of their bytes.
pub(super) struct Rate {
    /// The number of frames.
    pub(super) frames: usize,
    /// Bytes of encoded frames.
    pub(super) bytes: u64,
    /// Seconds from the first to the last frame.
    pub(super) seconds: f64,
}

/// An intact frame.
struct Frame {
    content: Content,
    captured_at: Timestamp,
    read_at: Timestamp,
    has_clock: bool,
    /// Encoded bytes; none of pixels.
    bytes: u64,
    is_keyframe: bool,
}

impl Measurement {
    /// Measures an open source.
    ///
    /// # Errors
    /// Fails if no frame is intact.
    pub(super) fn of(source: &mut dyn Source, stop: &Shutdown) -> Result<Self, SourceError> {
        let mut reader = Reader { source, buffers: Buffers::default(), damaged: 0 };
        let first = reader.next()?;
        let first = first.ok_or_else(|| SourceError::NotAVideo("it contains no frame".into()))?;
        let (began, mut measured) = (Instant::now(), Self::begin(first));
        while !measured.is_enough(began.elapsed()) && !stop.is_requested() {
            match reader.next() {
                Ok(Some(frame)) => measured.add(frame),
                Ok(None) => break,
                Err(failure) => {
                    measured.failure = Some(failure);
                    break;
                }
            }
        }
        Ok(Self { damaged: reader.damaged, ..measured })
    }

    fn begin(first: Frame) -> Self {
        let mut measured = Self {
            content: first.content.clone(),
            frames: Vec::new(),
            damaged: 0,
            keyframes: Vec::new(),
            has_clock: false,
            age: Duration::MAX,
            failure: None,
        };
        measured.add(first);
        measured
    }

    fn add(&mut self, frame: Frame) {
        self.frames.push((frame.captured_at, frame.bytes));
        self.has_clock |= frame.has_clock;
        self.age = self.age.min(frame.read_at.since(frame.captured_at));
        if frame.is_keyframe {
            self.keyframes.push(frame.captured_at);
            self.content = frame.content;
        }
    }

    /// Returns whether enough is known after this time.
    fn is_enough(&self, after: Duration) -> bool {
        let is_known = match self.content.codec {
            Codec::H264(_) => self.keyframes.len() > 1,
            Codec::Jpeg | Codec::Pixels => self.frames.len() > 1,
        };
        after >= LONGEST || after >= SHORTEST && is_known
    }

    /// Returns the time from the first to the last frame.
    pub(super) fn duration(&self) -> Duration {
        match &self.frames[..] {
            [(first, _), .., (last, _)] => last.since(*first),
            _ => Duration::ZERO,
        }
    }

    /// Returns the rate, without the burst at the start; `None` for a single frame.
    pub(super) fn rate(&self) -> Option<Rate> {
        let first = self.frames.first()?.0;
        let burst = self.frames.iter().take_while(|(time, _)| time.since(first) < BURST).count();
        let steady = self.frames.get(burst..).filter(|steady| steady.len() > 1);
        let frames = steady.unwrap_or(&self.frames);
        let ((first, _), (last, _)) = (frames.first()?, frames.last()?);
        let seconds = last.since(*first).as_secs_f64();
        let bytes = frames.iter().map(|(_, bytes)| bytes).sum();
        (seconds > 0.0).then_some(Rate { frames: frames.len(), bytes, seconds })
    }
}

/// Reads intact frames.
struct Reader<'a> {
    source: &'a mut dyn Source,
    buffers: Buffers,
    damaged: u64,
}

impl Reader<'_> {
    /// Waits for the next intact frame. Returns `None` at the end.
    fn next(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            let Some(grabbed) = self.source.grab()? else { return Ok(None) };
            let read_at = clock::now();
            let damage = match self.source.retrieve(&self.buffers) {
                Ok(data) => match Content::of(&data) {
                    Ok(content) => {
                        let frame = self.frame(&data, content, grabbed.captured_at, read_at);
                        return Ok(Some(frame));
                    }
                    Err(damage) => SourceError::NotAVideo(damage.to_string()),
                },
                Err(damage) => damage,
            };
            self.damaged += 1;
            if self.damaged > MAX_DAMAGED {
                return Err(damage);
            }
        }
    }

    fn frame(
        &self,
        data: &FrameData,
        content: Content,
        captured_at: Timestamp,
        read_at: Timestamp,
    ) -> Frame {
        let (bytes, is_keyframe) = match data {
            FrameData::Pixels(_) => (0, false),
            FrameData::Jpeg(bytes) => (bytes.len() as u64, false),
            FrameData::H264(unit) => (unit.bytes.len() as u64, unit.keyframe),
        };
        let has_clock = self.source.own_time().is_some();
        Frame { content, captured_at, read_at, has_clock, bytes, is_keyframe }
    }
}
