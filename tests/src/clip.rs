//! Video files with the frame number in each frame.

use std::path::Path;

use fanlight_protocol::Timestamp;
use fanlight_timecode::Timecode;

use crate::picture::{self, HEIGHT, WIDTH};
use crate::tools;

/// Frames a second of every clip.
pub const FPS: u32 = 30;

/// Encoding of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Motion JPEG.
    Mjpeg,
    /// H.264 in display order.
    H264,
    /// H.264 with B-frames: sent in another order than displayed.
    H264WithBFrames,
}

impl Coding {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Mjpeg => &["-c:v", "mjpeg", "-q:v", "3"],
            Self::H264 => &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"],
            Self::H264WithBFrames => &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"],
        }
    }
}

/// Makes a clip with this many frames, numbered from 0. The path's ending selects the kind of file.
///
/// # Panics
/// Panics if ffmpeg is missing or fails.
pub fn make(path: &Path, coding: Coding, frames: u32) {
    let (size, fps) = (format!("{WIDTH}x{HEIGHT}"), FPS.to_string());
    let raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", &fps, "-i", "-"];
    let mut command = tools::tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-y"]);
    command.args(raw).args(coding.options()).args(["-pix_fmt", "yuvj420p"]).arg(path);
    let pictures = (0..frames).map(|number| {
        let time = Timestamp::from_micros(u64::from(number) * 1_000_000 / u64::from(FPS));
        picture::draw(Timecode { number, time }).into_raw()
    });
    tools::feed("ffmpeg", command, pictures);
}
