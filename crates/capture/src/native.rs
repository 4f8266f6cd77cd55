//! The C and C++ libraries below: made ready, and made quiet. And [`turbojpeg`], which nobody else has words for.

pub(crate) mod turbojpeg;

use opencv::core::{LogLevel, set_log_level, set_num_threads};

/// The most memory that FFmpeg may ask for at one time. Without it, a length in an answer or a frame without end takes up to
/// 2 GiB. It is a raw frame of 8192x8192 pixels with 4 bytes each, which is the largest one that there is here.
pub(crate) const MOST_MEMORY: usize = 256 * 1024 * 1024;

/// Makes the libraries ready. What they have to say they say to us, in their results; not to the terminal.
pub fn prepare() {
    // Without it FFmpeg's errors have no text. It cannot fail.
    let _ = ffmpeg_next::init();
    silence_ffmpeg();
    limit_ffmpeg();
    // Fails only for a level that does not exist.
    let _ = set_log_level(LogLevel::LOG_LEVEL_SILENT);
    // One picture is worked on by one thread: there are other pictures for the others.
    let _ = set_num_threads(1);
}

/// A level would not do: OpenCV sets its own when it opens its first file.
#[expect(unsafe_code, reason = "ffmpeg-next has no words for the callback")]
fn silence_ffmpeg() {
    // SAFETY: FFmpeg checks the callback for null before every call, and stores it atomically.
    unsafe { ffmpeg_next::ffi::av_log_set_callback(None) }
}

#[expect(unsafe_code, reason = "ffmpeg-next has no words for the limit")]
fn limit_ffmpeg() {
    // SAFETY: FFmpeg stores the limit atomically, and fails as if memory were short where it would be passed.
    unsafe { ffmpeg_next::ffi::av_max_alloc(MOST_MEMORY) }
}
