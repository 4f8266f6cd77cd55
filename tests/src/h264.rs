//! Decoding with ffmpeg of the H.264 that a viewer received.

use fanlight_timecode::Timecode;

use crate::tools;
use crate::viewer::Frame;

/// Decodes these frames with ffmpeg, in order from the first, and returns the timecode of each picture.
///
/// # Panics
/// Panics if ffmpeg reports anything, returns another number of pictures, or a picture has no timecode.
pub fn timecodes(frames: &[Frame], (width, height): (usize, usize)) -> Vec<Timecode> {
    let pictures = decoded(frames, (width, height));
    assert_eq!(pictures.len(), frames.len(), "a picture for each frame");
    let stamp = |luma: &Vec<u8>| Timecode::read(width, height, |x, y| luma[y * width + x]);
    let read = |picture| stamp(picture).unwrap_or_else(|| panic!("a picture without a timecode"));
    pictures.iter().map(read).collect()
}

/// Decodes these frames with ffmpeg and returns the luma plane of each picture.
///
/// # Panics
/// Panics if ffmpeg reports anything.
pub fn decoded(frames: &[Frame], (width, height): (usize, usize)) -> Vec<Vec<u8>> {
    let luma = play(frames, &["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
    luma.chunks(width * height).map(<[u8]>::to_vec).collect()
}

/// Decodes all frames; their sizes may differ.
///
/// # Panics
/// Panics if ffmpeg reports anything.
pub fn check(frames: &[Frame]) {
    play(frames, &["-f", "null", "-"]);
}

fn play(frames: &[Frame], output: &[&str]) -> Vec<u8> {
    // Any message is an error here: ffmpeg conceals a broken reference and only warns about it.
    let mut ffmpeg = tools::tool("ffmpeg", &["-v", "warning", "-xerror", "-flags", "+low_delay"]);
    ffmpeg.args(["-err_detect", "explode", "-f", "h264", "-i", "pipe:0"]);
    ffmpeg.args(["-fps_mode", "passthrough"]).args(output);
    let payloads = frames.iter().map(|frame| frame.payload.clone());
    let (played, complaints) = tools::feed_with_stderr("ffmpeg", ffmpeg, payloads);
    assert!(complaints.is_empty(), "ffmpeg: {complaints}");
    played
}
