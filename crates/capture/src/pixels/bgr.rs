//! From red, green and blue, in which OpenCV paints, and delivers a webcam's frames.

use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitConstManual, StsUnsupportedFormat};

use super::Size;
use super::colours::Colours;
use super::image::Image;
use crate::native::turbojpeg::Compressor;

/// Converts rows of blue, green and red (`CV_8UC3`, OpenCV's order) to images.
#[derive(Debug, Default)]
pub struct BgrConverter {
    /// Created for the first image.
    compressor: Option<Compressor>,
}

impl BgrConverter {
    /// Converts pixels to the colours of a JPEG.
    ///
    /// # Errors
    /// Fails if the pixels are not blue, green and red, or if there is not enough memory.
    pub fn convert(&mut self, pixels: &Mat, image: &mut Image) -> opencv::Result<()> {
        if pixels.typ() != CV_8UC3 {
            let reason = "the pixels are not blue, green and red";
            return Err(opencv::Error::new(StsUnsupportedFormat, reason));
        }
        let size = (pixels.cols() as u32, pixels.rows() as u32);
        self.convert_bytes(pixels.data_bytes()?, size, image)
    }

    /// Converts the bytes of pixels of this size.
    pub(super) fn convert_bytes(
        &mut self,
        bytes: &[u8],
        size: Size,
        image: &mut Image,
    ) -> opencv::Result<()> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new()?),
        };
        image.reshape(size, Colours::JFIF)?;
        compressor.planes(bytes, size, image.planes_mut())?;
        image.pad();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, Scalar};

    use super::*;

    #[test]
    fn each_colour_has_its_luma_and_chroma_in_every_size() {
        let mut converter = BgrConverter::default();
        for (width, height) in [(1, 1), (2, 2), (3, 5), (64, 48), (33, 17)] {
            for (bgr, expected) in [
                ([255, 255, 255], [255, 128, 128]),
                ([0, 0, 0], [0, 128, 128]),
                ([0, 0, 255], [76, 85, 255]),
                ([0, 255, 0], [150, 44, 21]),
                ([255, 0, 0], [29, 255, 107]),
            ] {
                let colour = Scalar::from((bgr[0], bgr[1], bgr[2]));
                let pixels = Mat::new_rows_cols_with_default(height, width, CV_8UC3, colour);
                let mut image = Image::default();
                converter.convert(&pixels.unwrap(), &mut image).unwrap();
                assert_eq!(image.size(), (width as u32, height as u32));
                for (plane, value) in image.planes().into_iter().zip(expected) {
                    assert!(
                        plane.iter().all(|byte| byte.abs_diff(value) <= 1),
                        "{bgr:?} {plane:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn pixels_of_another_type_are_refused() {
        let grey = Mat::new_rows_cols_with_default(48, 64, CV_8UC1, Scalar::all(90.0)).unwrap();
        let refused = BgrConverter::default().convert(&grey, &mut Image::default());
        assert!(refused.unwrap_err().message.contains("not blue"));
    }
}
