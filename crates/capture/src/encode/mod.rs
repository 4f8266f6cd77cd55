//! Pixels to bytes. Knows nothing of where pictures come from and where they go.
//!
//! - [`jpeg`]: pixels to JPEG;
//! - [`h264`]: pixels to H.264;
//! - [`camera_jpeg`]: a JPEG that a camera has encoded already, made fit to be passed on.

pub mod camera_jpeg;
pub mod h264;
pub mod jpeg;

use fanlight_protocol::MAX_PAYLOAD;

/// Why a picture was not encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// No picture, or one larger than JPEG can describe.
    #[error("a picture of {0}x{1} cannot be encoded: 1 to {max} pixels a side are possible", max = jpeg::MAX_SIDE)]
    Size(u32, u32),
    /// The same for H.264.
    #[error(
        "a picture of {0}x{1} cannot be H.264: {min} to {max} pixels a side are possible", min = h264::SIDES.start(), max = h264::SIDES.end()
    )]
    H264Size(u32, u32),
    /// Too many bytes for the bus.
    #[error(
        "a picture of {0} bytes is more than the {MAX_PAYLOAD} that a frame may have: lower --quality or ask the camera for less"
    )]
    TooLarge(usize),
    /// The encoder itself failed.
    #[error("the picture could not be encoded: {0}")]
    Encoder(String),
}
