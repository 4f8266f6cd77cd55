//! The forms a picture takes on its way through this process.

pub mod duplicates;
pub mod latest;
pub mod rate_limit;

use std::sync::Arc;

pub use fanlight_codec::h264::AccessUnit;
use fanlight_protocol::Timestamp;
use opencv::core::Mat;

/// A picture as its source gives it.
#[derive(Debug)]
pub enum Picture {
    /// Decoded: rows of blue, green and red bytes (`CV_8UC3` in OpenCV's own order, blue first).
    Pixels(Mat),
    /// The camera's own JPEG, not looked into yet.
    Jpeg(Vec<u8>),
    /// The camera's own H.264.
    H264(Arc<AccessUnit>),
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

/// One encoded picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The encoded bytes.
    pub payload: Vec<u8>,
    /// When it was captured and in hand.
    pub taken: CaptureTimes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it can be decoded alone.
    pub keyframe: bool,
}
