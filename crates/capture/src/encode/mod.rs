//! Images to encoded frames. Knows neither sources nor the bus.
//!
//! - [`jpeg`]: to JPEG;
//! - [`h264`]: to H.264.

pub mod h264;
pub mod jpeg;

use std::fmt;

use fanlight_protocol::{MAX_PAYLOAD, Topic};

use crate::frame::{CaptureTimes, Frame};
use crate::pixels::Image;
use h264::{EncoderName, H264Encoder};
use jpeg::{JpegEncoder, Quality};

/// The encoder of one track. It may block in a driver for ever: the caller must be able to abandon the thread.
pub trait Encode: fmt::Debug + Send {
    /// Encodes a frame; as a keyframe if one is requested and the last one is not too recent. Returns `None` if the
    /// encoder delays its output.
    ///
    /// # Errors
    /// Fails with the reason why the frame cannot be encoded.
    fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError>;

    /// Releases what is kept for the next frame. The next frame is a keyframe.
    fn close(&mut self) {}
}

/// The settings of a track's encoder.
#[derive(Debug, Clone)]
pub enum EncoderSettings {
    /// JPEG of this quality.
    Jpeg(Quality),
    /// H.264 by this encoder.
    H264(EncoderName),
}

/// Creates the encoder of a track.
pub type EncoderFactory = dyn Fn(&Topic, &EncoderSettings) -> Box<dyn Encode> + Send + Sync;

/// Creates the encoder that the settings name.
pub fn encoder(settings: &EncoderSettings) -> Box<dyn Encode> {
    match settings {
        EncoderSettings::Jpeg(quality) => Box::new(JpegEncoder::new(*quality)),
        EncoderSettings::H264(name) => Box::new(H264Encoder::new(name.clone())),
    }
}

impl Encode for JpegEncoder {
    fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        _keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        self.encode(image, times).map(Some)
    }
}

impl Encode for H264Encoder {
    fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        self.encode(image, times, keyframe_requested)
    }

    fn close(&mut self) {
        self.close();
    }
}

/// The reason why a frame was not encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// JPEG does not support the size.
    #[error("cannot encode a frame of {0}x{1} as JPEG: sides of 1 to {max} pixels are supported", max = jpeg::MAX_SIDE)]
    Size(u32, u32),
    /// H.264 does not support the size.
    #[error(
        "cannot encode a frame of {0}x{1} as H.264: sides of {min} to {max} pixels are supported", min = h264::SIDES.start(), max = h264::SIDES.end()
    )]
    H264Size(u32, u32),
    /// The frame has too many bytes for the bus.
    #[error(
        "a frame of {0} bytes exceeds the limit of {MAX_PAYLOAD} bytes: lower --quality or the camera's resolution"
    )]
    TooLarge(usize),
    /// The encoder has failed.
    #[error("cannot encode the frame: {0}")]
    Encoder(String),
}
