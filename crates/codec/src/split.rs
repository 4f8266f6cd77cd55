//! The output of both splitters, and the reasons why there is none.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};

/// An encoded image that was cut out of a byte stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFrame {
    /// One JPEG, or one access unit with start codes. A damaged JPEG ends at its first invalid byte, one without an end
    /// marker where its part ends.
    pub bytes: Vec<u8>,
    /// The arrival time of its first byte.
    pub arrived_at: Timestamp,
}

/// The reason why a byte stream cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No JPEG starts within the bytes searched.
    #[error("no JPEG starts within {0} bytes")]
    NoJpeg(usize),
    /// The parts of a multipart stream contain another codec.
    #[error(
        "the parts of the stream are {0}, not JPEG: set the camera to MJPEG, or use its RTSP address"
    )]
    OtherCodec(&'static str),
    /// A JPEG is larger than a frame may be.
    #[error(
        "a JPEG exceeds the limit of {MAX_PAYLOAD} bytes: reduce the camera's resolution or quality"
    )]
    JpegTooLarge,
    /// An access unit is larger than a frame may be.
    #[error(
        "an H.264 access unit exceeds the limit of {MAX_PAYLOAD} bytes: reduce the camera's resolution or bitrate"
    )]
    AccessUnitTooLarge,
    /// RTP packets that are not in the order of their content.
    #[error(
        "the camera interleaves the packets of H.264 (packetization mode 2), which is not supported"
    )]
    Interleaved,
    /// A frame that starts within a picture, although no packet is missing.
    #[error("the camera marks the end of a frame within a picture")]
    EndsWithinPicture,
}
