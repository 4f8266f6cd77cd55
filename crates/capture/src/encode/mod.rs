//! Pixels to bytes. Knows nothing of where pictures come from and where they go.
//!
//! - [`jpeg`]: pixels to JPEG;
//! - [`h264`]: pixels to H.264.

pub mod h264;
pub mod jpeg;

use std::fmt;

use fanlight_protocol::{MAX_PAYLOAD, Topic};
use opencv::core::Mat;

use crate::frame::{CaptureTimes, Frame};
use h264::{EncoderName, H264Encoder};
use jpeg::{JpegEncoder, Quality};

/// Encodes the pictures of one track. May block in a driver: the caller must be able to do without the thread.
pub trait Encode: fmt::Debug + Send {
    /// Encodes a picture; as a keyframe if one is `wanted` and the last one is not too recent. `None` if the encoder holds
    /// the picture back.
    ///
    /// # Errors
    /// Why the picture cannot be encoded.
    fn encode(
        &mut self,
        pixels: &Mat,
        taken: CaptureTimes,
        wanted: bool,
    ) -> Result<Option<Frame>, EncodeError>;

    /// Releases what is kept for the next picture, which then is a keyframe.
    fn close(&mut self) {}
}

/// Encodes the pictures of a track.
#[derive(Debug, Clone)]
pub enum EncoderSettings {
    /// As JPEG of this quality.
    Jpeg(Quality),
    /// As H.264 by this encoder.
    H264(EncoderName),
}

/// Makes the encoder of a track.
pub type Encoders = dyn Fn(&Topic, &EncoderSettings) -> Box<dyn Encode> + Send + Sync;

/// The encoder that its settings name.
pub fn encoder(settings: &EncoderSettings) -> Box<dyn Encode> {
    match settings {
        EncoderSettings::Jpeg(quality) => Box::new(JpegEncoder::new(*quality)),
        EncoderSettings::H264(name) => Box::new(H264Encoder::new(name.clone())),
    }
}

impl Encode for JpegEncoder {
    fn encode(
        &mut self,
        pixels: &Mat,
        taken: CaptureTimes,
        _wanted: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        self.encode(pixels, taken).map(Some)
    }
}

impl Encode for H264Encoder {
    fn encode(
        &mut self,
        pixels: &Mat,
        taken: CaptureTimes,
        wanted: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        self.encode(pixels, taken, wanted)
    }

    fn close(&mut self) {
        self.close();
    }
}

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
