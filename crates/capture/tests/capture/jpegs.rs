//! JPEGs as cameras write them: all that decoders and browsers show is shown, in every rendition.

use std::fs;

use fanlight_bus::IncomingFrame;
use opencv::core::{Mat, MatTraitConst, Vec3b, Vector};
use opencv::imgcodecs::{IMREAD_COLOR, imdecode};

use crate::harness::{capture, painted, timecode, viewer};

/// A JPEG in CMYK, all of one color. `inks` are inverted: 0 is the most ink, and only 1 and 255 can be coded here.
fn cmyk(inks: [u8; 4]) -> Vec<u8> {
    const SIDE: u8 = 64;
    let mut jpeg = vec![0xff, 0xd8];
    jpeg.extend([0xff, 0xee, 0, 14]);
    jpeg.extend(*b"Adobe\0\x64\0\0\0\0\0");
    jpeg.extend([0xff, 0xdb, 0, 67, 0]);
    jpeg.extend([8; 64]);
    jpeg.extend([0xff, 0xc0, 0, 20, 8, 0, SIDE, 0, SIDE, 4]);
    (1..=4).for_each(|component| jpeg.extend([component, 0x11, 0]));
    jpeg.extend([0xff, 0xda, 0, 14, 4]);
    (1..=4).for_each(|component| jpeg.extend([component, 0]));
    jpeg.extend([0, 63, 0]);
    // The typical Huffman tables, which a decoder inserts: the first block has the color, the others no difference.
    let mut bits = String::new();
    for block in 0..u32::from(SIDE / 8).pow(2) {
        for ink in inks {
            bits += match (block, ink) {
                (0, 255) => "111101111111",
                (0, _) => "111100000000",
                _ => "00",
            };
            bits += "1010";
        }
    }
    bits += &"1".repeat(bits.len().wrapping_neg() % 8);
    for byte in bits.as_bytes().chunks(8) {
        let byte = u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap();
        jpeg.push(byte);
        if byte == 0xff {
            jpeg.push(0);
        }
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

fn picture(frame: &IncomingFrame) -> Mat {
    imdecode(&Vector::from_slice(&frame.payload), IMREAD_COLOR).unwrap()
}

/// Returns the arguments of a stream that shows this JPEG ten times a second.
fn repeated(folder: &tempfile::TempDir, name: &str, jpeg: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, jpeg).unwrap();
    format!("{name}=exec:while cat {}; do sleep 0.1; done", path.display())
}

/// Inserts bytes before the first segment with this marker.
fn inserted(jpeg: &[u8], marker: u8, bytes: &[u8]) -> Vec<u8> {
    let at = jpeg.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    [&jpeg[..at], bytes, &jpeg[at..]].concat()
}

#[test]
fn odd_jpegs_that_decoders_show_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = painted("320x180@30").next().unwrap();
    let (open, sof) = (&jpeg[..jpeg.len() - 2], 0xc0);
    let kinds = [
        ("byte", inserted(&jpeg, 0xdb, &[0])),
        ("many", inserted(&jpeg, sof, &[0; 608])),
        ("twice", [&[0xff, 0xd8], &jpeg[..]].concat()),
        ("later", inserted(&jpeg, 0xdb, &[0xff, 0xd8])),
        ("open", open.to_vec()),
        ("padded", [&[0, 0, 0], &jpeg[..], &[0; 5]].concat()),
        ("filled", [open, &[0xff, 0xff, 0xff, 0xd9]].concat()),
    ];
    let streams = kinds.clone().map(|(name, jpeg)| repeated(&folder, name, &jpeg));
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let capture = capture(&streams);
    let mut viewer = viewer(&capture);
    for (name, _) in kinds {
        viewer.watch(name);
        viewer.watch(&format!("{name}/half"));
        let full = viewer.frames(name, 2).remove(1);
        assert_eq!(full.meta.size(), (320, 180), "{name}");
        assert!(timecode(&full).is_some(), "{name}");
        // No byte is left that a strict decoder refuses.
        let kept = full.payload.strip_suffix(&[0xff, 0xd9]).unwrap();
        assert!(kept.starts_with(open), "{name}");
        assert_eq!(viewer.frames(&format!("{name}/half"), 1)[0].meta.size(), (160, 90), "{name}");
        viewer.unwatch(name);
        viewer.unwatch(&format!("{name}/half"));
    }
}

#[test]
fn half_an_image_is_dropped_although_it_could_be_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = painted("320x180@30").next().unwrap();
    let half = &jpeg[..jpeg.len() / 2];
    let both = [half, &jpeg[..]].concat();
    let capture = capture(&[&repeated(&folder, "cam", &both)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    for frame in viewer.frames("cam", 4) {
        assert!(*frame.payload == *jpeg);
    }
    viewer.until_so("cam", "a count", |entry| entry.tracks[0].dropped >= 2);
}

#[test]
fn cmyk_is_shown_alike_in_every_rendition() {
    let folder = tempfile::tempdir().unwrap();
    let capture = capture(&[&repeated(&folder, "cam", &cmyk([255, 1, 1, 255]))]);
    let mut viewer = viewer(&capture);
    for (track, side) in [("cam", 64), ("cam/half", 32), ("cam/quarter", 16)] {
        viewer.watch(track);
        let picture = picture(&viewer.frames(track, 1)[0]);
        assert_eq!((picture.cols(), picture.rows()), (side, side), "{track}");
        let seen = picture.at_2d::<Vec3b>(5, 5).unwrap();
        let far = (0..3).map(|color| [0_u8, 0, 255][color].abs_diff(seen[color])).max();
        assert!(far < Some(6), "{track}: {seen:?}");
    }
}
