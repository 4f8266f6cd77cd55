//! What a real decoder makes of the H.264 that a viewer got.

use fanlight_timecode::Timecode;

use crate::tools;
use crate::viewer::Frame;

/// What stands in these frames' pictures, which are decoded by ffmpeg, one after the other from the first.
///
/// # Panics
/// When ffmpeg complains of anything, gives another number of pictures, or one without a stamp.
pub fn stamps(frames: &[Frame], (width, height): (usize, usize)) -> Vec<Timecode> {
    let pictures = decoded(frames, (width, height));
    assert_eq!(pictures.len(), frames.len(), "a picture for each frame");
    let stamp = |luma: &Vec<u8>| Timecode::read(width, height, |x, y| luma[y * width + x]);
    let read = |picture| stamp(picture).unwrap_or_else(|| panic!("a picture without a stamp"));
    pictures.iter().map(read).collect()
}

/// The brightness of each pixel of each picture.
///
/// # Panics
/// When ffmpeg complains of anything.
pub fn decoded(frames: &[Frame], (width, height): (usize, usize)) -> Vec<Vec<u8>> {
    let luma = play(frames, &["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
    luma.chunks(width * height).map(<[u8]>::to_vec).collect()
}

/// Decodes all, of whatever sizes.
///
/// # Panics
/// When ffmpeg complains of anything.
pub fn check(frames: &[Frame]) {
    play(frames, &["-f", "null", "-"]);
}

fn play(frames: &[Frame], output: &[&str]) -> Vec<u8> {
    // Any complaint is an error here: a broken reference is concealed, and only a warning.
    let mut ffmpeg = tools::tool("ffmpeg", &["-v", "warning", "-xerror", "-flags", "+low_delay"]);
    ffmpeg.args(["-err_detect", "explode", "-f", "h264", "-i", "pipe:0"]);
    ffmpeg.args(["-fps_mode", "passthrough"]).args(output);
    let payloads = frames.iter().map(|frame| frame.payload.clone());
    let (played, complaints) = tools::feed_and_hear("ffmpeg", ffmpeg, payloads);
    assert!(complaints.is_empty(), "ffmpeg: {complaints}");
    played
}
