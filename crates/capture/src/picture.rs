//! The two forms a picture takes on its way through this process.

use fanlight_protocol::Timestamp;
use opencv::core::Mat;

/// A decoded picture: rows of blue, green and red bytes.
#[derive(Debug)]
pub struct RawFrame {
    /// The pixels, `CV_8UC3` in OpenCV's own order, blue first.
    pub pixels: Mat,
    /// When the picture was captured, by this process's clock.
    pub captured_at: Timestamp,
    /// When it was read and decoded, by this process's clock.
    pub read_at: Timestamp,
}

/// One encoded picture.
#[derive(Debug)]
pub struct Frame {
    /// The encoded bytes.
    pub payload: Vec<u8>,
    /// When the picture was captured, by this process's clock.
    pub captured_at: Timestamp,
    /// When it was read and decoded, before it was encoded, by this process's clock.
    pub read_at: Timestamp,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}
