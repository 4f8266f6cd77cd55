//! Set-up of the C and C++ libraries, and bindings to [`turbojpeg`], for which no suitable crate exists.

pub(crate) mod turbojpeg;

use opencv::core::{LogLevel, set_log_level, set_num_threads};

/// Largest block of memory that FFmpeg may allocate: a raw frame of 8192x8192 pixels with 4 bytes each, the largest one
/// supported. Without the limit, a length in a response or an endless frame takes up to 2 GiB.
pub(crate) const MOST_MEMORY: usize = 256 * 1024 * 1024;

/// Initialises the libraries. They report errors in their results and print nothing to the terminal.
pub fn prepare() {
    // FFmpeg's errors have no text without it. It cannot fail.
    let _ = ffmpeg_next::init();
    silence_ffmpeg();
    limit_ffmpeg();
    // It fails only for a level that does not exist.
    let _ = set_log_level(LogLevel::LOG_LEVEL_SILENT);
    // One thread processes one frame: the other threads have other frames.
    let _ = set_num_threads(1);
}

/// Removes FFmpeg's log callback. A log level does not suffice: OpenCV sets its own when it opens its first file.
#[expect(unsafe_code, reason = "ffmpeg-next does not expose the callback")]
fn silence_ffmpeg() {
    // SAFETY: FFmpeg checks the callback for null before every call, and stores it atomically.
    unsafe { ffmpeg_next::ffi::av_log_set_callback(None) }
}

#[expect(unsafe_code, reason = "ffmpeg-next does not expose the limit")]
fn limit_ffmpeg() {
    // SAFETY: FFmpeg stores the limit atomically. An allocation above it fails as if memory were exhausted.
    unsafe { ffmpeg_next::ffi::av_max_alloc(MOST_MEMORY) }
}
