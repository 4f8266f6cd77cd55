//! Geometry: rotation, mirroring and the shape of pixels, by every way to a viewer, in every codec and size.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{capture, viewer};
use crate::shown::{QUARTERS, Rgb, encode_quarters, remux, shown};

/// The most by which a colour may differ. No two quarters are as similar.
const TOLERANCE: u8 = 30;
const SIZE: (usize, usize) = (336, 192);
const TRACKS: [(&str, u32); 4] =
    [("full.jpeg", 1), ("quarter.jpeg", 4), ("full.h264", 1), ("quarter.h264", 4)];
const H264: [&str; 6] = ["-c:v", "libx264", "-tune", "zerolatency", "-g", "4"];
const H265: [&str; 6] =
    ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"];
const JPEG: [&str; 6] = ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"];

/// The size and the quarters that a stream must show.
struct Expected {
    stream: String,
    size: (u32, u32),
    quarters: [Rgb; 4],
}

/// Checks all tracks of these streams.
fn check(expected: &[Expected]) {
    let streams: Vec<_> = expected.iter().map(|one| one.stream.as_str()).collect();
    let capture = capture(&streams);
    let mut viewer = viewer(&capture);
    let mut wrong = Vec::new();
    for Expected { stream, size, quarters } in expected {
        let name = stream.split_once('=').unwrap().0;
        for (track, divisor) in TRACKS {
            let shown = shown(&mut viewer, &format!("{name}/{track}"));
            // Sizes are rounded, and an odd side of H.264 loses one pixel.
            let is_close = |side: u32, full: u32| side.abs_diff(full / divisor) < divisor.min(2);
            let right = is_close(shown.size.0, size.0) && is_close(shown.size.1, size.1);
            if !right || shown.off(*quarters) > TOLERANCE {
                wrong.push(format!("{name}/{track}: {:?} {:?}", shown.size, shown.quarters));
            }
        }
    }
    assert!(wrong.is_empty(), "{QUARTERS:?} is shown as\n{}", wrong.join("\n"));
}

/// The quarters in another order.
fn ordered(order: [usize; 4]) -> [Rgb; 4] {
    order.map(|at| QUARTERS[at])
}

/// Sets the display matrix of an MP4 or MOV file with one track (ISO/IEC 14496-12, 8.3.2).
fn set_matrix(path: &Path, [a, b, c, d]: [i32; 4]) {
    let mut bytes = fs::read(path).unwrap();
    let header = bytes.windows(4).position(|name| name == b"tkhd").unwrap() + 4;
    let one = 1 << 16;
    let matrix = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30];
    let matrix: Vec<u8> = matrix.into_iter().flat_map(i32::to_be_bytes).collect();
    bytes[header + 40..][..matrix.len()].copy_from_slice(&matrix);
    fs::write(path, bytes).unwrap();
}

fn clip(folder: &TempDir, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    encode_quarters(&path, SIZE, options);
    path
}

/// A command that writes a byte stream again and again.
fn command(path: &Path) -> String {
    format!("exec:while cat {}; do sleep 0.2; done", path.display())
}

#[test]
fn a_display_matrix_is_honoured_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    let (wide, tall) = ((336, 192), (192, 336));
    let matrices = [
        ("right", [0, 1, -1, 0], tall, [2, 0, 3, 1]),
        ("left", [0, -1, 1, 0], tall, [1, 3, 0, 2]),
        ("half", [-1, 0, 0, -1], wide, [3, 2, 1, 0]),
        ("mirrored", [-1, 0, 0, 1], wide, [1, 0, 3, 2]),
        ("upside-down", [1, 0, 0, -1], wide, [2, 3, 0, 1]),
        ("transposed", [0, 1, 1, 0], tall, [0, 2, 1, 3]),
    ];
    let mut streams = Vec::new();
    let codecs = [("h264", "mp4", &H264), ("h265", "mp4", &H265), ("jpeg", "mov", &JPEG)];
    for (codec, extension, options) in codecs {
        for (name, matrix, size, order) in matrices {
            let path = clip(&folder, &format!("{codec}-{name}.{extension}"), options);
            set_matrix(&path, matrix);
            let stream = format!("{codec}-{name}={}", path.display());
            streams.push(Expected { stream, size, quarters: ordered(order) });
        }
    }
    check(&streams);
}

