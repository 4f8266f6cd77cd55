//! From a codec's colours to OpenCV's, at the same size, straight into an OpenCV picture.

use std::fmt;

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::util::color::{Range, Space};
use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitManual, Scalar};

/// Above this height a video that does not say how its colours are meant has those of HDTV (ITU-R BT.709); players
/// agree on that.
const TALLEST_SDTV: u32 = 576;

/// libswscale works on so many pixels at a time, and may write a whole block where only part of one is left.
const BLOCK: u32 = 16;

/// Why a picture was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// One of its kind cannot be.
    #[error("pictures of {0}x{1} in {2:?} cannot be converted")]
    Kind(u32, u32, Pixel),
    /// libswscale does not say why.
    #[error("a picture could not be converted")]
    Picture,
    /// Would be written beyond its end.
    #[error("a picture's memory is smaller than the picture")]
    TooSmall,
    /// No memory, most likely.
    #[error("OpenCV: {}", .0.message)]
    Pixels(#[from] opencv::Error),
}

/// Converts pictures; keeps its tables while they stay alike.
#[derive(Default)]
pub struct Converter {
    current: Option<(Kind, Context)>,
}

#[expect(
    unsafe_code,
    reason = "ffmpeg-next does not say so of libswscale's contexts, as it does of all others"
)]
// SAFETY: a context belongs to no thread; it is memory and tables, and whoever holds it exclusively may use and free it.
unsafe impl Send for Converter {}

/// All on which the conversion depends.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    format: Pixel,
    width: u32,
    height: u32,
    hdtv: bool,
    full_range: bool,
}

impl Converter {
    /// Writes the picture into `pixels`, made as large as it must be.
    ///
    /// # Errors
    /// When its colours are of a kind that libswscale does not know, or there is no memory for it.
    pub fn convert(&mut self, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
        let kind = Kind::of(frame);
        let (rows, columns) = (frame.height() as i32, frame.width() as i32);
        if pixels.typ() != CV_8UC3 || pixels.rows() != rows || pixels.cols() != columns {
            *pixels = Mat::new_rows_cols_with_default(rows, columns, CV_8UC3, Scalar::default())?;
        }
        let context = match &mut self.current {
            Some((current, context)) if *current == kind => context,
            other => &mut other.insert((kind, kind.context()?)).1,
        };
        if frame.width().is_multiple_of(BLOCK) {
            scale(context, frame, pixels)
        } else {
            scale_odd(context, frame, pixels)
        }
    }
}

impl Kind {
    fn of(frame: &Video) -> Self {
        let format = frame.format();
        let hdtv = match frame.color_space() {
            Space::BT709 => true,
            Space::Unspecified => frame.height() > TALLEST_SDTV,
            _ => false,
        };
        let jpeg =
            matches!(format, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P);
        let full_range = jpeg || frame.color_range() == Range::JPEG;
        Self {
            format,
            width: frame.width(),
            height: frame.height(),
            hdtv: hdtv && !jpeg,
            full_range,
        }
    }

    fn context(self) -> Result<Context, ConvertError> {
        let Self { format, width, height, .. } = self;
        let mut context =
            Context::get(format, width, height, Pixel::BGR24, width, height, Flags::BILINEAR)
                .map_err(|_| ConvertError::Kind(width, height, format))?;
        self.set_colours(&mut context);
        Ok(context)
    }

    #[expect(unsafe_code, reason = "ffmpeg-next has no words for colour spaces")]
    fn set_colours(self, context: &mut Context) {
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
    reason = "ffmpeg-next converts only into pictures of its own, which would cost a copy"
)]
fn scale(context: &mut Context, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
    let row = pixels.cols() * 3;
    let height = frame.height() as i32;
    let bytes = pixels.data_bytes_mut()?;
    if bytes.len() < row as usize * height as usize {
        return Err(ConvertError::TooSmall);
    }
    // SAFETY: context, source and target agree on format and size, and the target has a row of `row` bytes for each
    // of the picture's, as was just seen. libswscale reads the source only within its own lines.
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
    if lines == height { Ok(()) } else { Err(ConvertError::Picture) }
}

/// Over a picture of FFmpeg's own, whose rows have room for whole blocks.
fn scale_odd(context: &mut Context, frame: &Video, pixels: &mut Mat) -> Result<(), ConvertError> {
    let mut roomy = Video::empty();
    context.run(frame, &mut roomy).map_err(|_| ConvertError::Picture)?;
    let row = pixels.cols() as usize * 3;
    let stride = roomy.stride(0);
    let lines = roomy.data(0).chunks(stride).map(|line| &line[..row]);
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
