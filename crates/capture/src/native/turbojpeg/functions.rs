//! The constants and functions of turbojpeg.h, as 2.x and 3.x share them.

use std::ffi::{c_char, c_int, c_uchar, c_ulong, c_void};

// These constants are copied from turbojpeg.h.
pub(super) const TJPF_BGR: c_int = 1;
pub(super) const TJPF_CMYK: c_int = 11;
pub(super) const TJSAMP_444: c_int = 0;
pub(super) const TJSAMP_422: c_int = 1;
pub(super) const TJSAMP_420: c_int = 2;
pub(super) const TJSAMP_GRAY: c_int = 3;
pub(super) const TJSAMP_440: c_int = 4;
pub(super) const TJCS_YCBCR: c_int = 1;
pub(super) const TJCS_GRAY: c_int = 2;
pub(super) const TJCS_CMYK: c_int = 3;
pub(super) const TJCS_YCCK: c_int = 4;
pub(super) const TJFLAG_NOREALLOC: c_int = 1024;
pub(super) const TJFLAG_STOPONWARNING: c_int = 8192;
/// The default of libjpeg, and hardly slower.
pub(super) const TJFLAG_ACCURATEDCT: c_int = 4096;

#[expect(unsafe_code, reason = "the only crate for it requires 3.x, and Debian 12 and 13 have 2.x")]
#[link(name = "turbojpeg")]
unsafe extern "C" {
    pub(super) fn tjInitCompress() -> *mut c_void;
    pub(super) fn tjInitDecompress() -> *mut c_void;
    pub(super) fn tjDestroy(handle: *mut c_void) -> c_int;
    pub(super) fn tjGetErrorStr2(handle: *mut c_void) -> *const c_char;
    pub(super) safe fn tjBufSize(width: c_int, height: c_int, sampling: c_int) -> c_ulong;
    pub(super) fn tjCompressFromYUVPlanes(
        handle: *mut c_void,
        planes: *const *const c_uchar,
        width: c_int,
        strides: *const c_int,
        height: c_int,
        sampling: c_int,
        jpeg: *mut *mut c_uchar,
        jpeg_size: *mut c_ulong,
        quality: c_int,
        flags: c_int,
    ) -> c_int;
    pub(super) fn tjEncodeYUVPlanes(
        handle: *mut c_void,
        pixels: *const c_uchar,
        width: c_int,
        pitch: c_int,
        height: c_int,
        pixel_format: c_int,
        planes: *const *mut c_uchar,
        strides: *const c_int,
        sampling: c_int,
        flags: c_int,
    ) -> c_int;
    pub(super) fn tjDecompressHeader3(
        handle: *mut c_void,
        jpeg: *const c_uchar,
        jpeg_size: c_ulong,
        width: *mut c_int,
        height: *mut c_int,
        sampling: *mut c_int,
        colours: *mut c_int,
    ) -> c_int;
    pub(super) fn tjDecompress2(
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
    pub(super) fn tjDecompressToYUVPlanes(
        handle: *mut c_void,
        jpeg: *const c_uchar,
        jpeg_size: c_ulong,
        planes: *const *mut c_uchar,
        width: c_int,
        strides: *const c_int,
        height: c_int,
        flags: c_int,
    ) -> c_int;
}
