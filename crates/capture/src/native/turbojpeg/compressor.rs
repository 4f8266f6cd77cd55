//! Planes of luma and chroma: to JPEG, and from blue, green and red.

use std::ffi::c_int;
use std::ptr;

use super::functions::{
    TJFLAG_ACCURATEDCT, TJFLAG_NOREALLOC, TJPF_BGR, TJSAMP_420, tjBufSize, tjCompressFromYUVPlanes,
    tjEncodeYUVPlanes,
};
use super::{BYTES_PER_PIXEL, Handle, PixelLayout, Size, TurboError, check_plane, sides};

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

    /// Encodes planes in the colours of a JPEG.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn compress(
        &mut self,
        planes: [&[u8]; 3],
        size: Size,
        quality: u8,
    ) -> Result<&[u8], TurboError> {
        let (width, height) = check_planes(planes.map(<[u8]>::len), size)?;
        let max = tjBufSize(width, height, TJSAMP_420);
        self.jpeg.clear();
        let reserved = usize::try_from(max).map(|max| self.jpeg.try_reserve(max));
        let Ok(Ok(())) = reserved else { return Err(TurboError::Memory(size.0, size.1)) };
        let (mut start, mut length) = (self.jpeg.as_mut_ptr(), max);
        // SAFETY: the handle is a compressor and exclusively owned. `check_planes` has checked that the planes have the
        // bytes of this size without gaps, which the library assumes without strides. At `start` there are at least
        // tjBufSize() bytes; with TJFLAG_NOREALLOC the library writes to no others and keeps `start`. All pointers live
        // until the call returns.
        let result = unsafe {
            tjCompressFromYUVPlanes(
                self.handle.0.as_ptr(),
                planes.map(<[u8]>::as_ptr).as_ptr(),
                width,
                ptr::null(),
                height,
                TJSAMP_420,
                &raw mut start,
                &raw mut length,
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

    /// Converts rows of blue, green and red to planes in the colours of a JPEG.
    #[expect(unsafe_code, reason = "calls a C function")]
    pub(crate) fn planes(
        &mut self,
        pixels: &[u8],
        size: Size,
        planes: [&mut [u8]; 3],
    ) -> Result<(), TurboError> {
        let PixelLayout { width, height, pitch } = PixelLayout::of(pixels, size, BYTES_PER_PIXEL)?;
        check_planes(planes.each_ref().map(|plane| plane.len()), size)?;
        // SAFETY: the handle is a compressor and exclusively owned. `PixelLayout` has checked that `pixels` has
        // `height` rows of `pitch` bytes with `width` pixels each, and `check_planes` that the planes have the bytes of
        // this size without gaps. All pointers live until the call returns.
        let result = unsafe {
            tjEncodeYUVPlanes(
                self.handle.0.as_ptr(),
                pixels.as_ptr(),
                width,
                pitch,
                height,
                TJPF_BGR,
                planes.map(<[u8]>::as_mut_ptr).as_ptr(),
                ptr::null(),
                TJSAMP_420,
                0,
            )
        };
        if result == 0 { Ok(()) } else { Err(self.handle.error()) }
    }
}

/// Checks that planes have exactly the bytes of an image of this size. Returns its sides in the types of the library.
fn check_planes(lengths: [usize; 3], size: Size) -> Result<(c_int, c_int), TurboError> {
    let half = (size.0.div_ceil(2), size.1.div_ceil(2));
    let even = (half.0.saturating_mul(2), half.1.saturating_mul(2));
    for (length, plane) in lengths.into_iter().zip([even, half, half]) {
        check_plane(length, plane, size)?;
    }
    sides(size)
}
