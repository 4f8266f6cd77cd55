//! Pictures in a graphics card's memory, where its encoders take them from (VA-API).

use std::ptr::{self, NonNull};

use ffmpeg_next::codec::encoder::video::Video;
use ffmpeg_next::error::ENOMEM;
use ffmpeg_next::{Error, ffi, frame};

/// Pictures that the card holds at once: those that its encoder refers to, and some under way.
const POOL: i32 = 20;

/// Memory on the first graphics card for pictures of one size.
#[derive(Debug)]
pub(super) struct Card {
    /// An `AVHWFramesContext`, of which this is a reference.
    frames: NonNull<ffi::AVBufferRef>,
}

// SAFETY: libavutil counts references atomically, and its frames may be used from any thread, one at a time.
unsafe impl Send for Card {}

impl Card {
    /// Makes room for pictures of this size.
    ///
    /// # Errors
    /// Where there is no card, no driver for it, or no room.
    pub(super) fn new(width: u32, height: u32) -> Result<Self, Error> {
        let mut device = ptr::null_mut();
        let kind = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI;
        // SAFETY: `device` is written where it succeeds; no name means the first card.
        check(unsafe {
            ffi::av_hwdevice_ctx_create(&mut device, kind, ptr::null(), ptr::null_mut(), 0)
        })?;
        // SAFETY: `device` is a reference of ours; what is made of it holds another one.
        let frames = unsafe {
            let frames = ffi::av_hwframe_ctx_alloc(device);
            ffi::av_buffer_unref(&mut device);
            frames
        };
        let card = Self { frames: NonNull::new(frames).ok_or(Error::Other { errno: ENOMEM })? };
        // SAFETY: libavutil says that such a buffer's data is an AVHWFramesContext, of which these fields are set by
        // whoever made it, before it is initialised.
        check(unsafe {
            let context = (*frames).data.cast::<ffi::AVHWFramesContext>();
            (*context).format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
            (*context).sw_format = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
            (*context).width = width as i32;
            (*context).height = height as i32;
            (*context).initial_pool_size = POOL;
            ffi::av_hwframe_ctx_init(frames)
        })?;
        Ok(card)
    }

    /// Tells an encoder, which is not open yet, that its pictures will lie here.
    pub(super) fn introduce_to(&self, encoder: &mut Video) {
        // SAFETY: the encoder owns the reference from now on, and lets go of it with its context.
        unsafe {
            (*encoder.as_mut_ptr()).hw_frames_ctx = ffi::av_buffer_ref(self.frames.as_ptr());
        }
    }

    /// Copies a picture there.
    ///
    /// # Errors
    /// Where the card has no room, or does not take it.
    pub(super) fn upload(&self, picture: &frame::Video) -> Result<frame::Video, Error> {
        let mut uploaded = frame::Video::empty();
        // SAFETY: both frames are alive, and `uploaded` gets memory of its own before anything is copied there.
        unsafe {
            check(ffi::av_hwframe_get_buffer(self.frames.as_ptr(), uploaded.as_mut_ptr(), 0))?;
            check(ffi::av_hwframe_transfer_data(uploaded.as_mut_ptr(), picture.as_ptr(), 0))?;
            check(ffi::av_frame_copy_props(uploaded.as_mut_ptr(), picture.as_ptr()))?;
        }
        Ok(uploaded)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let mut frames = self.frames.as_ptr();
        // SAFETY: the reference is ours; frames and encoders that are still alive hold others.
        unsafe { ffi::av_buffer_unref(&mut frames) }
    }
}

fn check(code: i32) -> Result<(), Error> {
    if code < 0 { Err(Error::from(code)) } else { Ok(()) }
}
