//! Conversion of a decoder's frames to images: at the same size, or at the size with square pixels. Matrix and range stay.

use std::fmt;

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};

use super::Size;
use super::colours::{Colours, Matrix};
use super::image::{Image, Plane};

/// The reason why a frame was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// libswscale does not support the format.
    #[error("cannot convert a frame of {0}x{1} in {2:?}: unsupported format")]
    Unsupported(u32, u32, Pixel),
    /// libswscale failed without a reason.
    #[error("cannot convert a frame: libswscale failed")]
    Failed,
    /// The frame has too many pixels, or there is no memory for them.
    #[error("OpenCV: {}", .0.message)]
    Pixels(#[from] opencv::Error),
}

/// Converts frames. It keeps its tables while the format stays the same.
#[derive(Default)]
pub struct Converter {
    scaling: Option<Scaling>,
}

#[expect(unsafe_code, reason = "ffmpeg-next marks all contexts but libswscale's as Send")]
// SAFETY: a context belongs to no thread. It is memory and tables, which its exclusive owner may use and free.
unsafe impl Send for Converter {}

/// libswscale's tables for one conversion.
struct Scaling {
    conversion: Conversion,
    context: Context,
    /// The result. Its rows have room for the blocks that libswscale writes at their ends.
    scaled: Video,
}

/// The properties that determine a conversion.
#[derive(Clone, Copy, PartialEq)]
struct Conversion {
    pixel: Pixel,
    size: Size,
    target: Size,
    colours: Colours,
}

impl Converter {
    /// Writes a frame into `image`, at this size.
    ///
    /// # Errors
    /// Fails if libswscale does not support the pixel format, or if there is not enough memory.
    pub fn convert(
        &mut self,
        frame: &Video,
        target: Size,
        image: &mut Image,
    ) -> Result<(), ConvertError> {
        let conversion = Conversion::new(frame, target);
        image.reshape(target, conversion.colours)?;
        if conversion.is_copy() && goes_down(frame) {
            copy(frame, image);
            return Ok(());
        }
        let scaling = match self.scaling.take() {
            Some(scaling) if scaling.conversion == conversion => scaling,
            _ => Scaling::new(conversion)?,
        };
        let Scaling { context, scaled, .. } = self.scaling.insert(scaling);
        context.run(frame, scaled).map_err(|_| ConvertError::Failed)?;
        copy(scaled, image);
        Ok(())
    }
}

/// Returns the size of a decoded frame.
pub fn size_of_frame(frame: &Video) -> Size {
    (frame.width(), frame.height())
}

/// Returns whether the rows follow each other downwards. Some formats of files store them upwards.
fn goes_down(frame: &Video) -> bool {
    (0..frame.planes()).all(|plane| i32::try_from(frame.stride(plane)).is_ok())
}

/// Copies the planes of a frame of the same size.
fn copy(frame: &Video, image: &mut Image) {
    let size = image.size();
    for (plane, into) in Plane::ALL.into_iter().zip(image.planes_mut()) {
        let (row, stored) = (plane.size(size).0 as usize, plane.stored_size(size).0 as usize);
        let lines = frame.data(plane as usize).chunks(frame.stride(plane as usize));
        let lines = lines.take(plane.size(size).1 as usize);
        for (into, line) in into.chunks_exact_mut(stored).zip(lines) {
            into[..row].copy_from_slice(&line[..row]);
        }
    }
    image.pad();
}

impl Conversion {
    fn new(frame: &Video, target: Size) -> Self {
        let (pixel, size) = (frame.format(), size_of_frame(frame));
        Self { pixel, size, target, colours: colours(frame, pixel, size) }
    }

    /// Returns whether the planes of the frame are those of an image already.
    fn is_copy(&self) -> bool {
        matches!(self.pixel, Pixel::YUV420P | Pixel::YUVJ420P) && self.size == self.target
    }
}

