//! Tests with H.264 by the ffmpeg command.

use std::fs;
use std::path::Path;
use std::process::Command;

use fanlight_protocol::Timestamp;
use memchr::memmem;

use super::*;
use crate::h264::AccessUnitSplitter;

/// Encodes 12 frames with the ffmpeg command, and reads them from its output: extradata and access units.
fn encoded(
    size: &str,
    options: &[&str],
    read: impl Fn(&[u8]) -> (Vec<u8>, Vec<Vec<u8>>),
    format: &str,
) -> (Vec<u8>, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("clip.{format}"));
    encode(size, options, &path);
    read(&fs::read(path).unwrap())
}

fn encode(size: &str, options: &[&str], path: &Path) {
    let source = format!("testsrc2=size={size}:rate=10");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "12"]);
    let status = ffmpeg.args(["-c:v", "libx264"]).args(options).arg(path).status();
    assert!(status.expect("the ffmpeg command is installed").success());
}

/// The `avcC` record of an MP4 file with one track, and its samples.
fn read_mp4(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let number = |bytes: &[u8]| u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize;
    let payload = |name: &str| {
        let at = memmem::find(file, name.as_bytes()).unwrap();
        &file[at + 4..at - 4 + number(&file[at - 4..])]
    };
    let (sizes, mut samples) = (payload("stsz"), payload("mdat"));
    let mut split = |size: &[u8]| {
        let (sample, rest) = samples.split_at(number(size));
        samples = rest;
        sample.to_vec()
    };
    // Version and flags, a common size of 0, and their number precede the sizes.
    let units = sizes[12..].chunks(4).map(&mut split).collect();
    (payload("avcC").to_vec(), units)
}

/// The access units of a byte stream, the first of which contains the parameter sets.
fn read_stream(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut splitter = AccessUnitSplitter::default();
    let mut units = splitter.feed(file, Timestamp::default()).unwrap();
    units.extend(splitter.finish());
    let units: Vec<_> = units.into_iter().map(|unit| unit.bytes).collect();
    (units[0].clone(), units)
}

fn inspected(
    extradata: &[u8],
    units: &[Vec<u8>],
) -> Result<Vec<Arc<AccessUnit>>, PassthroughError> {
    let mut inspector = H264Inspector::from_extradata(extradata);
    units.iter().filter_map(|unit| inspector.inspect(unit, false).transpose()).collect()
}

fn check_inspected(units: &[Arc<AccessUnit>], size: (u32, u32)) {
    assert_eq!(units.len(), 12);
    for (number, unit) in units.iter().enumerate() {
        assert_eq!(unit.number, number as u64);
        assert_eq!((unit.width, unit.height), size);
        assert_eq!(unit.keyframe, number % 5 == 0, "{number}");
        assert!(unit.bytes.starts_with(&LONG_START_CODE));
        if unit.keyframe {
            assert!(annex_b::contains_sps(&unit.bytes), "{number}");
        }
    }
}

#[test]
fn access_units_of_any_container_get_start_codes_and_parameter_sets_before_keyframes() {
    let options = ["-tune", "zerolatency", "-g", "5"];
    let (extradata, units) = encoded("320x180", &options, read_mp4, "mp4");
    check_inspected(&inspected(&extradata, &units).unwrap(), (320, 180));
    let (extradata, units) = encoded("322x182", &options, read_stream, "h264");
    check_inspected(&inspected(&extradata, &units).unwrap(), (322, 182));
}

#[test]
fn reordering_is_detected_by_parameter_sets_or_at_the_first_b_slice() {
    let (extradata, units) = encoded("320x180", &["-bf", "2"], read_mp4, "mp4");
    assert!(!H264Inspector::from_extradata(&extradata).allows_passthrough());
    assert_eq!(inspected(&extradata, &units), Err(PassthroughError::Reordered));
    // A camera's parameter sets may not declare it.
    assert!(is_b_slice(&[0x01, 0b1010_0000]) && is_b_slice(&[0x01, 0b1001_1100]));
    assert!(!is_b_slice(&[0x41, 0b1100_0000]) && !is_b_slice(&[0x41]));
}

/// The two streams one after the other, each with parameter sets of its own id. The sets are apart from the pictures.
fn alternating(sizes: [&str; 2]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut sets, mut pictures) = (Vec::new(), Vec::new());
    for (id, size) in sizes.into_iter().enumerate() {
        let parameters = format!("sps-id={id}");
        let options = ["-tune", "zerolatency", "-g", "5", "-x264-params", &parameters];
        for unit in encoded(size, &options, read_stream, "h264").1 {
            let is_set = |unit: &&[u8]| matches!(NalType::of(unit), NalType::Sps | NalType::Pps);
            let (own, slices): (Vec<&[u8]>, Vec<&[u8]>) =
                annex_b::nal_units(&unit).partition(is_set);
            let join = |units: Vec<&[u8]>| -> Vec<u8> {
                let units = units.into_iter().flat_map(|unit| LONG_START_CODE.iter().chain(unit));
                units.copied().collect()
            };
            sets.extend(join(own));
            pictures.push(join(slices));
        }
    }
    (sets, pictures)
}

