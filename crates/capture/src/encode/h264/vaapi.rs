//! Frames in the memory of a graphics card, for its encoders (VA-API). Untested: no such card was available.

use std::ptr::{self, NonNull};

use ffmpeg_next::codec::encoder::video::Video;
use ffmpeg_next::error::ENOMEM;
use ffmpeg_next::{Error, ffi, frame};

/// Number of frames in the card's memory: those that its encoder refers to, and some in flight.
const POOL: i32 = 20;

/// Memory of the first graphics card for frames of one size.
#[derive(Debug)]
pub(super) struct CardMemory {
    /// An `AVHWFramesContext`, of which this is a reference.
    frames: NonNull<ffi::AVBufferRef>,
}

// SAFETY: libavutil counts references atomically, and its frames may be used from any thread, one at a time.
unsafe impl Send for CardMemory {}

impl CardMemory {
    /// Reserves memory for frames of this size.
    ///
    /// # Errors
    /// Fails if there is no card, no driver for it, or not enough memory.
    pub(super) fn new(width: u32, height: u32) -> Result<Self, Error> {
        let mut device = ptr::null_mut();
        let kind = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI;
        // SAFETY: `device` is written if the call succeeds; no name selects the first card.
        check(unsafe {
            ffi::av_hwdevice_ctx_create(&mut device, kind, ptr::null(), ptr::null_mut(), 0)
        })?;
        // SAFETY: `device` is a reference of this function; the frames context holds another one.
        let frames = unsafe {
            let frames = ffi::av_hwframe_ctx_alloc(device);
            ffi::av_buffer_unref(&mut device);
            frames
        };
        let memory = Self { frames: NonNull::new(frames).ok_or(Error::Other { errno: ENOMEM })? };
        // SAFETY: libavutil documents that such a buffer's data is an AVHWFramesContext, whose creator sets these
        // fields before it is initialised.
        check(unsafe {
            let context = (*frames).data.cast::<ffi::AVHWFramesContext>();
            (*context).format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
            (*context).sw_format = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
            (*context).width = width as i32;
            (*context).height = height as i32;
            (*context).initial_pool_size = POOL;
            ffi::av_hwframe_ctx_init(frames)
        })?;
        Ok(memory)
    }

    /// Makes an encoder, which is not open yet, take its frames from here.
    pub(super) fn attach_to(&self, encoder: &mut Video) {
        // SAFETY: the encoder owns the reference from now on, and releases it with its context.
        unsafe {
            (*encoder.as_mut_ptr()).hw_frames_ctx = ffi::av_buffer_ref(self.frames.as_ptr());
        }
    }

    /// Copies a frame to the card.
    ///
    /// # Errors
    /// Fails if the card has no memory left, or refuses the frame.
    pub(super) fn upload(&self, frame: &frame::Video) -> Result<frame::Video, Error> {
        let mut uploaded = frame::Video::empty();
        // SAFETY: both frames are alive, and `uploaded` gets memory of its own before the copy.
        unsafe {
            check(ffi::av_hwframe_get_buffer(self.frames.as_ptr(), uploaded.as_mut_ptr(), 0))?;
            check(ffi::av_hwframe_transfer_data(uploaded.as_mut_ptr(), frame.as_ptr(), 0))?;
            check(ffi::av_frame_copy_props(uploaded.as_mut_ptr(), frame.as_ptr()))?;
        }
        Ok(uploaded)
    }
}

impl Drop for CardMemory {
    fn drop(&mut self) {
        let mut frames = self.frames.as_ptr();
        // SAFETY: the reference belongs to this value; frames and encoders that are still alive hold others.
        unsafe { ffi::av_buffer_unref(&mut frames) }
    }
}

fn check(code: i32) -> Result<(), Error> {
    if code < 0 { Err(Error::from(code)) } else { Ok(()) }
}
