//! A stream of bytes that FFmpeg opened: an HTTP response, or a plain connection.

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::util::interrupt::{self, InterruptGuard};
use ffmpeg_next::{Dictionary, Error, ffi};

use super::deadline::Deadline;

/// An open stream of bytes.
pub(super) struct ByteStream {
    pub(super) pointer: *mut ffi::AVIOContext,
    deadline: Deadline,
    pub(super) interrupt: ffi::AVIOInterruptCB,
    /// Holds the callback of the interrupt; dropped last.
    _guard: InterruptGuard,
}

impl ByteStream {
    /// Opens a URL with these flags of FFmpeg. The deadline applies to all that FFmpeg does with it.
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    pub(super) fn open(
        url: &CStr,
        flags: i32,
        options: &Dictionary<'_>,
        deadline: &Deadline,
    ) -> Result<Self, Error> {
        let clock = deadline.clone();
        let interrupt::Interrupt { interrupt, guard } =
            interrupt::new(Box::new(move || clock.is_over()));
        let mut pointer = ptr::null_mut();
        // SAFETY: the pointers are those of local variables. FFmpeg copies the interrupt callback, whose guard lives
        // until the byte stream is closed.
        let opened = unsafe {
            let mut options = options.clone().disown();
            let opened = ffi::avio_open2(
                &raw mut pointer,
                url.as_ptr(),
                flags,
                &raw const interrupt,
                &raw mut options,
            );
            drop(Dictionary::own(options));
            opened
        };
        if opened < 0 {
            return Err(Error::from(opened));
        }
        Ok(Self { pointer, deadline: deadline.clone(), interrupt, _guard: guard })
    }
}

impl Drop for ByteStream {
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    fn drop(&mut self) {
        // FFmpeg calls the interrupt callback while it closes, too.
        self.deadline.count(ptr::null_mut());
        // SAFETY: it is open, and nothing else uses it: a demuxer that reads it is closed first (see `Opened`).
        unsafe { ffi::avio_closep(&raw mut self.pointer) };
    }
}
