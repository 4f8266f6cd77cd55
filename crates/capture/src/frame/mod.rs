//! The forms of a frame on its way through this process.

pub mod clock_offset;
pub mod duplicates;
pub mod frozen;
pub mod latest;
pub mod source_clock;

use std::sync::Arc;

pub use fanlight_codec::h264::AccessUnit;
use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, Timestamp};

use crate::pixels::Image;

/// The data of a frame as its source delivers it.
#[derive(Debug)]
pub enum FrameData {
    /// Pixels.
    Pixels(Image),
    /// The camera's own JPEG, not inspected yet.
    Jpeg(Vec<u8>),
    /// The camera's own H.264.
    H264(Arc<AccessUnit>),
}

impl FrameData {
    /// Returns the bytes that alone define the picture: of a JPEG, of pixels, or of a keyframe. A delta has none.
    pub fn picture_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Pixels(image) => Some(image.bytes()),
            Self::Jpeg(bytes) => Some(bytes),
            Self::H264(unit) => unit.keyframe.then_some(unit.bytes.as_slice()),
        }
    }
}

/// A frame as read from its source.
#[derive(Debug)]
pub struct RawFrame {
    /// The data.
    pub data: FrameData,
    /// The times of capture and reading.
    pub times: CaptureTimes,
}

/// A frame's times before it is encoded, by this process's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTimes {
    /// Time of capture.
    pub captured_at: Timestamp,
    /// Time at which this process had read it.
    pub read_at: Timestamp,
}

impl From<CaptureTimes> for FrameTimes {
    /// The time of publication is not known yet: it is at least that of reading.
    fn from(times: CaptureTimes) -> Self {
        let CaptureTimes { captured_at, read_at } = times;
        Self { captured_at, read_at, published_at: read_at }
    }
}

/// One encoded frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame's metadata. The bus sets the sequence number and the time of publication.
    pub meta: FrameMeta,
    /// The encoded image.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Creates a frame that is not published yet.
    pub fn new(
        payload: Vec<u8>,
        times: CaptureTimes,
        (width, height): (u32, u32),
        is_keyframe: bool,
    ) -> Self {
        let flags = FrameFlags::keyframe(is_keyframe);
        let meta = FrameMeta { sequence: 0, times: times.into(), flags, width, height };
        Self { meta, payload }
    }

    /// Returns whether the frame is decodable alone.
    pub fn is_keyframe(&self) -> bool {
        self.meta.is_keyframe()
    }
}
