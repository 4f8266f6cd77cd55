//! The check of a pushed frame: the bytes must be what a viewer can decode, as those of a camera.

use bytes::Bytes;
use fanlight_codec::h264::annex_b::begins_with_nal_unit;
use fanlight_codec::h264::{H264Inspector, is_entry};
use fanlight_codec::jpeg::repair;
use fanlight_protocol::Codec;

/// The bytes with which a JPEG begins: its first marker, and the first byte of the second one.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// A frame that passed the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFrame {
    /// The JPEG, or the access unit with its parameter sets if it is a keyframe.
    pub payload: Bytes,
    /// True if it can be decoded alone.
    pub is_keyframe: bool,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

/// Checks the frames of one stream, all of which have the same codec.
#[derive(Debug)]
pub enum PayloadCheck {
    /// Each frame is a JPEG.
    Jpeg,
    /// Each frame is an access unit of H.264.
    H264(Box<H264Inspector>),
}

/// Returns the codec of a frame by its first bytes.
pub fn codec_of(bytes: &[u8]) -> Option<Codec> {
    match bytes {
        _ if bytes.starts_with(&JPEG) => Some(Codec::Jpeg),
        _ if begins_with_nal_unit(bytes) => Some(Codec::H264),
        _ => None,
    }
}

impl PayloadCheck {
    /// Creates the check of a stream in this codec.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Jpeg => Self::Jpeg,
            Codec::H264 => Self::H264(Box::default()),
        }
    }

    /// Returns the codec.
    pub fn codec(&self) -> Codec {
        match self {
            Self::Jpeg => Codec::Jpeg,
            Self::H264(_) => Codec::H264,
        }
    }

    /// Checks a frame. Returns `None` for bytes of H.264 that are no frame yet: parameter sets alone, or a picture before
    /// the first ones.
    ///
    /// # Errors
    /// Fails with a text for the publisher if the bytes are no frame that viewers can decode.
    pub fn check(&mut self, bytes: Vec<u8>) -> Result<Option<CheckedFrame>, String> {
        match self {
            Self::Jpeg => check_jpeg(bytes).map(Some),
            Self::H264(inspector) => check_h264(inspector, &bytes),
        }
    }
}

fn check_jpeg(bytes: Vec<u8>) -> Result<CheckedFrame, String> {
    // A padding before the start is repaired, but not whatever else contains a JPEG somewhere.
    if bytes.iter().find(|byte| **byte != 0) != Some(&0xff) {
        return Err("not a JPEG".into());
    }
    let jpeg = repair(bytes).map_err(|error| error.to_string())?;
    if let Some(obstacle) = jpeg.obstacle {
        return Err(format!("a JPEG that browsers cannot show: {obstacle}"));
    }
    let size = (jpeg.width, jpeg.height);
    Ok(CheckedFrame { payload: jpeg.bytes.into(), is_keyframe: true, size })
}

fn check_h264(inspector: &mut H264Inspector, bytes: &[u8]) -> Result<Option<CheckedFrame>, String> {
    if !begins_with_nal_unit(bytes) {
        return Err("not an access unit of H.264 with start codes (Annex B)".into());
    }
    let unit = inspector.inspect(bytes, is_entry(bytes)).map_err(|error| error.to_string())?;
    Ok(unit.map(|unit| {
        let (is_keyframe, size) = (unit.keyframe, (unit.width, unit.height));
        // The inspector keeps no handle, so nothing is copied here.
        let bytes = std::sync::Arc::try_unwrap(unit)
            .map_or_else(|unit| unit.bytes.clone(), |unit| unit.bytes);
        CheckedFrame { payload: bytes.into(), is_keyframe, size }
    }))
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

    use super::*;

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoded =
            JpegEncoder::new(&mut bytes).encode(&[7; 64 * 32], 64, 32, ExtendedColorType::L8);
        encoded.unwrap();
        bytes
    }

    #[test]
    fn a_codec_is_recognised_by_its_first_bytes() {
        assert_eq!(codec_of(&jpeg()), Some(Codec::Jpeg));
        assert_eq!(codec_of(&[0, 0, 0, 1, 0x67, 1]), Some(Codec::H264));
        for other in [&b"\x89PNG\r\n"[..], b"{}", b"", &[0xff, 0xd8]] {
            assert_eq!(codec_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_jpeg_is_forwarded_as_it_is_with_its_size() {
        let expected = CheckedFrame { payload: jpeg().into(), is_keyframe: true, size: (64, 32) };
        assert_eq!(PayloadCheck::new(Codec::Jpeg).check(jpeg()), Ok(Some(expected)));
    }

    #[test]
    fn bytes_that_are_no_frame_are_refused_with_a_reason() {
        let refused =
            |codec, bytes: &[u8]| PayloadCheck::new(codec).check(bytes.to_vec()).unwrap_err();
        assert!(refused(Codec::Jpeg, b"\x89PNG\r\n").contains("not a JPEG"));
        assert!(refused(Codec::Jpeg, &jpeg()[..40]).contains("incomplete"));
        let hidden = [b"<html>", &jpeg()[..]].concat();
        assert!(refused(Codec::Jpeg, &hidden).contains("not a JPEG"));
        assert!(refused(Codec::H264, &jpeg()).contains("Annex B"));
        assert!(refused(Codec::H264, b"").contains("Annex B"));
    }

    #[test]
    fn a_picture_before_the_first_parameter_sets_is_no_frame_yet() {
        let mut check = PayloadCheck::new(Codec::H264);
        assert_eq!(check.check(vec![0, 0, 1, 0x41, 0x9a, 7]), Ok(None));
    }
}
