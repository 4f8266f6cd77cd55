//! Conversion of a codec's pixel format to OpenCV's, straight into an OpenCV matrix: at the same size, or at the size with
//! square pixels.

use std::fmt;

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitManual, Scalar};

use super::Size;
use super::colours::Colours;

/// libswscale processes this many pixels at a time, and may write a whole block at the end of a row.
const BLOCK: u32 = 16;

/// The reason why a frame was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// libswscale does not support the format.
    #[error("cannot convert a frame of {0}x{1} in {2:?}: unsupported format")]
    Unsupported(u32, u32, Pixel),
    /// libswscale failed without a reason.
    #[error("cannot convert a frame: libswscale failed")]
    Failed,
    /// The conversion would write beyond the end of the memory.
    #[error("cannot convert a frame: its memory is smaller than its size")]
    TooSmall,
    /// OpenCV failed, most likely for lack of memory.
    #[error("OpenCV: {}", .0.message)]
    Pixels(#[from] opencv::Error),
}

/// Converts frames. It keeps its tables while the format stays the same.
#[derive(Default)]
pub struct Converter {
    current: Option<(Conversion, Context)>,
}

#[expect(unsafe_code, reason = "ffmpeg-next marks all contexts but libswscale's as Send")]
// SAFETY: a context belongs to no thread. It is memory and tables, which its exclusive owner may use and free.
unsafe impl Send for Converter {}

/// The properties that determine a conversion.
#[derive(Clone, Copy, PartialEq)]
struct Conversion {
    pixel: Pixel,
    size: Size,
    target: Size,
    colours: Colours,
}

impl Converter {
    /// Writes a frame into `pixels`, which is allocated, at this size.
    ///
    /// # Errors
    /// Fails if libswscale does not support the pixel format, or if there is not enough memory.
    pub fn convert(
        &mut self,
        frame: &Video,
        target: Size,
        pixels: &mut Mat,
    ) -> Result<(), ConvertError> {
        let conversion = Conversion::new(frame, target);
        let (rows, columns) = (target.1 as i32, target.0 as i32);
        if pixels.typ() != CV_8UC3 || pixels.rows() != rows || pixels.cols() != columns {
            *pixels = Mat::new_rows_cols_with_default(rows, columns, CV_8UC3, Scalar::default())?;
        }
        let context = match &mut self.current {
            Some((current, context)) if *current == conversion => context,
            other => &mut other.insert((conversion, conversion.context()?)).1,
        };
        if target.0.is_multiple_of(BLOCK) {
            scale(context, frame, pixels)
        } else {
            scale_odd(context, frame, pixels)
        }
    }
}

/// Returns the size of a decoded frame.
pub fn size_of_frame(frame: &Video) -> Size {
    (frame.width(), frame.height())
}

impl Conversion {
    fn new(frame: &Video, target: Size) -> Self {
        let (pixel, size) = (frame.format(), size_of_frame(frame));
        // These formats of old say nothing about the matrix: a camera's full-range H.264 has them too.
        let is_full =
            matches!(pixel, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P);
        let mut colours = Colours::of(frame.color_space(), frame.color_range(), size);
        colours.full_range |= is_full;
        Self { pixel, size, target, colours }
    }

    fn context(self) -> Result<Context, ConvertError> {
        let Self { pixel, size: (width, height), target, .. } = self;
        let flags = Flags::BILINEAR;
        let mut context =
            Context::get(pixel, width, height, Pixel::BGR24, target.0, target.1, flags)
                .map_err(|_| ConvertError::Unsupported(width, height, pixel))?;
        self.set_colours(&mut context);
        Ok(context)
    }

    #[expect(unsafe_code, reason = "ffmpeg-next does not expose colour spaces")]
    fn set_colours(self, context: &mut Context) {
        // SAFETY: the context is alive, and the tables are constants of the library.
        unsafe {
            let tables = ffi::sws_getCoefficients(self.colours.matrix.swscale());
            let (neutral, one) = (0, 1 << 16);
            let range = i32::from(self.colours.full_range);
            ffi::sws_setColorspaceDetails(
                context.as_mut_ptr(),
                tables,
                range,
                tables,
                1,
                neutral,
                one,
                one,
            );
        }
    }
}

#[expect(
    unsafe_code,
    reason = "ffmpeg-next converts only into frames of its own, which would cost a copy"
)]
fn scale(context: &mut Context, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
    let (row, rows) = (pixels.cols() * 3, pixels.rows());
    let bytes = pixels.data_bytes_mut()?;
    if bytes.len() < row as usize * rows as usize {
        return Err(ConvertError::TooSmall);
    }
    // SAFETY: the context was created for the format and size of the source, and for the size of the target. The check
    // above ensures that the target has `row` bytes for each of its rows. libswscale reads the source only within its
    // own lines.
    let lines = unsafe {
        let source = frame.as_ptr();
        ffi::sws_scale(
            context.as_mut_ptr(),
            (*source).data.as_ptr().cast(),
            (*source).linesize.as_ptr(),
            0,
            frame.height() as i32,
            [bytes.as_mut_ptr()].as_ptr(),
            [row].as_ptr(),
        )
    };
    if lines == rows { Ok(()) } else { Err(ConvertError::Failed) }
}

/// Converts by way of a frame of FFmpeg's own, whose rows have room for whole blocks.
fn scale_odd(context: &mut Context, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
    let mut padded = Video::empty();
    context.run(frame, &mut padded).map_err(|_| ConvertError::Failed)?;
    let row = pixels.cols() as usize * 3;
    let stride = padded.stride(0);
    let lines = padded.data(0).chunks(stride).map(|line| &line[..row]);
    for (into, line) in pixels.data_bytes_mut()?.chunks_exact_mut(row).zip(lines) {
        into.copy_from_slice(line);
    }
    Ok(())
}

impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converter").finish_non_exhaustive()
    }
}
