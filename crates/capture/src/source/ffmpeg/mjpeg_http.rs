//! MJPEG over HTTP, read from the bytes of the connection.
//!
//! FFmpeg connects, authenticates and detects the format. But its demuxer (`mpjpeg`) finds the end of a part without
//! Content-Length only in the next part, one interval late, and then stamps it with that time. A JPEG contains its own
//! end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fanlight_clock as clock;
use fanlight_codec::SplitFrame;
use fanlight_codec::jpeg::JpegSplitter;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Error, ffi};

use crate::source::error::SourceError;
use crate::source::interval::IntervalEstimate;

/// The most bytes of one read. Available bytes are returned immediately.
const CHUNK: usize = 32 * 1024;

/// Reads the JPEGs of a connection.
#[derive(Debug)]
pub(super) struct MjpegReader {
    splitter: JpegSplitter,
    /// JPEGs that arrived together with the one returned last.
    ready: VecDeque<SplitFrame>,
    estimate: IntervalEstimate,
}

/// The reason why no JPEG was read.
pub(super) enum ReadError {
    /// FFmpeg cannot read.
    Connection(Error),
    /// The data are not MJPEG.
    Content(SourceError),
}

impl MjpegReader {
    pub(super) fn new() -> Self {
        let (splitter, ready) = (JpegSplitter::default(), VecDeque::new());
        Self { splitter, ready, estimate: IntervalEstimate::new(Instant::now()) }
    }

    /// Returns the estimated frame interval.
    pub(super) fn interval(&self) -> Duration {
        self.estimate.interval()
    }

    /// Waits for the next JPEG.
    pub(super) fn read(&mut self, demuxer: &mut Input) -> Result<SplitFrame, ReadError> {
        let mut chunk = [0; CHUNK];
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.estimate.record(Instant::now());
                return Ok(frame);
            }
            let count = read_available(demuxer, &mut chunk).map_err(ReadError::Connection)?;
            let frames = self.splitter.feed(&chunk[..count], clock::now());
            self.ready.extend(frames.map_err(|error| ReadError::Content(error.into()))?);
        }
    }
}

/// Reads the available bytes, or waits for some.
#[expect(unsafe_code, reason = "ffmpeg-next returns packets, not bytes")]
fn read_available(demuxer: &mut Input, chunk: &mut [u8; CHUNK]) -> Result<usize, Error> {
    // SAFETY: the pointer is that of a context which `demuxer` owns, exclusively while it is borrowed here. Its byte
    // stream was opened with it. FFmpeg writes at most CHUNK bytes into the chunk, and fails when the context's
    // interrupt callback says so.
    let count = unsafe {
        let bytes = (*demuxer.as_mut_ptr()).pb;
        if bytes.is_null() {
            return Err(Error::InvalidData);
        }
        ffi::avio_read_partial(bytes, chunk.as_mut_ptr(), CHUNK as i32)
    };
    match usize::try_from(count) {
        Ok(0) => Err(Error::Eof),
        Ok(count) => Ok(count),
        Err(_) => Err(Error::from(count)),
    }
}
