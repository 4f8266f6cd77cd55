//! Colours: every matrix and range, by every way to a viewer, in every codec and size.

use tempfile::TempDir;

use crate::harness::{capture, viewer};
use crate::shown::{QUARTERS, encode_quarters, remux, shown};

/// The most by which a colour may differ: the steps of 8 bits and of both codecs.
const TOLERANCE: u8 = 4;
const SIZE: (usize, usize) = (320, 240);
/// The matrices as ffmpeg names them: for its filter, and for the bitstream.
const MATRICES: [(&str, &str); 3] =
    [("smpte170m", "smpte170m"), ("bt709", "bt709"), ("bt2020", "bt2020nc")];
const RANGES: [&str; 2] = ["tv", "pc"];
const TRACKS: [&str; 4] = ["full.jpeg", "quarter.jpeg", "full.h264", "quarter.h264"];

/// The options of ffmpeg for a matrix and a range, declared or not.
fn options(matrix: (&str, &str), range: &str, declared: bool, codec: &[&str]) -> Vec<String> {
    let (filter, named) = matrix;
    let filter = format!(
        "scale=out_color_matrix={filter}:out_range={range}:flags=accurate_rnd+full_chroma_int,format=yuv420p"
    );
    let (named, others) = if declared { (named, "bt709") } else { ("unknown", "unknown") };
    let mut options = vec!["-vf".to_owned(), filter];
    options.extend(["-colorspace", named, "-color_range", range].map(str::to_owned));
    options.extend(["-color_primaries", others, "-color_trc", others].map(str::to_owned));
    options.extend(codec.iter().map(|option| (*option).to_owned()));
    options
}

/// Checks all tracks of these streams, each `NAME=SOURCE`.
fn check(streams: &[String]) {
    let capture = capture(&streams.iter().map(String::as_str).collect::<Vec<_>>());
    let mut viewer = viewer(&capture);
    let mut wrong = Vec::new();
    for stream in streams {
        let name = stream.split_once('=').unwrap().0;
        for track in TRACKS {
            let shown = shown(&mut viewer, &format!("{name}/{track}"));
            if shown.off(QUARTERS) > TOLERANCE {
                wrong.push(format!("{name}/{track}: {:?}", shown.quarters));
            }
        }
    }
    assert!(wrong.is_empty(), "{QUARTERS:?} is shown as\n{}", wrong.join("\n"));
}

/// Encodes a clip for each matrix and range. Returns the streams, with these options.
fn table(folder: &TempDir, extension: &str, codec: &[&str], more: &str) -> Vec<String> {
    let pairs = MATRICES.into_iter().flat_map(|matrix| RANGES.map(|range| (matrix, range)));
    pairs
        .map(|(matrix, range)| {
            let name = format!("{}-{range}", matrix.0);
            let path = folder.path().join(format!("{name}.{extension}"));
            let options = options(matrix, range, true, codec);
            encode_quarters(&path, SIZE, &options.iter().map(String::as_str).collect::<Vec<_>>());
            format!("{name}={}{more}", path.display())
        })
        .collect()
}

const H264: [&str; 8] = ["-c:v", "libx264", "-tune", "zerolatency", "-crf", "8", "-g", "4"];

#[test]
fn h264_that_is_passed_through_has_its_colours_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    check(&table(&folder, "mp4", &H264, ""));
}

#[test]
fn h264_that_is_encoded_again_has_its_colours_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    check(&table(&folder, "mp4", &H264, "#reencode=true"));
}

#[test]
fn h264_with_b_frames_has_its_colours_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    check(&table(&folder, "mkv", &["-c:v", "libx264", "-bf", "2", "-crf", "8"], ""));
}

#[test]
fn h265_has_its_colours_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "8"];
    check(&table(&folder, "mp4", &[&codec[..], &["-x265-params", "log-level=none"]].concat(), ""));
}

#[test]
fn jpegs_have_their_colours_in_every_track() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.avi");
    encode_quarters(&path, SIZE, &["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"]);
    let path = path.display();
    check(&[format!("passed={path}"), format!("again={path}#reencode=true")]);
}

#[test]
fn a_matrix_that_is_not_declared_is_that_of_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let streams = [("sd", (640, 480), MATRICES[0]), ("hd", (1280, 720), MATRICES[1])];
    let streams = streams.map(|(name, size, matrix)| {
        let path = folder.path().join(format!("{name}.h264"));
        let options = options(matrix, "tv", false, &H264);
        encode_quarters(&path, size, &options.iter().map(String::as_str).collect::<Vec<_>>());
        format!("{name}={}", path.display())
    });
    check(&streams);
}

#[test]
fn colours_that_only_the_container_declares_are_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, tagged) = (folder.path().join("plain.mp4"), folder.path().join("tagged.mkv"));
    let options = options(MATRICES[1], "tv", false, &H264);
    encode_quarters(&plain, SIZE, &options.iter().map(String::as_str).collect::<Vec<_>>());
    remux(&plain, &tagged, &["-colorspace", "bt709", "-color_range", "tv"]);
    check(&[format!("tagged={}", tagged.display())]);
}
