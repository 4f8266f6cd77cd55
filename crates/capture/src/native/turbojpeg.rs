//! Bindings to libjpeg-turbo: planes of luma and chroma to JPEG and back, with the part of its TurboJPEG API that 2.x and
//! 3.x share. JPEGs in other colours are decoded to rows of blue, green and red, which it converts to planes.
//!
//! Planes have an even number of columns and rows of luma, and half as many of chroma.
//!
//! The library reports errors in its results and prints nothing.

mod compressor;
mod functions;

use std::ffi::{CStr, c_int, c_ulong, c_void};
use std::ptr::NonNull;

pub(crate) use compressor::Compressor;
use functions::{
    TJCS_CMYK, TJCS_GRAY, TJCS_YCBCR, TJCS_YCCK, TJFLAG_ACCURATEDCT, TJFLAG_STOPONWARNING,
    TJPF_BGR, TJPF_CMYK, TJSAMP_420, TJSAMP_422, TJSAMP_440, TJSAMP_444, TJSAMP_GRAY,
    tjDecompress2, tjDecompressHeader3, tjDecompressToYUVPlanes, tjDestroy, tjGetErrorStr2,
    tjInitCompress, tjInitDecompress,
};

/// Width and height in pixels.
type Size = (u32, u32);

/// Blue, green and red.
const BYTES_PER_PIXEL: u32 = 3;
/// Cyan, magenta, yellow and black.
const BYTES_PER_CMYK: u32 = 4;

/// The reason why the library failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TurboError {
    /// The library's own error.
    #[error("libjpeg-turbo: {0}")]
    Library(String),
    /// The pixels do not have the bytes that the format needs.
    #[error("{0} bytes are not the pixels of a frame of {1}x{2}")]
    Length(usize, u32, u32),
    /// There is no memory for the JPEG.
    #[error("not enough memory for a frame of {0}x{1}")]
    Memory(u32, u32),
}

/// The resolution of a JPEG's chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// That of luma.
    Full,
    /// Half as wide.
    HalfWidth,
    /// Half as high.
    HalfHeight,
    /// Half as wide and high.
    Quarter,
    /// There is no chroma.
    Grey,
}

impl Sampling {
    fn of(sampling: c_int, colours: c_int) -> Option<Self> {
        match (sampling, colours) {
            (TJSAMP_GRAY, TJCS_GRAY | TJCS_YCBCR) => Some(Self::Grey),
            (TJSAMP_444, TJCS_YCBCR) => Some(Self::Full),
            (TJSAMP_422, TJCS_YCBCR) => Some(Self::HalfWidth),
            (TJSAMP_440, TJCS_YCBCR) => Some(Self::HalfHeight),
            (TJSAMP_420, TJCS_YCBCR) => Some(Self::Quarter),
            _ => None,
        }
    }

    /// Returns the size of a plane of chroma in an image of this size.
    pub(crate) fn chroma(self, (width, height): Size) -> Size {
        match self {
            Self::Full => (width, height),
            Self::HalfWidth => (width.div_ceil(2), height),
            Self::HalfHeight => (width, height.div_ceil(2)),
            Self::Quarter => (width.div_ceil(2), height.div_ceil(2)),
            Self::Grey => (0, 0),
        }
    }
}

/// The scale at which a JPEG is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Whole = 1,
    Half = 2,
    Quarter = 4,
    Eighth = 8,
}

impl Scale {
    /// Returns a size at this scale, rounded up.
    pub(crate) fn of(self, (width, height): Size) -> Size {
        (width.div_ceil(self as u32), height.div_ceil(self as u32))
    }
}

/// Decodes JPEG. After an error it must not be used again: 2.x does not reset itself after a broken header.
#[derive(Debug)]
pub(crate) struct Decompressor {
    handle: Handle,
    /// The pixels of a JPEG in CMYK. Reused for each frame.
    inks: Vec<u8>,
}

/// A JPEG whose header was read.
#[derive(Debug)]
pub(crate) struct ParsedJpeg<'a> {
    decompressor: &'a mut Decompressor,
    jpeg: &'a [u8],
    size: Size,
    is_cmyk: bool,
    sampling: Option<Sampling>,
}

impl Decompressor {
    pub(crate) fn new() -> Result<Self, TurboError> {
        Ok(Self { handle: Handle::decompress()?, inks: Vec::new() })
    }

