//! Frames as a viewer sees them: decoded, and the colours of their quarters compared.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fanlight_bus::IncomingFrame;
use fanlight_codec::h264::{DisplayHints, H264Inspector};
use opencv::core::{MatTraitConst, Vec3b, Vector};
use opencv::imgcodecs::{IMREAD_COLOR, imdecode};

use crate::harness::Viewer;

/// Red, green and blue of a colour.
pub(crate) type Rgb = [u8; 3];

/// The colours of the quarters, row by row. No matrix and no range clips them.
pub(crate) const QUARTERS: [Rgb; 4] = [[200, 50, 40], [60, 180, 70], [50, 60, 200], [210, 200, 70]];

/// The number of frames of a clip.
const FRAMES: usize = 8;

/// Encodes a clip of the quarters at 10 frames a second, with these options of ffmpeg.
pub(crate) fn encode_quarters(path: &Path, (width, height): (usize, usize), options: &[&str]) {
    let (size, frame) = (format!("{width}x{height}"), quarters((width, height)));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size]);
    ffmpeg.args(["-r", "10", "-i", "pipe:0"]).args(options).arg(path);
    let mut ffmpeg = ffmpeg.stdin(Stdio::piped()).spawn().expect("the ffmpeg command is installed");
    let mut input = ffmpeg.stdin.take().unwrap();
    // It reads no more frames than the options request.
    let _ = (0..FRAMES).try_for_each(|_| input.write_all(&frame));
    drop(input);
    assert!(ffmpeg.wait().unwrap().success(), "{options:?}");
}

/// Copies a clip to another container, with these options of ffmpeg.
pub(crate) fn remux(from: &Path, to: &Path, options: &[&str]) {
    let mut ffmpeg = Command::new("ffmpeg");
    let made = ffmpeg.args(["-v", "error", "-y", "-i"]).arg(from).args(["-c", "copy"]);
    assert!(made.args(options).arg(to).status().unwrap().success(), "{options:?}");
}

/// A frame of the quarters: red, green and blue.
fn quarters((width, height): (usize, usize)) -> Vec<u8> {
    let quarter = |at: usize| {
        let (x, y) = (at % width, at / width);
        QUARTERS[2 * (2 * y / height) + 2 * x / width]
    };
    (0..width * height).flat_map(quarter).collect()
}

/// The next frame of a track, decoded.
pub(crate) struct Shown {
    pub(crate) size: (u32, u32),
    /// The colours in the middle of each quarter, row by row.
    pub(crate) quarters: [Rgb; 4],
}

impl Shown {
    /// Returns by how much the quarters differ from these colours at most.
    pub(crate) fn off(&self, expected: [Rgb; 4]) -> u8 {
        let pairs = self.quarters.iter().flatten().zip(expected.iter().flatten());
        pairs.map(|(shown, expected)| shown.abs_diff(*expected)).max().unwrap_or(0)
    }
}

/// Watches a track until it has a frame that can be decoded.
pub(crate) fn shown(viewer: &mut Viewer, track: &str) -> Shown {
    viewer.watch(track);
    let frames = viewer.frames(track, 3);
    viewer.unwatch(track);
    match track.ends_with(".h264") {
        true => shown_h264(&frames),
        false => shown_jpeg(&frames[2]),
    }
}

fn shown_jpeg(frame: &IncomingFrame) -> Shown {
    let picture = imdecode(&Vector::from_slice(&frame.payload), IMREAD_COLOR).unwrap();
    let size = (picture.cols() as u32, picture.rows() as u32);
    assert_eq!(size, frame.meta.size());
    let colour = |(x, y): (u32, u32)| {
        let Vec3b { 0: [blue, green, red] } = *picture.at_2d(y as i32, x as i32).unwrap();
        [red, green, blue]
    };
    Shown { size, quarters: middles(size).map(colour) }
}

/// Decodes H.264 with ffmpeg, and converts its planes as the bitstream declares: a browser does nothing else.
fn shown_h264(frames: &[IncomingFrame]) -> Shown {
    let (width, height) = frames[0].meta.size();
    let mut inspector = H264Inspector::new();
    let known = frames.iter().filter_map(|one| inspector.inspect(&one.payload, false).unwrap());
    assert!(known.last().is_some(), "no parameter sets");
    let hints = inspector.display_hints();
    let square = hints.pixel_aspect.is_none_or(|(width, height)| width == height);
    assert!(square && !hints.reoriented, "not every viewer honours {hints:?}");
    let planes = decoded_planes(frames);
    let (luma, chroma) = planes.split_at((width * height) as usize);
    let (blue, red) = chroma.split_at((width * height / 4) as usize);
    let colour = |(x, y): (u32, u32)| {
        let half = (y / 2 * (width / 2) + x / 2) as usize;
        rgb([luma[(y * width + x) as usize], blue[half], red[half]], hints, height)
    };
    Shown { size: (width, height), quarters: middles((width, height)).map(colour) }
}

/// Returns the planes of the last frame.
fn decoded_planes(frames: &[IncomingFrame]) -> Vec<u8> {
    let (width, height) = frames[0].meta.size();
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-flags", "+low_delay", "-f", "h264", "-i", "pipe:0"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the ffmpeg command is installed");
    let mut input = ffmpeg.stdin.take().unwrap();
    frames.iter().for_each(|frame| input.write_all(&frame.payload).unwrap());
    drop(input);
    let planes = ffmpeg.wait_with_output().unwrap().stdout;
    planes.rchunks((width * height * 3 / 2) as usize).next().expect("a decoded frame").to_vec()
}

/// Converts luma and chroma by the definition of each matrix (ITU-R BT.601, BT.709, BT.2020).
fn rgb(yuv: [u8; 3], hints: DisplayHints, height: u32) -> Rgb {
    let (red, blue) = match hints.matrix {
        Some(1) => (0.2126, 0.0722),
        Some(9) => (0.2627, 0.0593),
        Some(5 | 6) => (0.299, 0.114),
        None if height > 576 => (0.2126, 0.0722),
        None => (0.299, 0.114),
        Some(other) => panic!("matrix {other}"),
    };
    let [y, u, v] = yuv.map(f64::from);
    let (luma, chroma) = match hints.full_range {
        true => (y, 255.0),
        false => ((y - 16.0) / 219.0 * 255.0, 224.0),
    };
    let [u, v] = [u, v].map(|value| (value - 128.0) / chroma * 255.0);
    let (r, b) = (luma + v * 2.0 * (1.0 - red), luma + u * 2.0 * (1.0 - blue));
    let g = (luma - red * r - blue * b) / (1.0 - red - blue);
    [r, g, b].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn middles((width, height): (u32, u32)) -> [(u32, u32); 4] {
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| (width * x / 4, height * y / 4))
}
