//! MJPEG over HTTP as a source.
//!
//! A JPEG is delivered when its last byte arrives. FFmpeg would find the end of a part without Content-Length only in
//! the next part, one interval late, and would stamp it with that time.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use fanlight_clock as clock;
use fanlight_codec::SplitFrame;
use fanlight_codec::jpeg::JpegSplitter;

use super::request::Response;
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::source::contract::{About, Grabbed, Source};
use crate::source::error::SourceError;
use crate::source::interval::IntervalEstimate;

/// The time that a single picture has to be followed by another one, if the connection stays open after it.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(2);

/// A host that sends MJPEG.
pub(super) struct HttpMjpeg {
    about: About,
    host: String,
    response: Response,
    splitter: JpegSplitter,
    content: Vec<u8>,
    /// JPEGs that arrived together.
    ready: VecDeque<SplitFrame>,
    grabbed: Option<SplitFrame>,
    estimate: IntervalEstimate,
    /// True after the first JPEG.
    began: bool,
}

impl HttpMjpeg {
    /// Returns the source of this response by `host`.
    pub(super) fn new(host: String, response: Response, estimate: IntervalEstimate) -> Self {
        let about = About {
            description: "live MJPEG over HTTP".into(),
            interval: Some(estimate.interval()),
            recorded: false,
        };
        let (splitter, content, ready) = (JpegSplitter::default(), Vec::new(), VecDeque::new());
        Self {
            about,
            host,
            response,
            splitter,
            content,
            ready,
            grabbed: None,
            estimate,
            began: false,
        }
    }

    /// Checks that a response which claims to be one picture is followed by others. `within`: the time for the first.
    pub(super) fn check_follows(&mut self, within: Duration) -> Result<(), SourceError> {
        self.response.connection().allow(within);
        while self.ready.is_empty() {
            let read = self.read();
            if let Err(SourceError::TimedOut(_)) = read {
                self.estimate.stall();
            }
            let is_open = read?;
            if !is_open && self.ready.is_empty() {
                return Err(self.closed());
            }
        }
        self.response.connection().allow(FOLLOW_TIMEOUT);
        match self.read() {
            Ok(true) | Err(SourceError::TimedOut(_)) => Ok(()),
            Ok(false) if self.ready.len() > 1 => Ok(()),
            Ok(false) => Err(SourceError::NotAVideo(format!(
                "{} returns a single picture at this path: use the address of its MJPEG or RTSP stream",
                self.host
            ))),
            Err(error) => Err(error),
        }
    }

    /// Waits for content. Returns false at the end of the response.
    fn read(&mut self) -> Result<bool, SourceError> {
        self.content.clear();
        let is_open = self.response.read(&mut self.content)?;
        match is_open {
            true => self.ready.extend(self.splitter.feed(&self.content, clock::now())?),
            false => self.ready.extend(self.splitter.finish()),
        }
        Ok(is_open)
    }

    fn closed(&self) -> SourceError {
        SourceError::Closed(match self.began {
            true => format!("{} closed the connection", self.host),
            false => format!("{} closed the connection before the first picture", self.host),
        })
    }
}

impl Source for HttpMjpeg {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let limit = self.estimate.limit();
        self.response.connection().allow(limit);
        while self.ready.is_empty() {
            match self.read() {
                Ok(true) => {}
                Ok(false) if self.ready.is_empty() => return Err(self.closed()),
                Ok(false) => {}
                Err(SourceError::TimedOut(_)) => {
                    self.estimate.stall();
                    return Err(SourceError::Stalled(limit));
                }
                Err(error) => return Err(error),
            }
        }
        let Some(frame) = self.ready.pop_front() else { return Err(self.closed()) };
        self.began = true;
        self.estimate.record(Instant::now());
        self.about.interval = Some(self.estimate.interval());
        let captured_at = frame.arrived_at;
        self.grabbed = Some(frame);
        Ok(Some(Grabbed { captured_at, skipped: 0 }))
    }

    fn retrieve(&mut self, _: &Buffers) -> Result<FrameData, SourceError> {
        let frame = self.grabbed.take();
        let missing = || SourceError::Other("no frame was grabbed".into());
        frame.map(|frame| FrameData::Jpeg(frame.bytes)).ok_or_else(missing)
    }
}

impl fmt::Debug for HttpMjpeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMjpeg").field("host", &self.host).finish_non_exhaustive()
    }
}