    /// Reads the header.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn read<'a>(&'a mut self, jpeg: &'a [u8]) -> Result<ParsedJpeg<'a>, TurboError> {
        let (mut width, mut height, mut sampling, mut colours) = (0, 0, -1, -1);
        // SAFETY: the handle is a decompressor and exclusively owned, and all pointers live until the call returns.
        let result = unsafe {
            tjDecompressHeader3(
                self.handle.0.as_ptr(),
                jpeg.as_ptr(),
                jpeg.len() as c_ulong,
                &raw mut width,
                &raw mut height,
                &raw mut sampling,
                &raw mut colours,
            )
        };
        match (u32::try_from(width), u32::try_from(height)) {
            // The library reports an error for unnamed subsampling, which it decodes nevertheless, and for mere
            // warnings. For a broken header, 3.x may return the size of the frame before; decoding then fails with the
            // reason.
            (Ok(width @ 1..), Ok(height @ 1..)) => {
                let is_cmyk = matches!(colours, TJCS_CMYK | TJCS_YCCK);
                let sampling = if result == 0 { Sampling::of(sampling, colours) } else { None };
                Ok(ParsedJpeg {
                    decompressor: self,
                    jpeg,
                    size: (width, height),
                    is_cmyk,
                    sampling,
                })
            }
            _ if result != 0 => Err(self.handle.error()),
            _ => Err(TurboError::Library("the image is empty".into())),
        }
    }
}

impl ParsedJpeg<'_> {
    /// Returns the size at this scale.
    pub(crate) fn size(&self, scale: Scale) -> Size {
        scale.of(self.size)
    }

    /// Returns the resolution of chroma; `None` if the JPEG cannot be decoded to planes, because it is in other colours
    /// or has an unusual resolution.
    pub(crate) fn sampling(&self) -> Option<Sampling> {
        self.sampling
    }

    /// Decodes to planes. Those of chroma have the size that the sampling states, without gaps. A damaged JPEG is
    /// accepted if every row was written.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn decompress_planes(
        self,
        scale: Scale,
        luma: &mut [u8],
        chroma: [&mut [u8]; 2],
    ) -> Result<(), TurboError> {
        let size = self.size(scale);
        let handle = &self.decompressor.handle;
        let Some(sampling) = self.sampling else {
            return Err(TurboError::Library("the image has no planes".into()));
        };
        let (row, chroma_size) = (size.0.next_multiple_of(2), sampling.chroma(size));
        let (width, height) = sides(size)?;
        check_plane(luma.len(), (row, size.1.next_multiple_of(2)), size)?;
        chroma.iter().try_for_each(|plane| check_plane(plane.len(), chroma_size, size))?;
        let [blue, red] = chroma;
        let planes = [luma.as_mut_ptr(), blue.as_mut_ptr(), red.as_mut_ptr()];
        let strides = [row, chroma_size.0, chroma_size.0].map(|length| length as c_int);
        let last = (size.1 - 1) as usize * row as usize;
        let last = last..last + size.0 as usize;
        mark().zip(&mut luma[last.clone()]).for_each(|(mark, byte)| *byte = mark);
        // SAFETY: the handle is a decompressor and exclusively owned, and it has read this header before. It decodes at
        // its largest scale that fits into `width` and `height`. The planes then have no more columns and rows than the
        // sampling of the header states, with luma rounded up to even sides; the checks above have found as many in
        // memory. All pointers live until the call returns.
        let result = unsafe {
            tjDecompressToYUVPlanes(
                handle.0.as_ptr(),
                self.jpeg.as_ptr(),
                self.jpeg.len() as c_ulong,
                planes.as_ptr(),
                width,
                strides.as_ptr(),
                height,
                TJFLAG_ACCURATEDCT,
            )
        };
        let finished = mark().zip(&luma[last]).any(|(mark, byte)| *byte != mark);
        if result == 0 || finished { Ok(()) } else { Err(handle.error()) }
    }

    /// Decodes to rows of blue, green and red. A damaged JPEG is accepted if every row was written.
    pub(crate) fn decompress(self, scale: Scale, pixels: &mut [u8]) -> Result<(), TurboError> {
        let size = self.size(scale);
        PixelLayout::of(pixels, size, BYTES_PER_PIXEL)?;
        let Decompressor { handle, inks } = self.decompressor;
        if !self.is_cmyk {
            return handle.decode(self.jpeg, pixels, size, BYTES_PER_PIXEL, TJFLAG_ACCURATEDCT);
        }
        inks.resize(pixels.len() / BYTES_PER_PIXEL as usize * BYTES_PER_CMYK as usize, 0);
        handle.decode(self.jpeg, inks, size, BYTES_PER_CMYK, TJFLAG_ACCURATEDCT)?;
        let inks = inks.chunks_exact(BYTES_PER_CMYK as usize);
        for (pixel, ink) in pixels.chunks_exact_mut(BYTES_PER_PIXEL as usize).zip(inks) {
            pixel.copy_from_slice(&without_inks(ink));
        }
        Ok(())
    }

    /// Returns whether nothing of the image is missing.
    pub(crate) fn check_complete(self) -> bool {
        // All of the data are read at the smallest scale too, which has the least pixels.
        let size = self.size(Scale::Eighth);
        let bytes = if self.is_cmyk { BYTES_PER_CMYK } else { BYTES_PER_PIXEL };
        let Decompressor { handle, inks } = self.decompressor;
        let Some(length) = (size.0 as usize).checked_mul(size.1 as usize * bytes as usize) else {
            return false;
        };
        inks.resize(length, 0);
        match handle.decode(self.jpeg, inks, size, bytes, TJFLAG_STOPONWARNING) {
            Ok(()) => true,
            // Bytes after the image, such as the line break before the boundary of a part.
            Err(TurboError::Library(warning)) => warning.contains("extraneous bytes"),
            Err(_) => false,
        }
    }
}

