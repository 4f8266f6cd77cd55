//! The frames in the output of a command. The newest frame replaces older ones; H.264 that is forwarded is kept
//! completely.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_codec::h264::AccessUnitSplitter;
use fanlight_codec::jpeg::JpegSplitter;
use fanlight_codec::{SplitError, SplitFrame};
use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::Id;

use super::format::OutputFormat;
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::source::contract::{DecodedFrom, Grabbed};
use crate::source::error::SourceError;
use crate::source::video::{Encoded, SourceCodec, Unpacked, Unpacker};

/// The frame interval assumed for H.264 that must be decoded: its byte stream states none.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(40);

/// The frames of a command.
#[derive(Debug)]
pub(super) struct Frames {
    splitter: Splitter,
    unpacker: Unpacker,
    /// The newest frame; of forwarded H.264, all frames that were read together.
    ready: VecDeque<Unpacked>,
    grabbed: Option<Unpacked>,
    /// Frames replaced by a newer one since the last grab.
    skipped: u64,
}

#[derive(Debug)]
enum Splitter {
    Jpeg(JpegSplitter),
    H264(AccessUnitSplitter),
}

impl Splitter {
    fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<SplitFrame>, SplitError> {
        match self {
            Self::Jpeg(splitter) => splitter.feed(bytes, now),
            Self::H264(splitter) => splitter.feed(bytes, now),
        }
    }

    /// Returns the last frame, at the end of the output.
    fn finish(&mut self) -> Option<SplitFrame> {
        match self {
            Self::Jpeg(splitter) => splitter.finish(),
            Self::H264(splitter) => splitter.finish(),
        }
    }
}

impl Frames {
    pub(super) fn new(format: OutputFormat) -> Result<Self, SourceError> {
        let (splitter, id) = match format {
            OutputFormat::Jpeg => (Splitter::Jpeg(JpegSplitter::default()), Id::MJPEG),
            OutputFormat::H264 => (Splitter::H264(AccessUnitSplitter::default()), Id::H264),
        };
        let codec = SourceCodec::InBand(id);
        let unpacker = Unpacker::new("a command".into(), codec, Some(DEFAULT_INTERVAL))?;
        Ok(Self { splitter, unpacker, ready: VecDeque::new(), grabbed: None, skipped: 0 })
    }

    /// Accepts bytes that arrived at `now`.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), SourceError> {
        for frame in self.splitter.feed(bytes, now)? {
            self.unpack(frame)?;
        }
        Ok(())
    }

    /// Unpacks the rest at the end of the output. Returns whether a frame is ready.
    pub(super) fn finish(&mut self) -> bool {
        if let Some(frame) = self.splitter.finish() {
            // An error is of no interest, because the command has ended.
            let _ = self.unpack(frame);
        }
        if self.unpacker.drain() {
            self.take_decoded();
        }
        self.is_ready()
    }

    /// Returns whether a frame is ready.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns what is decoded, if frames are not forwarded.
    pub(super) fn decoded_from(&self) -> Option<DecodedFrom> {
        self.unpacker.decoded_from()
    }

    /// Returns whether H.264 is forwarded undecoded.
    pub(super) fn passes_h264(&self) -> bool {
        self.unpacker.passes_h264()
    }

    /// Returns whether the next frame must be grabbed before more is read, because later ones refer to it.
    pub(super) fn needs_every_frame(&self) -> bool {
        self.ready.front().is_some_and(Unpacked::is_h264)
    }

    /// Grabs the next frame.
    pub(super) fn grab(&mut self) -> Option<Grabbed> {
        let frame = self.ready.pop_front()?;
        let captured_at = frame.timestamp;
        self.grabbed = Some(frame);
        Some(Grabbed { captured_at, skipped: std::mem::take(&mut self.skipped) })
    }

    /// Returns the frame grabbed last.
    pub(super) fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        self.unpacker.data(self.grabbed.take(), buffers)
    }

    fn unpack(&mut self, frame: SplitFrame) -> Result<(), SourceError> {
        if let Some(frame) = self.unpacker.push(Encoded::Split(frame))? {
            self.put(frame);
        }
        self.take_decoded();
        Ok(())
    }

    fn take_decoded(&mut self) {
        while let Some(frame) = self.unpacker.next_decoded() {
            self.put(frame);
        }
    }

    fn put(&mut self, frame: Unpacked) {
        if !frame.is_h264() {
            self.skipped += self.ready.len() as u64;
            self.ready.clear();
        }
        self.ready.push_back(frame);
    }
}
