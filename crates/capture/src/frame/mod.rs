//! The forms a picture takes on its way through this process.

pub mod duplicates;
pub mod latest;
pub mod rate_limit;

use std::sync::Arc;

use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, Timestamp};
use opencv::core::Mat;

/// A picture as its source gives it.
#[derive(Debug)]
pub enum Picture {
    /// Decoded: rows of blue, green and red bytes (`CV_8UC3` in OpenCV's own order, blue first).
    Pixels(Mat),
    /// The camera's own JPEG, not looked into yet.
    Jpeg(Vec<u8>),
    /// The camera's own H.264.
    H264(Arc<Coded>),
}

/// A picture of the camera's own H.264: an access unit, in the form in which it can be passed on. It may refer to the one
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// In the form of annex B, with parameters before a keyframe.
    pub bytes: Vec<u8>,
    /// Counts the source's pictures. Where one is missing, what follows cannot be decoded until the next entry.
    pub number: u64,
    /// Whether it can be decoded alone, and nothing after it refers to what came before it.
    pub keyframe: bool,
    /// Whether decoding can begin with it, if perhaps not with a whole picture: so with every keyframe.
    pub entry: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A picture fresh from its source.
#[derive(Debug)]
pub struct RawFrame {
    /// The picture.
    pub picture: Picture,
    /// Its moments.
    pub taken: CaptureTimes,
}

/// A picture's moments before it is encoded, by this process's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTimes {
    /// When it was captured.
    pub captured_at: Timestamp,
    /// When it was in hand.
    pub read_at: Timestamp,
}

impl From<CaptureTimes> for FrameTimes {
    /// The time of publication is not known yet: it is at least that of reading.
    fn from(taken: CaptureTimes) -> Self {
        let CaptureTimes { captured_at, read_at } = taken;
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
    /// Makes a frame that is not published yet.
    pub fn new(
        payload: Vec<u8>,
        taken: CaptureTimes,
        (width, height): (u32, u32),
        is_keyframe: bool,
    ) -> Self {
        let flags = FrameFlags::keyframe(is_keyframe);
        let meta = FrameMeta { sequence: 0, times: taken.into(), flags, width, height };
        Self { meta, payload }
    }

    /// Returns whether the frame is decodable alone.
    pub fn is_keyframe(&self) -> bool {
        self.meta.is_keyframe()
    }
}