/// Returns the blue, green and red of a pixel in CMYK. Its values are inverted, as all programs that write such JPEGs
/// do: 0 is the most ink.
fn without_inks(ink: &[u8]) -> [u8; 3] {
    let &[cyan, magenta, yellow, black] = ink else { return [0; 3] };
    [yellow, magenta, cyan].map(|ink| (u16::from(ink) * u16::from(black) / 255) as u8)
}

/// Returns the content of the last row until it is decoded; no row of a real image looks like this.
fn mark() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).cycle().map(|at| at.wrapping_mul(89))
}

/// Checks that a plane of an image of this size has exactly these columns and rows.
fn check_plane(length: usize, plane: Size, size: Size) -> Result<(), TurboError> {
    match u64::from(plane.0) * u64::from(plane.1) == length as u64 {
        true => Ok(()),
        false => Err(TurboError::Length(length, size.0, size.1)),
    }
}

/// Returns the sides of an image in the types of the library.
fn sides((width, height): Size) -> Result<(c_int, c_int), TurboError> {
    match (width.try_into(), height.try_into()) {
        (Ok(width @ 1..), Ok(height @ 1..)) => Ok((width, height)),
        _ => Err(TurboError::Length(0, width, height)),
    }
}

/// The dimensions of a frame in the types of the library.
struct PixelLayout {
    width: c_int,
    height: c_int,
    pitch: c_int,
}

impl PixelLayout {
    /// Returns the dimensions of pixels that have exactly this size.
    fn of(pixels: &[u8], (width, height): Size, bytes_per_pixel: u32) -> Result<Self, TurboError> {
        let pitch = u64::from(width) * u64::from(bytes_per_pixel);
        let length = pitch.checked_mul(height.into());
        let dimensions = (width.try_into(), height.try_into(), pitch.try_into());
        match dimensions {
            (Ok(width @ 1..), Ok(height @ 1..), Ok(pitch))
                if length == Some(pixels.len() as u64) =>
            {
                Ok(Self { width, height, pitch })
            }
            _ => Err(TurboError::Length(pixels.len(), width, height)),
        }
    }
}

/// An instance of the library: a compressor or a decompressor.
#[derive(Debug)]
struct Handle(NonNull<c_void>);

#[expect(unsafe_code, reason = "pointers are not Send")]
// SAFETY: an instance belongs to no thread. It is memory and tables, which its exclusive owner may use and free.
unsafe impl Send for Handle {}

impl Handle {
    #[expect(unsafe_code, reason = "calls a C function")]
    fn compress() -> Result<Self, TurboError> {
        // SAFETY: it has no preconditions.
        Self::of(unsafe { tjInitCompress() })
    }

    #[expect(unsafe_code, reason = "calls a C function")]
    fn decompress() -> Result<Self, TurboError> {
        // SAFETY: it has no preconditions.
        Self::of(unsafe { tjInitDecompress() })
    }

    fn of(instance: *mut c_void) -> Result<Self, TurboError> {
        let failed = || TurboError::Library("not enough memory for an instance".into());
        NonNull::new(instance).map(Self).ok_or_else(failed)
    }