#[test]
fn each_keyframe_gets_all_parameter_sets_and_the_size_of_its_own() {
    let (sets, pictures) = alternating(["320x180", "160x90"]);
    let units = inspected(&sets, &pictures).unwrap();
    let keyframes: Vec<_> = units.iter().filter(|unit| unit.keyframe).collect();
    assert_eq!(keyframes.len(), 6);
    for unit in &keyframes {
        let count =
            |kind| annex_b::nal_units(&unit.bytes).filter(|u| NalType::of(u) == kind).count();
        assert_eq!((count(NalType::Sps), count(NalType::Pps)), (2, 2));
    }
    let sizes: Vec<_> = units.iter().map(|unit| (unit.width, unit.height)).collect();
    assert_eq!(sizes, [vec![(320, 180); 12], vec![(160, 90); 12]].concat());
    // A camera may send only those that a keyframe refers to.
    let own: Vec<u8> = annex_b::nal_units(&sets)
        .take(2)
        .flat_map(|set| LONG_START_CODE.iter().chain(set))
        .copied()
        .collect();
    let with_own = [own, pictures[0].clone()].concat();
    let mut inspector = H264Inspector::from_extradata(&sets);
    let unit = inspector.inspect(&with_own, true).unwrap().unwrap();
    assert!(
        annex_b::nal_units(&unit.bytes).filter(|u| NalType::of(u) == NalType::Sps).count() >= 2
    );
}

#[test]
fn the_shape_of_pixels_and_the_colours_are_known_from_the_parameter_sets() {
    let colours = ["-colorspace", "bt709", "-color_range", "pc", "-vf", "setsar=12/11"];
    let (extradata, _) = encoded("320x180", &colours, read_mp4, "mp4");
    let hints = H264Inspector::from_extradata(&extradata).display_hints();
    assert_eq!((hints.pixel_aspect, hints.matrix), (Some((12, 11)), Some(1)));
    assert!(hints.full_range && !hints.reoriented);
    let (extradata, _) = encoded("1280x720", &[], read_mp4, "mp4");
    let hints = H264Inspector::from_extradata(&extradata).display_hints();
    assert_eq!((hints.matrix, hints.full_range), (None, false));
}

#[test]
fn small_frames_without_declared_colours_are_forwarded_with_a_declaration() {
    for (format, read) in [("mp4", read_mp4 as fn(&[u8]) -> _), ("h264", read_stream)] {
        let (extradata, units) = encoded("320x180", &["-g", "5", "-bf", "0"], read, format);
        let mut inspector = H264Inspector::from_extradata(&extradata);
        for bytes in &units {
            let unit = inspector.inspect(bytes, false).unwrap().unwrap();
            let sets =
                annex_b::nal_units(&unit.bytes).filter(|set| NalType::of(set) == NalType::Sps);
            let matrices = sets.map(|set| read_sps(set).unwrap().1.matrix);
            assert!(matrices.eq(unit.keyframe.then_some(Some(6))), "{format}");
        }
    }
}

#[test]
fn an_orientation_is_known_from_the_first_frame_that_declares_it() {
    let turned =
        ["-tune", "zerolatency", "-bsf:v", "h264_metadata=display_orientation=insert:rotate=90"];
    let (extradata, units) = encoded("320x180", &turned, read_stream, "h264");
    let mut inspector = H264Inspector::from_extradata(&extradata);
    assert!(!inspector.display_hints().reoriented);
    inspector.inspect(&units[0], true).unwrap().unwrap();
    assert!(inspector.display_hints().reoriented);
}

#[test]
fn access_units_before_the_first_parameter_sets_are_skipped() {
    let slice = [0, 0, 0, 1, 0x41, 0x9a, 1, 2];
    assert_eq!(H264Inspector::new().inspect(&slice, true), Ok(None));
}

#[test]
fn nal_units_without_a_slice_are_skipped_and_not_numbered() {
    let (extradata, units) = encoded("320x180", &["-tune", "zerolatency"], read_mp4, "mp4");
    let mut inspector = H264Inspector::from_extradata(&extradata);
    assert_eq!(inspector.inspect(&[], true), Ok(None));
    assert_eq!(inspector.inspect(&[0, 0, 0, 2, 6, 5], true), Ok(None));
    assert_eq!(inspector.inspect(&units[0], true).unwrap().unwrap().number, 0);
    inspector.skip_missing();
    assert_eq!(inspector.inspect(&units[1], false).unwrap().unwrap().number, 2);
}

#[test]
fn arbitrary_bytes_are_inspected_without_harm() {
    for length in 0..64 {
        for first in [0, 1, 0x67, 0xff] {
            let rubbish: Vec<u8> = (0..length).map(|n| (n * 37) as u8 ^ first).collect();
            let mut extradata = rubbish.clone();
            extradata.insert(0, 1);
            let mut inspector = H264Inspector::from_extradata(&extradata);
            let _ = inspector.inspect(&rubbish, true);
            let _ = H264Inspector::from_extradata(&rubbish).inspect(&extradata, false);
        }
    }
}

#[test]
fn an_empty_parameter_set_is_ignored() {
    let inspector = H264Inspector::from_extradata(&[1, 66, 0, 30, 0xff, 0xe0, 1, 0, 0]);
    assert!(inspector.allows_passthrough() && inspector.parameter_sets.units().next().is_none());
}

#[test]
fn units_of_few_bytes_are_read_without_harm() {
    for header in [0x06, 0x41, 0x65, 0x67, 0x68] {
        for rest in
            [&[][..], &[0], &[0x80], &[0, 0], &[0, 0, 3], &[0, 0, 3, 0], &[0xff; 3], &[0xff; 8]]
        {
            let unit = [&[0, 0, 0, 1, header][..], rest].concat();
            let _ = H264Inspector::new().inspect(&unit, true);
            let by_length = [&[rest.len() as u8 + 1, header][..], rest].concat();
            let mut inspector = H264Inspector::new();
            inspector.length_size = Some(1);
            let _ = inspector.inspect(&by_length, true);
        }
    }
}
