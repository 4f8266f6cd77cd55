//! libjpeg-turbo: pixels to JPEG and back, through as much of its TurboJPEG API as 2.x and 3.x have in common.
//!
//! It takes and gives OpenCV's order of colours. OpenCV, which asks the same library, asks for the other order and swaps
//! red and blue byte by byte, in about the time that JPEG itself takes.
//!
//! Whatever it has to say is in its results: it prints nothing.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_ulong, c_void};
use std::ptr::NonNull;

use crate::pixels::Size;

/// Blue, green, red.
const BYTES_A_PIXEL: u32 = 3;

// What follows is as in turbojpeg.h.
const TJPF_BGR: c_int = 1;
const TJSAMP_420: c_int = 2;
const TJCS_CMYK: c_int = 3;
const TJCS_YCCK: c_int = 4;
const TJFLAG_NOREALLOC: c_int = 1024;
/// As libjpeg does unless told otherwise, and hardly slower.
const TJFLAG_ACCURATEDCT: c_int = 4096;

#[expect(unsafe_code, reason = "the one crate for it wants 3.x, and Debian 12 and 13 have 2.x")]
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

/// Why there is no JPEG, or are no pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TurboError {
    /// The library's own words.
    #[error("libjpeg-turbo: {0}")]
    Library(String),
    /// Four colours, of which nobody says how they are meant.
    #[error("its colours are CMYK, which are a printer's and no camera's")]
    Cmyk,
    /// Not three bytes a pixel.
    #[error("{0} bytes are no picture of {1}x{2}")]
    Length(usize, u32, u32),
    /// For the JPEG.
    #[error("there is no memory for a picture of {0}x{1}")]
    Memory(u32, u32),
}

/// Makes JPEGs: baseline, with colours halved both ways (4:2:0), as every viewer can take them.
#[derive(Debug)]
pub(crate) struct Compressor {
    handle: Handle,
    /// Kept from picture to picture: as much as the worst needs, of which only what was written to is really there.
    jpeg: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Result<Self, TurboError> {
        Ok(Self { handle: Handle::compress()?, jpeg: Vec::new() })
    }

    /// Encodes rows of blue, green and red.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(crate) fn compress(
        &mut self,
        pixels: &[u8],
        size: Size,
        quality: u8,
    ) -> Result<&[u8], TurboError> {
        let Layout { width, height, pitch } = Layout::of(pixels, size)?;
        let most = tjBufSize(width, height, TJSAMP_420);
        self.jpeg.clear();
        let reserved = usize::try_from(most).map(|most| self.jpeg.try_reserve(most));
        let Ok(Ok(())) = reserved else { return Err(TurboError::Memory(size.0, size.1)) };
        let (mut start, mut length) = (self.jpeg.as_mut_ptr(), most);
        // SAFETY: the handle is one for this and exclusively ours. `pixels` has `height` rows of `pitch` bytes, as `Layout`
        // saw, which hold `width` pixels each. At `start` there are at least tjBufSize() bytes, which with
        // TJFLAG_NOREALLOC are written to and no more, and `start` stays. All pointers live until the call returns.
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
        if result != 0 || length > most {
            return Err(self.handle.error());
        }
        // SAFETY: so many bytes were written, which are no more than were reserved.
        unsafe { self.jpeg.set_len(length as usize) };
        Ok(&self.jpeg)
    }
}

/// How much of a picture's width and height is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Whole = 1,
    Half = 2,
    Quarter = 4,
    Eighth = 8,
}

impl Scale {
    /// What becomes of a size: rounded up.
    pub(crate) fn of(self, (width, height): Size) -> Size {
        (width.div_ceil(self as u32), height.div_ceil(self as u32))
    }
}

/// Decodes JPEGs. One that gave an error is not to be used again: 2.x forgets to begin anew after a broken header.
#[derive(Debug)]
pub(crate) struct Decompressor(Handle);

/// A JPEG whose header was read.
#[derive(Debug)]
pub(crate) struct Coded<'a> {
    decompressor: &'a mut Decompressor,
    jpeg: &'a [u8],
    size: Size,
}

impl Decompressor {
    pub(crate) fn new() -> Result<Self, TurboError> {
        Ok(Self(Handle::decompress()?))
    }

    /// Reads the header.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(crate) fn read<'a>(&'a mut self, jpeg: &'a [u8]) -> Result<Coded<'a>, TurboError> {
        let (mut width, mut height, mut sampling, mut colours) = (0, 0, -1, -1);
        // SAFETY: the handle is one for this and exclusively ours, and all pointers live until the call returns.
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
            // A sampling without a name is an error here, and decoded all the same; a warning is one as well. Of a broken
            // header 3.x may tell the size of the picture before; then decoding fails, and says why.
            (Ok(width @ 1..), Ok(height @ 1..)) => {
                Ok(Coded { decompressor: self, jpeg, size: (width, height) })
            }
            _ if result != 0 => Err(self.0.error()),
            _ => Err(TurboError::Library("no picture".into())),
        }
    }
}

