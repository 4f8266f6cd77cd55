//! Encoding to JPEG with libjpeg-turbo.

pub use fanlight_codec::jpeg::MAX_SIDE;
use fanlight_protocol::MAX_PAYLOAD;

use super::EncodeError;
use crate::frame::{CaptureTimes, Frame};
use crate::native::turbojpeg::{Compressor, TurboError};
use crate::pixels::Image;
use crate::pixels::colours::Colours;
use crate::pixels::recolour::recolour;

/// A JPEG quality: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality(u8);

/// An error for a number that is no quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no JPEG quality: write 1 to 100")]
pub struct InvalidQuality(u32);

impl Default for Quality {
    /// Returns the quality above which more bytes are hardly visible.
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

/// Encodes the frames of one track.
#[derive(Debug)]
pub struct JpegEncoder {
    quality: Quality,
    /// Created for the first frame.
    compressor: Option<Compressor>,
    /// An image in the colours of a JPEG. Reused for each frame in other colours.
    recoloured: Image,
}

impl JpegEncoder {
    /// Creates an encoder of this quality.
    pub fn new(quality: Quality) -> Self {
        Self { quality, compressor: None, recoloured: Image::default() }
    }

    /// Encodes a frame.
    ///
    /// # Errors
    /// Fails if the size is not supported, or if the result has too many bytes.
    pub fn encode(&mut self, image: &Image, times: CaptureTimes) -> Result<Frame, EncodeError> {
        let (width, height) = image.size();
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(EncodeError::Size(width, height));
        }
        let image = match image.colours() {
            Colours::JFIF => image,
            _ => {
                recolour(image, Colours::JFIF, &mut self.recoloured)?;
                &self.recoloured
            }
        };
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new()?),
        };
        let jpeg = compressor.compress(image.planes(), (width, height), self.quality.0)?;
        match jpeg.len() {
            length if length > MAX_PAYLOAD => Err(EncodeError::TooLarge(length)),
            _ => Ok(Frame::new(jpeg.to_vec(), times, (width, height), true)),
        }
    }
}

impl From<opencv::Error> for EncodeError {
    fn from(error: opencv::Error) -> Self {
        Self::Encoder(error.message)
    }
}

impl From<TurboError> for EncodeError {
    fn from(error: TurboError) -> Self {
        Self::Encoder(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::bgr::BgrConverter;
    use crate::pixels::colours::Matrix;
    use fanlight_protocol::Timestamp;
    use opencv::core::{
        CV_8UC3, Mat, MatTraitConstManual, MatTraitManual, NORM_L1, Scalar, Vec3b, Vector,
        VectorToVec, no_array, norm2,
    };
    use opencv::imgcodecs::{IMREAD_COLOR, IMWRITE_JPEG_QUALITY, imdecode, imencode};

    const TIMES: CaptureTimes = CaptureTimes {
        captured_at: Timestamp::from_micros(42),
        read_at: Timestamp::from_micros(43),
    };

    fn grey(width: u32, height: u32) -> Image {
        Image::filled((width, height), Colours::JFIF, [90, 128, 128]).unwrap()
    }

    #[test]
    fn a_jpeg_keeps_size_and_times() {
        let frame = JpegEncoder::new(Quality::default()).encode(&grey(64, 48), TIMES).unwrap();
        assert!(frame.payload.starts_with(&[0xff, 0xd8]) && frame.payload.ends_with(&[0xff, 0xd9]));
        assert_eq!(frame.meta, Frame::new(Vec::new(), TIMES, (64, 48), true).meta);
    }

    /// The whole range of each colour, with edges.
    fn colourful(width: i32, height: i32) -> Mat {
        let mut pixels =
            Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::default()).unwrap();
        let colours = pixels.data_typed_mut::<Vec3b>().unwrap();
        for (index, colour) in colours.iter_mut().enumerate() {
            let (x, y) = (index % width as usize, index / width as usize);
            *colour = [(x * 3) as u8, (y * 5) as u8, (x + y) as u8].into();
        }
        pixels
    }

    fn image_of(pixels: &Mat) -> Image {
        let mut image = Image::default();
        BgrConverter::default().convert(pixels, &mut image).unwrap();
        image
    }

    fn decoded(jpeg: &[u8]) -> Mat {
        imdecode(&Vector::from_slice(jpeg), IMREAD_COLOR).unwrap()
    }

    /// The mean difference between the colours of two images.
    fn difference(one: &Mat, other: &Mat) -> f64 {
        let bytes = one.data_bytes().unwrap().len();
        norm2(one, other, NORM_L1, &no_array()).unwrap() / bytes as f64
    }

    #[test]
    fn it_equals_the_jpeg_of_opencv_at_every_quality_and_in_odd_sizes() {
        for quality in [1, 50, 80, 95, 100] {
            let mut encoder = JpegEncoder::new(Quality(quality));
            for (width, height) in [(640, 480), (1, 1), (17, 16), (16, 17), (99, 75)] {
                let pixels = colourful(width, height);
                let mut theirs = Vector::new();
                let options = Vector::from_slice(&[IMWRITE_JPEG_QUALITY, quality.into()]);
                imencode(".jpg", &pixels, &mut theirs, &options).unwrap();
                let theirs = theirs.to_vec();
                let ours = encoder.encode(&image_of(&pixels), TIMES).unwrap().payload;
                let apart = difference(&decoded(&ours), &decoded(&theirs));
                assert!(apart < 0.1, "{quality} {width}x{height}: {apart}");
                assert!(ours.len().abs_diff(theirs.len()) <= 16 + theirs.len() / 100);
            }
        }
    }

    #[test]
    fn it_is_baseline_with_4_2_0_subsampling() {
        let jpeg =
            JpegEncoder::new(Quality(100)).encode(&image_of(&colourful(64, 48)), TIMES).unwrap();
        let head = [0xff, 0xc0, 0, 17, 8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
        assert!(jpeg.payload.windows(head.len()).any(|bytes| bytes == head));
    }

    #[test]
    fn an_image_of_other_colours_is_shown_in_its_own() {
        let jpeg = |colours, colour| {
            let image = Image::filled((64, 48), colours, colour).unwrap();
            let jpeg = JpegEncoder::new(Quality::default()).encode(&image, TIMES).unwrap();
            decoded(&jpeg.payload).data_typed::<Vec3b>().unwrap()[100].0
        };
        // Red (200, 40, 40) by BT.601 with full range, and by BT.709 with limited range.
        let [expected, found] = [
            jpeg(Colours::JFIF, [88, 101, 208]),
            jpeg(Colours { matrix: Matrix::Bt709, full_range: false }, [80, 112, 198]),
        ];
        let off = expected.into_iter().zip(found).map(|(one, other)| one.abs_diff(other)).max();
        assert!(off <= Some(4) && found[2] > 190, "{expected:?} {found:?}");
    }

    #[test]
    fn an_unsupported_size_is_refused() {
        let mut encoder = JpegEncoder::new(Quality::default());
        let mut refused = |image: &Image| encoder.encode(image, TIMES).unwrap_err();
        assert_eq!(refused(&Image::default()), EncodeError::Size(0, 0));
        assert_eq!(refused(&grey(65_501, 1)), EncodeError::Size(65_501, 1));
    }

    #[test]
    fn too_many_bytes_are_refused_and_counted() {
        let mut noise = grey(5000, 4000);
        noise.planes_mut().into_iter().flatten().for_each(|byte| *byte = fastrand::u8(..));
        let best = JpegEncoder::new(Quality::try_from(100).unwrap()).encode(&noise, TIMES);
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
