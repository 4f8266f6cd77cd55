//! The forms of a frame on its way through this process.

pub mod duplicates;
pub mod latest;

use std::sync::Arc;

pub use fanlight_codec::h264::AccessUnit;
use fanlight_protocol::Timestamp;
use opencv::core::Mat;

/// The data of a frame as its source delivers it.
#[derive(Debug)]
pub enum FrameData {
    /// Pixels: rows of blue, green and red bytes (`CV_8UC3` in OpenCV's order, blue first).
    Pixels(Mat),
    /// The camera's own JPEG, not inspected yet.
    Jpeg(Vec<u8>),
    /// The camera's own H.264.
    H264(Arc<AccessUnit>),
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

/// One encoded frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The encoded bytes.
    pub payload: Vec<u8>,
    /// The times of capture and reading.
    pub times: CaptureTimes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Set if it can be decoded alone.
    pub keyframe: bool,
}
