//! Opening of an input with FFmpeg, so that each byte counts against the budget from the first one on.
//!
//! FFmpeg can also open HTTP itself, but then it gives no access to its byte counter before the input is open.
//! Therefore the byte stream is opened first, and the video is read from it.

use std::ffi::CString;
use std::ptr;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Dictionary, Error, ffi, format};

use super::byte_stream::ByteStream;
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
    if input.is_http() {
        return over_http(&input.url(), options, deadline);
    }
    let interrupt = deadline.clone();
    let is_over = move || interrupt.is_over();
    let (url, options) = (input.url(), options.clone());
    let demuxer = format::input_with_interrupt_and_dictionary(&url, is_over, options)?;
    Ok(Opened { demuxer, _bytes: None })
}

#[expect(
    unsafe_code,
    reason = "ffmpeg-next cannot read a video from a byte stream that FFmpeg opened"
)]
fn over_http(url: &str, options: &Dictionary<'_>, deadline: &Deadline) -> Result<Opened, Error> {
    let url = CString::new(url).map_err(|_| Error::InvalidData)?;
    let bytes = ByteStream::open(&url, ffi::AVIO_FLAG_READ, options, deadline)?;
    deadline.count(bytes.pointer);
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
