//! Bindings to libjpeg-turbo: pixels to JPEG and back, with the part of its TurboJPEG API that 2.x and 3.x share.
//!
//! Pixels have OpenCV's order of colours. OpenCV itself, which uses the same library, requests the other order and
//! swaps red and blue byte by byte, which takes about as long as the JPEG itself.
//!
//! The library reports errors in its results and prints nothing.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_ulong, c_void};
use std::ptr::NonNull;

/// Width and height in pixels.
type Size = (u32, u32);

/// Blue, green and red.
const BYTES_PER_PIXEL: u32 = 3;

// These constants are copied from turbojpeg.h.
const TJPF_BGR: c_int = 1;
const TJSAMP_420: c_int = 2;
const TJCS_CMYK: c_int = 3;
const TJCS_YCCK: c_int = 4;
const TJFLAG_NOREALLOC: c_int = 1024;
/// The default of libjpeg, and hardly slower.
const TJFLAG_ACCURATEDCT: c_int = 4096;

#[expect(unsafe_code, reason = "the only crate for it requires 3.x, and Debian 12 and 13 have 2.x")]
#[link(name = "turbojpeg")]
unsafe extern "C" {
    fn tjInitCompress() -> *mut c_void;
    fn tjInitDecompress() -> *mut c_void;
    fn tjDestroy(handle: *mut c_void) -> c_int;
    fn tjGetErrorStr2(handle: *mut c_void) -> *const c_char;
    safe fn tjBufSize(width: c_int, height: c_int, sampling: c_int) -> c_ulong;
    fn tjCompress2(
        handle: *mut c_void,
        pixels: *const c_uchar,
        width: c_int,
        pitch: c_int,
        height: c_int,
        pixel_format: c_int,
        jpeg: *mut *mut c_uchar,
        jpeg_size: *mut c_ulong,
        sampling: c_int,
        quality: c_int,
        flags: c_int,
    ) -> c_int;
    fn tjDecompressHeader3(
        handle: *mut c_void,
        jpeg: *const c_uchar,
        jpeg_size: c_ulong,
        width: *mut c_int,
        height: *mut c_int,
        sampling: *mut c_int,
        colours: *mut c_int,
    ) -> c_int;
    fn tjDecompress2(
        handle: *mut c_void,
        jpeg: *const c_uchar,
        jpeg_size: c_ulong,
        pixels: *mut c_uchar,
        width: c_int,
        pitch: c_int,
        height: c_int,
        pixel_format: c_int,
        flags: c_int,
    ) -> c_int;
}

/// The reason why the library failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TurboError {
    /// The library's own error.
    #[error("libjpeg-turbo: {0}")]
    Library(String),
    /// The JPEG has four colour components without a defined meaning.
    #[error("unsupported colours: CMYK")]
    Cmyk,
    /// The pixels have not three bytes each.
    #[error("{0} bytes are not the pixels of a frame of {1}x{2}")]
    Length(usize, u32, u32),
    /// There is no memory for the JPEG.
    #[error("not enough memory for a frame of {0}x{1}")]
    Memory(u32, u32),
}

/// Encodes baseline JPEG with 4:2:0 subsampling, which every viewer supports.
#[derive(Debug)]
pub(crate) struct Compressor {
    handle: Handle,
    /// Reused for each frame. It has the size of the worst case, of which only the part ever written occupies memory.
    jpeg: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Result<Self, TurboError> {
        Ok(Self { handle: Handle::compress()?, jpeg: Vec::new() })
    }

    /// Encodes rows of blue, green and red.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn compress(
        &mut self,
        pixels: &[u8],
        size: Size,
        quality: u8,
    ) -> Result<&[u8], TurboError> {
        let PixelLayout { width, height, pitch } = PixelLayout::of(pixels, size)?;
        let max = tjBufSize(width, height, TJSAMP_420);
        self.jpeg.clear();
        let reserved = usize::try_from(max).map(|max| self.jpeg.try_reserve(max));
        let Ok(Ok(())) = reserved else { return Err(TurboError::Memory(size.0, size.1)) };
        let (mut start, mut length) = (self.jpeg.as_mut_ptr(), max);
        // SAFETY: the handle is a compressor and exclusively owned. `PixelLayout` has checked that `pixels` has
        // `height` rows of `pitch` bytes with `width` pixels each. At `start` there are at least tjBufSize() bytes; with
        // TJFLAG_NOREALLOC the library writes to no others and keeps `start`. All pointers live until the call returns.
        let result = unsafe {
            tjCompress2(
                self.handle.0.as_ptr(),
                pixels.as_ptr(),
                width,
                pitch,
                height,
                TJPF_BGR,
                &raw mut start,
                &raw mut length,
                TJSAMP_420,
                quality.into(),
                TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT,
            )
        };
        if result != 0 || length > max {
            return Err(self.handle.error());
        }
        // SAFETY: the library has written `length` bytes, and no more than were reserved.
        unsafe { self.jpeg.set_len(length as usize) };
        Ok(&self.jpeg)
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
pub(crate) struct Decompressor(Handle);

/// A JPEG whose header was read.
#[derive(Debug)]
pub(crate) struct ParsedJpeg<'a> {
    decompressor: &'a mut Decompressor,
    jpeg: &'a [u8],
    size: Size,
}