    /// Decodes a JPEG, if this is a decompressor. With [`TJFLAG_STOPONWARNING`] it must be complete; otherwise it is
    /// accepted if every row was written.
    #[expect(unsafe_code, reason = "calls a C function")]
    fn decode(
        &self,
        jpeg: &[u8],
        pixels: &mut [u8],
        size: Size,
        bytes_per_pixel: u32,
        flags: c_int,
    ) -> Result<(), TurboError> {
        let PixelLayout { width, height, pitch } = PixelLayout::of(pixels, size, bytes_per_pixel)?;
        let format = if bytes_per_pixel == BYTES_PER_CMYK { TJPF_CMYK } else { TJPF_BGR };
        let last = pixels.len() - pitch as usize;
        mark().zip(&mut pixels[last..]).for_each(|(mark, byte)| *byte = mark);
        // SAFETY: the handle is exclusively owned; the library refuses it if it is no decompressor. It decodes at its
        // largest scale that fits into `width` and `height`, whatever the header says, and so writes at most `height`
        // rows of `width` pixels, `pitch` bytes apart. `PixelLayout` has checked that `pixels` has them in this format.
        // All pointers live until the call returns.
        let result = unsafe {
            tjDecompress2(
                self.0.as_ptr(),
                jpeg.as_ptr(),
                jpeg.len() as c_ulong,
                pixels.as_mut_ptr(),
                width,
                pitch,
                height,
                format,
                flags,
            )
        };
        // tjGetErrorCode() reports a warning if a fatal error follows one, and a fatal error if it follows the image.
        let finished = || mark().zip(&pixels[last..]).any(|(mark, byte)| *byte != mark);
        let tolerant = flags & TJFLAG_STOPONWARNING == 0;
        if result == 0 || tolerant && finished() { Ok(()) } else { Err(self.error()) }
    }

    /// Returns the last error.
    #[expect(unsafe_code, reason = "calls a C function")]
    fn error(&self) -> TurboError {
        // SAFETY: the instance is alive. Its text is part of it, ends with a zero, and is copied before any other call.
        let text = unsafe { CStr::from_ptr(tjGetErrorStr2(self.0.as_ptr())) };
        TurboError::Library(text.to_string_lossy().into_owned())
    }
}

impl Drop for Handle {
    #[expect(unsafe_code, reason = "calls a C function")]
    fn drop(&mut self) {
        // SAFETY: the instance is alive and exclusively owned, and is not used after this.
        unsafe { tjDestroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_do_not_match_the_size_are_refused() {
        let mut compressor = Compressor::new().unwrap();
        for (luma, chroma, size) in [
            (0, 0, (0, 0)),
            (3, 1, (2, 2)),
            (5, 1, (2, 2)),
            (4, 2, (2, 2)),
            (9, 4, (3, 3)),
            (4, 1, (u32::MAX, u32::MAX)),
        ] {
            let (luma, chroma) = (vec![0; luma], vec![0; chroma]);
            let refused = compressor.compress([&luma, &chroma, &chroma], size, 80);
            assert!(matches!(refused, Err(TurboError::Length(..))), "{size:?}: {refused:?}");
        }
        let mut planes = [vec![0; 4], vec![0; 1], vec![0; 1]];
        let [luma, blue, red] = planes.each_mut().map(Vec::as_mut_slice);
        let refused = compressor.planes(&[0; 11], (2, 2), [luma, blue, red]);
        assert_eq!(refused, Err(TurboError::Length(11, 2, 2)));
        let jpeg = compressor.compress([&[0; 4], &[128], &[128]], (2, 2), 80).unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let parsed = decompressor.read(jpeg).unwrap();
        assert_eq!((parsed.size(Scale::Whole), parsed.size(Scale::Eighth)), ((2, 2), (1, 1)));
        assert_eq!(parsed.sampling(), Some(Sampling::Quarter));
        let refused = parsed.decompress(Scale::Whole, &mut [0; 11]);
        assert_eq!(refused, Err(TurboError::Length(11, 2, 2)));
        let parsed = decompressor.read(jpeg).unwrap();
        let refused = parsed.decompress_planes(Scale::Whole, &mut [0; 4], [&mut [0], &mut [0; 2]]);
        assert_eq!(refused, Err(TurboError::Length(2, 2, 2)));
    }

    #[test]
    fn inverted_inks_are_colours() {
        assert_eq!(without_inks(&[255, 255, 255, 255]), [255, 255, 255], "white: no ink");
        assert_eq!(without_inks(&[255, 255, 255, 0]), [0, 0, 0], "black");
        assert_eq!(without_inks(&[255, 0, 0, 255]), [0, 0, 255], "red: magenta and yellow");
    }

    #[test]
    fn an_error_has_the_text_of_the_library() {
        let mut decompressor = Decompressor::new().unwrap();
        let error = decompressor.read(b"garbage").unwrap_err().to_string();
        let text = error.strip_prefix("libjpeg-turbo: ").unwrap();
        // 2.x says that it is no JPEG, 3.x that it has no sampling.
        assert!(text.contains("JPEG"), "{error}");
    }
}
