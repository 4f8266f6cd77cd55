//! JPEG, through OpenCV.

use fanlight_protocol::MAX_PAYLOAD;
use opencv::core::{Mat, MatTraitConst, Vector, VectorToVec};
use opencv::imgcodecs::{self, IMWRITE_JPEG_QUALITY};

use super::EncodeError;
use crate::picture::{Frame, Taken};

/// Largest side that libjpeg encodes, in pixels (`JPEG_MAX_DIMENSION` in its `jmorecfg.h`).
pub const MAX_SIDE: u32 = 65_500;

/// How much of a picture is kept: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality(u8);

/// A number that is not a quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no quality: 1 to 100 are possible")]
pub struct InvalidQuality(u32);

impl Default for Quality {
    /// Where more bytes hardly show any more.
    fn default() -> Self {
        Self(80)
    }
}

impl TryFrom<u32> for Quality {
    type Error = InvalidQuality;

    fn try_from(number: u32) -> Result<Self, InvalidQuality> {
        match u8::try_from(number) {
            Ok(quality @ 1..=100) => Ok(Self(quality)),
            _ => Err(InvalidQuality(number)),
        }
    }
}

/// Encodes pictures of one stream.
#[derive(Debug)]
pub struct JpegEncoder {
    parameters: Vector<i32>,
    /// Kept from picture to picture, so that it need not grow each time.
    bytes: Vector<u8>,
}

impl JpegEncoder {
    /// An encoder of this quality.
    pub fn new(Quality(quality): Quality) -> Self {
        let parameters = Vector::from_slice(&[IMWRITE_JPEG_QUALITY, quality.into()]);
        Self { parameters, bytes: Vector::new() }
    }

    /// Encodes a picture.
    ///
    /// # Errors
    /// When its size cannot be, or its bytes are too many.
    pub fn encode(&mut self, pixels: &Mat, taken: Taken) -> Result<Frame, EncodeError> {
        let (width, height) = (pixels.cols() as u32, pixels.rows() as u32);
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(EncodeError::Size(width, height));
        }
        let failed = |error: opencv::Error| EncodeError::Encoder(error.message);
        let done = imgcodecs::imencode(".jpg", pixels, &mut self.bytes, &self.parameters)
            .map_err(failed)?;
        match self.bytes.len() {
            _ if !done => Err(EncodeError::Encoder("OpenCV does not say why".into())),
            length if length > MAX_PAYLOAD => Err(EncodeError::TooLarge(length)),
            _ => {
                let payload = self.bytes.to_vec();
                Ok(Frame { payload, taken, width, height, keyframe: true })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::Timestamp;
    use opencv::core::{CV_8UC3, Scalar};

    const TAKEN: Taken =
        Taken { captured_at: Timestamp::from_micros(42), read_at: Timestamp::from_micros(43) };

    fn grey(width: i32, height: i32) -> Mat {
        Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::all(90.0)).unwrap()
    }

    #[test]
    fn a_picture_becomes_a_jpeg_that_keeps_size_and_time() {
        let frame = JpegEncoder::new(Quality::default()).encode(&grey(64, 48), TAKEN).unwrap();
        assert!(frame.payload.starts_with(&[0xff, 0xd8]) && frame.payload.ends_with(&[0xff, 0xd9]));
        assert_eq!((frame.width, frame.height, frame.taken), (64, 48, TAKEN));
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        let mut encoder = JpegEncoder::new(Quality::default());
        let mut refused = |pixels: &Mat| encoder.encode(pixels, TAKEN).unwrap_err();
        assert_eq!(refused(&Mat::default()), EncodeError::Size(0, 0));
        assert_eq!(refused(&grey(65_501, 1)), EncodeError::Size(65_501, 1));
    }

    #[test]
    fn too_many_bytes_are_refused_with_their_number() {
        let mut noise = grey(5000, 4000);
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
        let best = JpegEncoder::new(Quality::try_from(100).unwrap()).encode(&noise, TAKEN);
        assert!(
            matches!(best, Err(EncodeError::TooLarge(length)) if length > MAX_PAYLOAD),
            "{best:?}"
        );
    }

    #[test]
    fn a_quality_is_1_to_100() {
        assert!(Quality::try_from(1).is_ok() && Quality::try_from(100).is_ok());
        for bad in [0, 101, 256, 257] {
            assert!(Quality::try_from(bad).unwrap_err().to_string().contains("1 to 100"));
        }
    }
}