impl Coded<'_> {
    /// Its size, at this scale.
    pub(crate) fn size(&self, scale: Scale) -> Size {
        scale.of(self.size)
    }

    /// Decodes it to rows of blue, green and red. A damaged one counts if there is something in every row.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(crate) fn decompress(self, scale: Scale, pixels: &mut [u8]) -> Result<(), TurboError> {
        let Layout { width, height, pitch } = Layout::of(pixels, self.size(scale))?;
        let last = pixels.len() - pitch as usize;
        mark().zip(&mut pixels[last..]).for_each(|(mark, byte)| *byte = mark);
        let handle = &self.decompressor.0;
        // SAFETY: the handle is one for this and exclusively ours. The library decodes at its largest scale that fits into
        // `width` and `height`, whatever the header says, and so writes no more than `height` rows of `width` pixels,
        // `pitch` bytes apart, which `pixels` has, as `Layout` saw. All pointers live until the call returns.
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
        // tjGetErrorCode() would call it a warning where a fatal error came after one, and fatal what came after the picture.
        let finished = || mark().zip(&pixels[last..]).any(|(mark, byte)| *byte != mark);
        if result == 0 || finished() { Ok(()) } else { Err(handle.error()) }
    }
}

/// What is in the last row until it is decoded; no row of a picture looks like this.
fn mark() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).cycle().map(|at| at.wrapping_mul(89))
}

/// A picture's measures, as the library wants them.
struct Layout {
    width: c_int,
    height: c_int,
    pitch: c_int,
}

impl Layout {
    /// Those of pixels that have just this size.
    fn of(pixels: &[u8], (width, height): Size) -> Result<Self, TurboError> {
        let pitch = u64::from(width) * u64::from(BYTES_A_PIXEL);
        let length = pitch.checked_mul(height.into());
        let measures = (width.try_into(), height.try_into(), pitch.try_into());
        match measures {
            (Ok(width @ 1..), Ok(height @ 1..), Ok(pitch))
                if length == Some(pixels.len() as u64) =>
            {
                Ok(Self { width, height, pitch })
            }
            _ => Err(TurboError::Length(pixels.len(), width, height)),
        }
    }
}

/// An instance of one kind or the other.
#[derive(Debug)]
struct Handle(NonNull<c_void>);

#[expect(unsafe_code, reason = "a pointer says nothing of threads")]
// SAFETY: an instance is memory and tables and belongs to no thread; whoever holds it exclusively may use and free it.
unsafe impl Send for Handle {}

impl Handle {
    #[expect(unsafe_code, reason = "a call of C")]
    fn compress() -> Result<Self, TurboError> {
        // SAFETY: it wants nothing.
        Self::of(unsafe { tjInitCompress() })
    }

    #[expect(unsafe_code, reason = "a call of C")]
    fn decompress() -> Result<Self, TurboError> {
        // SAFETY: it wants nothing.
        Self::of(unsafe { tjInitDecompress() })
    }

    fn of(instance: *mut c_void) -> Result<Self, TurboError> {
        let none = || TurboError::Library("no memory for an instance".into());
        NonNull::new(instance).map(Self).ok_or_else(none)
    }

    /// What it said last.
    #[expect(unsafe_code, reason = "a call of C")]
    fn error(&self) -> TurboError {
        // SAFETY: the instance is alive; its text lies in it, ends with a zero, and is copied before anything else is done.
        let said = unsafe { CStr::from_ptr(tjGetErrorStr2(self.0.as_ptr())) };
        TurboError::Library(said.to_string_lossy().into_owned())
    }
}

impl Drop for Handle {
    #[expect(unsafe_code, reason = "a call of C")]
    fn drop(&mut self) {
        // SAFETY: the instance is alive and ours, and nobody uses it after this.
        unsafe { tjDestroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_are_no_such_picture_are_refused() {
        let mut compressor = Compressor::new().unwrap();
        for (length, size) in [(0, (0, 0)), (11, (2, 2)), (13, (2, 2)), (12, (u32::MAX, u32::MAX))]
        {
            let refused = compressor.compress(&vec![0; length], size, 80);
            assert_eq!(refused, Err(TurboError::Length(length, size.0, size.1)));
        }
        let jpeg = compressor.compress(&[0; 12], (2, 2), 80).unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let coded = decompressor.read(jpeg).unwrap();
        assert_eq!((coded.size(Scale::Whole), coded.size(Scale::Eighth)), ((2, 2), (1, 1)));
        let refused = coded.decompress(Scale::Whole, &mut [0; 11]);
        assert_eq!(refused, Err(TurboError::Length(11, 2, 2)));
    }

    #[test]
    fn four_colours_are_refused_in_words() {
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
    fn an_error_is_in_the_library_s_words() {
        let mut decompressor = Decompressor::new().unwrap();
        let error = decompressor.read(b"rubbish").unwrap_err().to_string();
        let said = error.strip_prefix("libjpeg-turbo: ").unwrap();
        // 2.x says that it is no JPEG, 3.x that it has no sampling.
        assert!(said.contains("JPEG"), "{error}");
    }
}
