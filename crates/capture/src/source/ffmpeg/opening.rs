//! Opens a place with FFmpeg, so that every byte it reads counts against the budget from the first one on.
//!
//! FFmpeg opens HTTP by itself, too, but then gives no access to its counter of bytes before all is open. So the bytes are
//! opened first, and FFmpeg is told to read a video from them.

use std::ffi::CString;
use std::ptr;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::util::interrupt::{self, InterruptGuard};
use ffmpeg_next::{Dictionary, Error, ffi, format};

use super::deadline::Deadline;
use super::input::Place;

/// An open place. The video is closed before the bytes that it is read from.
pub(super) struct Opened {
    pub(super) input: Input,
    _bytes: Option<Bytes>,
}

/// Opens a place and finds out what comes.
pub(super) fn open(
    place: &Place,
    options: &Dictionary<'_>,
    deadline: &Deadline,
) -> Result<Opened, Error> {
    let asked = deadline.clone();
    let passed = move || asked.passed();
    if place.is_http() {
        return over_http(&place.address(), options, deadline, passed);
    }
    let (address, options) = (place.address(), options.clone());
    let input = format::input_with_interrupt_and_dictionary(&address, passed, options)?;
    Ok(Opened { input, _bytes: None })
}

/// An open HTTP connection.
struct Bytes {
    pointer: *mut ffi::AVIOContext,
    deadline: Deadline,
    interrupt: ffi::AVIOInterruptCB,
    /// Called by the interrupt; dropped last.
    _guard: InterruptGuard,
}

#[expect(
    unsafe_code,
    reason = "ffmpeg-next cannot read a video from bytes that FFmpeg itself opened"
)]
fn over_http(
    address: &str,
    options: &Dictionary<'_>,
    deadline: &Deadline,
    passed: impl FnMut() -> bool + Send + 'static,
) -> Result<Opened, Error> {
    let address = CString::new(address).map_err(|_| Error::InvalidData)?;
    let bytes = Bytes::open(&address, options, deadline, passed)?;
    // SAFETY: the context is new. It takes the pointer of `bytes`, which outlives it here and in `Opened`, does not close what
    // it did not open itself, and copies the interrupt. The address ends with a zero. FFmpeg frees the context where opening
    // fails; else `Input` owns it.
    let (input, found) = unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Other { errno: libc::ENOMEM });
        }
        (*context).pb = bytes.pointer;
        (*context).interrupt_callback = bytes.interrupt;
        let mut options = options.clone().disown();
        let opened = ffi::avformat_open_input(
            &raw mut context,
            address.as_ptr(),
            ptr::null(),
            &raw mut options,
        );
        drop(Dictionary::own(options));
        if opened < 0 {
            return Err(Error::from(opened));
        }
        let found = ffi::avformat_find_stream_info(context, ptr::null_mut());
        (Input::wrap(context), found)
    };
    let opened = Opened { input, _bytes: Some(bytes) };
    if found < 0 { Err(Error::from(found)) } else { Ok(opened) }
}

impl Bytes {
    #[expect(unsafe_code, reason = "ffmpeg-next has no words for FFmpeg's own bytes")]
    fn open(
        address: &CString,
        options: &Dictionary<'_>,
        deadline: &Deadline,
        passed: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let interrupt::Interrupt { interrupt, guard } = interrupt::new(Box::new(passed));
        let mut pointer = ptr::null_mut();
        // SAFETY: the pointers are those of locals. FFmpeg copies the interrupt, whose guard lives until the bytes are closed.
        let opened = unsafe {
            let mut options = options.clone().disown();
            let flags = ffi::AVIO_FLAG_READ;
            let opened = ffi::avio_open2(
                &raw mut pointer,
                address.as_ptr(),
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

impl Drop for Bytes {
    #[expect(unsafe_code, reason = "ffmpeg-next has no words for FFmpeg's own bytes")]
    fn drop(&mut self) {
        // FFmpeg asks whether to give up while it closes, too.
        self.deadline.count(ptr::null_mut());
        // SAFETY: it is open, and what read from it is closed: see `Opened`.
        unsafe { ffi::avio_closep(&raw mut self.pointer) };
    }
}