impl Decompressor {
    pub(crate) fn new() -> Result<Self, TurboError> {
        Ok(Self(Handle::decompress()?))
    }

    /// Reads the header.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn read<'a>(&'a mut self, jpeg: &'a [u8]) -> Result<ParsedJpeg<'a>, TurboError> {
        let (mut width, mut height, mut sampling, mut colours) = (0, 0, -1, -1);
        // SAFETY: the handle is a decompressor and exclusively owned, and all pointers live until the call returns.
        let result = unsafe {
            tjDecompressHeader3(
                self.0.0.as_ptr(),
                jpeg.as_ptr(),
                jpeg.len() as c_ulong,
                &raw mut width,
                &raw mut height,
                &raw mut sampling,
                &raw mut colours,
            )
        };
        match (u32::try_from(width), u32::try_from(height)) {
            _ if colours == TJCS_CMYK || colours == TJCS_YCCK => Err(TurboError::Cmyk),
            // The library reports an error for unnamed subsampling, which it decodes nevertheless, and for mere
            // warnings. For a broken header, 3.x may return the size of the frame before; decoding then fails with the
            // reason.
            (Ok(width @ 1..), Ok(height @ 1..)) => {
                Ok(ParsedJpeg { decompressor: self, jpeg, size: (width, height) })
            }
            _ if result != 0 => Err(self.0.error()),
            _ => Err(TurboError::Library("the image is empty".into())),
        }
    }
}

impl ParsedJpeg<'_> {
    /// Returns the size at this scale.
    pub(crate) fn size(&self, scale: Scale) -> Size {
        scale.of(self.size)
    }

    /// Decodes to rows of blue, green and red. A damaged JPEG is accepted if every row was written.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn decompress(self, scale: Scale, pixels: &mut [u8]) -> Result<(), TurboError> {
        let PixelLayout { width, height, pitch } = PixelLayout::of(pixels, self.size(scale))?;
        let last = pixels.len() - pitch as usize;
        mark().zip(&mut pixels[last..]).for_each(|(mark, byte)| *byte = mark);
        let handle = &self.decompressor.0;
        // SAFETY: the handle is a decompressor and exclusively owned. The library decodes at its largest scale that
        // fits into `width` and `height`, whatever the header says, and so writes at most `height` rows of `width`
        // pixels, `pitch` bytes apart. `PixelLayout` has checked that `pixels` has them. All pointers live until the
        // call returns.
        let result = unsafe {
            tjDecompress2(
                handle.0.as_ptr(),
                self.jpeg.as_ptr(),
                self.jpeg.len() as c_ulong,
                pixels.as_mut_ptr(),
                width,
                pitch,
                height,
                TJPF_BGR,
                TJFLAG_ACCURATEDCT,
            )
        };
        // tjGetErrorCode() reports a warning if a fatal error follows one, and a fatal error if it follows the image.
        let finished = || mark().zip(&pixels[last..]).any(|(mark, byte)| *byte != mark);
        if result == 0 || finished() { Ok(()) } else { Err(handle.error()) }
    }
}

/// Returns the content of the last row until it is decoded; no row of a real image looks like this.
fn mark() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).cycle().map(|at| at.wrapping_mul(89))
}

/// The dimensions of a frame in the types of the library.
struct PixelLayout {
    width: c_int,
    height: c_int,
    pitch: c_int,
}

impl PixelLayout {
    /// Returns the dimensions of pixels that have exactly this size.
    fn of(pixels: &[u8], (width, height): Size) -> Result<Self, TurboError> {
        let pitch = u64::from(width) * u64::from(BYTES_PER_PIXEL);
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
        for (length, size) in [(0, (0, 0)), (11, (2, 2)), (13, (2, 2)), (12, (u32::MAX, u32::MAX))]
        {
            let refused = compressor.compress(&vec![0; length], size, 80);
            assert_eq!(refused, Err(TurboError::Length(length, size.0, size.1)));
        }
        let jpeg = compressor.compress(&[0; 12], (2, 2), 80).unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let parsed = decompressor.read(jpeg).unwrap();
        assert_eq!((parsed.size(Scale::Whole), parsed.size(Scale::Eighth)), ((2, 2), (1, 1)));
        let refused = parsed.decompress(Scale::Whole, &mut [0; 11]);
        assert_eq!(refused, Err(TurboError::Length(11, 2, 2)));
    }

    #[test]
    fn cmyk_is_refused_by_name() {
        let header: Vec<u8> = [
            &[0xff, 0xd8, 0xff, 0xc0, 0, 20, 8, 0, 48, 0, 64, 4][..],
            &[1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0],
            &[0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0, 0xff, 0xd9],
        ]
        .concat();
        let mut decompressor = Decompressor::new().unwrap();
        assert!(matches!(decompressor.read(&header), Err(TurboError::Cmyk)));
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
