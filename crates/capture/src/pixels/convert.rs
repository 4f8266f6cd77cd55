//! Conversion of a codec's pixel format to OpenCV's, at the same size, straight into an OpenCV matrix.

use std::fmt;

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::util::color::{Range, Space};
use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitManual, Scalar};

/// A taller video without a colour space has that of HDTV (ITU-R BT.709), by the convention of players.
const MAX_SDTV_HEIGHT: u32 = 576;

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
    width: u32,
    height: u32,
    hdtv: bool,
    full_range: bool,
}

impl Converter {
    /// Writes a frame into `pixels`, which is allocated at the right size.
    ///
    /// # Errors
    /// Fails if libswscale does not support the pixel format, or if there is not enough memory.
    pub fn convert(&mut self, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
        let conversion = Conversion::of(frame);
        let (rows, columns) = (frame.height() as i32, frame.width() as i32);
        if pixels.typ() != CV_8UC3 || pixels.rows() != rows || pixels.cols() != columns {
            *pixels = Mat::new_rows_cols_with_default(rows, columns, CV_8UC3, Scalar::default())?;
        }
        let context = match &mut self.current {
            Some((current, context)) if *current == conversion => context,
            other => &mut other.insert((conversion, conversion.context()?)).1,
        };
        if frame.width().is_multiple_of(BLOCK) {
            scale(context, frame, pixels)
        } else {
            scale_odd(context, frame, pixels)
        }
    }
}

impl Conversion {
    fn of(frame: &Video) -> Self {
        let pixel = frame.format();
        let hdtv = match frame.color_space() {
            Space::BT709 => true,
            Space::Unspecified => frame.height() > MAX_SDTV_HEIGHT,
            _ => false,
        };
        let jpeg =
            matches!(pixel, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P);
        let full_range = jpeg || frame.color_range() == Range::JPEG;
        Self {
            pixel,
            width: frame.width(),
            height: frame.height(),
            hdtv: hdtv && !jpeg,
            full_range,
        }
    }

    fn context(self) -> Result<Context, ConvertError> {
        let Self { pixel, width, height, .. } = self;
        let mut context =
            Context::get(pixel, width, height, Pixel::BGR24, width, height, Flags::BILINEAR)
                .map_err(|_| ConvertError::Unsupported(width, height, pixel))?;
        self.set_colour_space(&mut context);
        Ok(context)
    }

    #[expect(unsafe_code, reason = "ffmpeg-next does not expose colour spaces")]
    fn set_colour_space(self, context: &mut Context) {
        let space = if self.hdtv { ffi::SWS_CS_ITU709 } else { ffi::SWS_CS_ITU601 };
        // SAFETY: the context is alive, and the tables are constants of the library.
        unsafe {
            let tables = ffi::sws_getCoefficients(space);
            let (neutral, one) = (0, 1 << 16);
            let range = i32::from(self.full_range);
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
    let row = pixels.cols() * 3;
    let height = frame.height() as i32;
    let bytes = pixels.data_bytes_mut()?;
    if bytes.len() < row as usize * height as usize {
        return Err(ConvertError::TooSmall);
    }
    // SAFETY: context, source and target agree on format and size. The check above ensures that the target has `row`
    // bytes for each row of the frame. libswscale reads the source only within its own lines.
    let lines = unsafe {
        let source = frame.as_ptr();
        ffi::sws_scale(
            context.as_mut_ptr(),
            (*source).data.as_ptr().cast(),
            (*source).linesize.as_ptr(),
            0,
            height,
            [bytes.as_mut_ptr()].as_ptr(),
            [row].as_ptr(),
        )
    };
    if lines == height { Ok(()) } else { Err(ConvertError::Failed) }
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
