//! Opening of an input with FFmpeg, so that each byte counts against the budget from the first one on.
//!
//! FFmpeg can also open HTTP itself, but then it gives no access to its byte counter before the input is open.
//! Therefore the byte stream is opened first, and the video is read from it.

use std::ffi::CString;
use std::ptr;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::util::interrupt::{self, InterruptGuard};
use ffmpeg_next::{Dictionary, Error, ffi, format};

use super::deadline::Deadline;
use super::input::MediaInput;

/// An open input. The demuxer is closed before the byte stream that it reads.
pub(super) struct Opened {
    pub(super) demuxer: Input,
    _bytes: Option<ByteStream>,
}

/// Opens an input and detects its streams.
pub(super) fn open(
    input: &MediaInput,
    options: &Dictionary<'_>,
    deadline: &Deadline,
) -> Result<Opened, Error> {
    let interrupt = deadline.clone();
    let is_over = move || interrupt.is_over();
    if input.is_http() {
        return over_http(&input.url(), options, deadline, is_over);
    }
    let (url, options) = (input.url(), options.clone());
    let demuxer = format::input_with_interrupt_and_dictionary(&url, is_over, options)?;
    Ok(Opened { demuxer, _bytes: None })
}

/// An open HTTP connection.
struct ByteStream {
    pointer: *mut ffi::AVIOContext,
    deadline: Deadline,
    interrupt: ffi::AVIOInterruptCB,
    /// Holds the callback of the interrupt; dropped last.
    _guard: InterruptGuard,
}

#[expect(
    unsafe_code,
    reason = "ffmpeg-next cannot read a video from a byte stream that FFmpeg opened"
)]
fn over_http(
    url: &str,
    options: &Dictionary<'_>,
    deadline: &Deadline,
    is_over: impl FnMut() -> bool + Send + 'static,
) -> Result<Opened, Error> {
    let url = CString::new(url).map_err(|_| Error::InvalidData)?;
    let bytes = ByteStream::open(&url, options, deadline, is_over)?;
    // SAFETY: the context is new. It uses the pointer of `bytes`, which outlives it here and in `Opened`, does not
    // close what it did not open itself, and copies the interrupt callback. The URL ends with a zero. FFmpeg frees the
    // context if opening fails; otherwise `Input` owns it.
    let (demuxer, found) = unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Other { errno: libc::ENOMEM });
        }
        (*context).pb = bytes.pointer;
        (*context).interrupt_callback = bytes.interrupt;
        let mut options = options.clone().disown();
        let opened =
            ffi::avformat_open_input(&raw mut context, url.as_ptr(), ptr::null(), &raw mut options);
        drop(Dictionary::own(options));
        if opened < 0 {
            return Err(Error::from(opened));
        }
        let found = ffi::avformat_find_stream_info(context, ptr::null_mut());
        (Input::wrap(context), found)
    };
    let opened = Opened { demuxer, _bytes: Some(bytes) };
    if found < 0 { Err(Error::from(found)) } else { Ok(opened) }
}

impl ByteStream {
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    fn open(
        url: &CString,
        options: &Dictionary<'_>,
        deadline: &Deadline,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let interrupt::Interrupt { interrupt, guard } = interrupt::new(Box::new(is_over));
        let mut pointer = ptr::null_mut();
        // SAFETY: the pointers are those of local variables. FFmpeg copies the interrupt callback, whose guard lives
        // until the byte stream is closed.
        let opened = unsafe {
            let mut options = options.clone().disown();
            let flags = ffi::AVIO_FLAG_READ;
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
        deadline.count(pointer);
        Ok(Self { pointer, deadline: deadline.clone(), interrupt, _guard: guard })
    }
}

impl Drop for ByteStream {
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    fn drop(&mut self) {
        // FFmpeg calls the interrupt callback while it closes, too.
        self.deadline.count(ptr::null_mut());
        // SAFETY: it is open, and the demuxer that read it is closed: see `Opened`.
        unsafe { ffi::avio_closep(&raw mut self.pointer) };
    }
}
