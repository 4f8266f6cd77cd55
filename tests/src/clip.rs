//! Video files with a frame number in every picture.

use std::path::Path;

use fanlight_protocol::Timestamp;
use fanlight_timecode::Timecode;

use crate::picture::{self, HEIGHT, WIDTH};
use crate::tools;

/// The frame rate of every clip.
pub const FPS: u32 = 30;

/// The encoding of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Motion JPEG.
    Mjpeg,
    /// H.264 without B-frames: decoded in display order.
    H264,
    /// H.264 with B-frames: decoded in another order than displayed.
    H264WithBFrames,
}

impl Encoding {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Mjpeg => &["-c:v", "mjpeg", "-q:v", "3"],
            Self::H264 => &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"],
            Self::H264WithBFrames => &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"],
        }
    }
}

/// Writes a clip of `frames` frames, numbered from 0. The path's extension selects the container format.
///
/// # Panics
/// Panics if ffmpeg is missing or fails.
pub fn make(path: &Path, encoding: Encoding, frames: u32) {
    let (size, fps) = (format!("{WIDTH}x{HEIGHT}"), FPS.to_string());
    let raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", &fps, "-i", "-"];
    let mut command = tools::tool("ffmpeg", &["-hide_banner", "-loglevel", "error", "-y"]);
    command.args(raw).args(encoding.options()).args(["-pix_fmt", "yuvj420p"]).arg(path);
    let pictures = (0..frames).map(|number| {
        let time = Timestamp::from_micros(u64::from(number) * 1_000_000 / u64::from(FPS));
        picture::draw(Timecode { number, time }).into_raw()
    });
    tools::feed("ffmpeg", command, pictures);
}