/// Returns the colours of an image that is made from a frame.
fn colours(frame: &Video, pixel: Pixel, size: Size) -> Colours {
    if is_rgb(pixel) {
        // libswscale computes luma and chroma from red, green and blue in these colours only, on all of its ways.
        return Colours { matrix: Matrix::Bt601, full_range: false };
    }
    // These formats of old say nothing about the matrix: a camera's full-range H.264 has them too.
    let is_full =
        matches!(pixel, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P);
    let mut colours = Colours::of(frame.color_space(), frame.color_range(), size);
    colours.full_range |= is_full;
    colours
}

/// Returns whether a format has red, green and blue, possibly in a palette.
#[expect(unsafe_code, reason = "ffmpeg-next does not expose the flags of formats")]
fn is_rgb(pixel: Pixel) -> bool {
    let Some(descriptor) = pixel.descriptor() else { return false };
    // SAFETY: descriptors are constants of the library.
    let flags = unsafe { (*descriptor.as_ptr()).flags };
    flags & (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64 != 0
}

impl Scaling {
    fn new(conversion: Conversion) -> Result<Self, ConvertError> {
        let Conversion { pixel, size: (width, height), target, .. } = conversion;
        // Without it, libswscale takes chroma of every other row only.
        let precise = if is_rgb(pixel) { Flags::ACCURATE_RND } else { Flags::empty() };
        let flags = Flags::BILINEAR | precise;
        let context = Context::get(pixel, width, height, Pixel::YUV420P, target.0, target.1, flags)
            .map_err(|_| ConvertError::Unsupported(width, height, pixel))?;
        let mut scaling = Self { conversion, context, scaled: Video::empty() };
        scaling.keep_colours();
        Ok(scaling)
    }

    /// Makes both sides have the same matrix and range.
    #[expect(unsafe_code, reason = "ffmpeg-next does not expose colour spaces")]
    fn keep_colours(&mut self) {
        let Colours { matrix, full_range } = self.conversion.colours;
        let (range, neutral, one) = (i32::from(full_range), 0, 1 << 16);
        // SAFETY: the context is alive, and the tables are constants of the library.
        unsafe {
            let tables = ffi::sws_getCoefficients(matrix.swscale());
            ffi::sws_setColorspaceDetails(
                self.context.as_mut_ptr(),
                tables,
                range,
                tables,
                range,
                neutral,
                one,
                one,
            );
        }
    }
}

impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Mat, MatTraitManual, Scalar};

    use ffmpeg_next::util::color::{Range, Space};

    use super::*;
    use crate::pixels::bgr::BgrConverter;
    use crate::pixels::recolour::recolour;

    const FORMATS: [Pixel; 12] = [
        Pixel::YUV420P,
        Pixel::YUVJ420P,
        Pixel::NV12,
        Pixel::NV21,
        Pixel::YUYV422,
        Pixel::YUV422P,
        Pixel::YUVJ422P,
        Pixel::YUV444P,
        Pixel::YUV420P10LE,
        Pixel::GBRP,
        Pixel::BGR24,
        Pixel::RGBA,
    ];
    const SPACES: [(Space, i32); 3] = [
        (Space::SMPTE170M, ffi::SWS_CS_ITU601),
        (Space::BT709, ffi::SWS_CS_ITU709),
        (Space::BT2020NCL, ffi::SWS_CS_BT2020),
    ];

    /// Rows of blue, green and red without edges, because chroma is interpolated in different ways. They are the upper
    /// left part of an image of size `whole`.
    fn gradients((width, height): Size, whole: Size) -> Vec<u8> {
        let share = |part: u32, of: u32| (40 + part * 170 / of) as u8;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let colour = |(x, y)| [share(x, whole.0), share(y, whole.1), share(whole.0 - x, whole.0)];
        pixels.flat_map(colour).collect()
    }

    /// Encodes the gradients in a format. A frame of an odd size is cropped from one of an even size.
    fn frame(size: Size, pixel: Pixel, (space, table): (Space, i32), full: bool) -> Video {
        let even = (size.0.next_multiple_of(2), size.1.next_multiple_of(2));
        let mut from = Video::new(Pixel::BGR24, even.0, even.1);
        let (stride, row) = (from.stride(0), even.0 as usize * 3);
        let bgr = gradients(even, even);
        let lines = from.data_mut(0).chunks_mut(stride);
        lines.zip(bgr.chunks(row)).for_each(|(into, line)| into[..row].copy_from_slice(line));
        let flags = Flags::BILINEAR | Flags::ACCURATE_RND;
        let context = Context::get(Pixel::BGR24, even.0, even.1, pixel, even.0, even.1, flags);
        let mut context = context.unwrap();
        set_tables(&mut context, table, full);
        let mut frame = Video::empty();
        context.run(&from, &mut frame).unwrap();
        frame.set_color_space(space);
        frame.set_color_range(if full { Range::JPEG } else { Range::MPEG });
        frame.set_width(size.0);
        frame.set_height(size.1);
        frame
    }

    #[expect(unsafe_code, reason = "ffmpeg-next does not expose colour spaces")]
    fn set_tables(context: &mut Context, table: i32, full: bool) {
        // SAFETY: the context is alive, and the tables are constants of the library.
        unsafe {
            let (table, one) = (ffi::sws_getCoefficients(table), 1 << 16);
            let context = context.as_mut_ptr();
            ffi::sws_setColorspaceDetails(context, table, 1, table, i32::from(full), 0, one, one);
        }
    }

    /// Returns the most by which a plane differs from that of the image that the colours themselves become.
    fn difference(bgr: &[u8], image: &Image) -> u8 {
        let (mut direct, mut shown) = (Image::default(), Image::default());
        let (width, height) = image.size();
        let mut pixels = Mat::new_rows_cols_with_default(
            height as i32,
            width as i32,
            CV_8UC3,
            Scalar::default(),
        );
        let pixels = pixels.as_mut().unwrap();
        pixels.data_bytes_mut().unwrap().copy_from_slice(bgr);
        BgrConverter::default().convert(pixels, &mut direct).unwrap();
        recolour(image, Colours::JFIF, &mut shown).unwrap();
        let pairs = direct.bytes().iter().zip(shown.bytes());
        pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap()
    }

    #[test]
    fn every_format_matrix_and_range_has_its_colours_in_odd_sizes_too() {
        crate::native::prepare();
        let (mut converter, mut image) = (Converter::default(), Image::default());
        for size in [(128, 96), (126, 94), (127, 95), (320, 240)] {
            for pixel in FORMATS {
                for (space, full) in SPACES.into_iter().flat_map(|one| [(one, false), (one, true)])
                {
                    let old = matches!(pixel, Pixel::YUVJ420P | Pixel::YUVJ422P);
                    // Two pixels share four bytes, so no source has an odd number of them.
                    let odd = pixel == Pixel::YUYV422 && size.0 % 2 == 1;
                    if old && !full || odd {
                        continue;
                    }
                    let frame = frame(size, pixel, space, full);
                    converter.convert(&frame, size, &mut image).unwrap();
                    assert_eq!(image.size(), size);
                    assert!(is_rgb(pixel) || image.colours().full_range == full);
                    let even = (size.0.next_multiple_of(2), size.1.next_multiple_of(2));
                    let off = difference(&gradients(size, even), &image);
                    // Chroma of a pixel at an odd edge is its own or that of a pair.
                    assert!(off <= 4, "{pixel:?} {size:?} {space:?} {full}: {off}");
                }
            }
        }
    }

    #[test]
    fn pixels_are_made_square_in_the_same_colours() {
        crate::native::prepare();
        let (mut converter, mut image) = (Converter::default(), Image::default());
        let (size, target) = ((128, 96), (170, 96));
        let frame = frame(size, Pixel::YUV420P, SPACES[1], false);
        converter.convert(&frame, target, &mut image).unwrap();
        let colours = Colours { matrix: Matrix::Bt709, full_range: false };
        assert_eq!((image.size(), image.colours()), (target, colours));
        assert!(difference(&gradients(target, target), &image) <= 4);
    }
}