#[test]
fn the_rotation_that_a_user_requests_is_added_to_that_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(&folder, "right.mp4", &H264);
    set_matrix(&path, [0, 1, -1, 0]);
    let stream = format!("right={}#rotate=90", path.display());
    check(&[Expected { stream, size: (336, 192), quarters: ordered([3, 2, 1, 0]) }]);
}

#[test]
fn an_orientation_within_h264_is_honoured_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    let plain = clip(&folder, "plain.h264", &H264);
    // The filter rotates anticlockwise, as FFmpeg counts.
    let orientation = ["-bsf:v", "h264_metadata=display_orientation=insert:rotate=-90"];
    let streams = ["h264", "mp4"].map(|extension| {
        let path = folder.path().join(format!("turned.{extension}"));
        remux(&plain, &path, &orientation);
        let source = match extension {
            "h264" => command(&path),
            _ => path.display().to_string(),
        };
        let stream = format!("{extension}={source}");
        Expected { stream, size: (192, 336), quarters: ordered([2, 0, 3, 1]) }
    });
    check(&streams);
}

#[test]
fn pixels_that_are_not_square_are_made_square_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        clip(&folder, "h264.mp4", &[&H264[..], &["-vf", "setsar=4/3"]].concat()),
        clip(&folder, "h265.mp4", &[&H265[..], &["-vf", "setsar=4/3"]].concat()),
        clip(&folder, "reordered.mkv", &["-c:v", "libx264", "-bf", "2", "-vf", "setsar=4/3"]),
        clip(&folder, "jpeg.mov", &[&JPEG[..], &["-vf", "setsar=4/3"]].concat()),
        container_only(&folder),
    ];
    let mut streams: Vec<_> = sources.iter().map(|path| path.display().to_string()).collect();
    let stream = clip(&folder, "stream.h264", &[&H264[..], &["-vf", "setsar=4/3"]].concat());
    streams.push(command(&stream));
    let expected = streams.iter().enumerate().map(|(number, source)| Expected {
        stream: format!("stream-{number}={source}"),
        size: (448, 192),
        quarters: QUARTERS,
    });
    check(&expected.collect::<Vec<_>>());
}

/// A clip whose container alone declares that its pixels are not square.
fn container_only(folder: &TempDir) -> PathBuf {
    let (plain, wide) = (clip(folder, "plain.mp4", &H264), folder.path().join("container.mp4"));
    remux(&plain, &wide, &["-aspect", "7:3"]);
    wide
}

#[test]
fn two_fields_in_one_packet_are_one_frame() {
    let folder = tempfile::tempdir().unwrap();
    let field = folder.path().join("field.jpg");
    let vf = ["-vf", "scale=336:96", "-frames:v", "1"];
    encode_quarters(&field, SIZE, &[&vf[..], &JPEG].concat());
    let (pair, path) = (folder.path().join("pair.jpg"), folder.path().join("fields.avi"));
    fs::write(&pair, fs::read(&field).unwrap().repeat(2)).unwrap();
    remux(&pair, &path, &["-f", "avi"]);
    // The height of the frame, as capture cards write it: the copy has that of a field.
    let mut bytes = fs::read(&path).unwrap();
    let format = bytes.windows(4).position(|name| name == b"strf").unwrap() + 8;
    bytes[format + 8..][..4].copy_from_slice(&192_u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let stream = format!("fields={}", path.display());
    check(&[Expected { stream, size: (336, 192), quarters: QUARTERS }]);
}
