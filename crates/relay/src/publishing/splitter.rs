//! From the bytes of a body to frames: by its type, or by its first bytes.

use fanlight_codec::h264::AccessUnitSplitter;
use fanlight_codec::jpeg::JpegSplitter;
use fanlight_codec::{SplitError, SplitFrame};
use fanlight_protocol::{Codec, Timestamp};

use crate::ingest::push::payload::codec_of;

/// Bytes by which a codec is recognised: a long start code and the header of a NAL unit.
const SHOWN: usize = 5;

/// Splits the bytes of one body into frames.
#[derive(Debug)]
pub(super) enum BodySplitter {
    /// The codec is not known yet: the bytes so far, and the arrival of the first one.
    Unknown(Vec<u8>, Timestamp),
    /// JPEGs, with or without the heads of a multipart body between them.
    Jpeg(JpegSplitter),
    /// A byte stream of H.264.
    H264(AccessUnitSplitter),
}

impl BodySplitter {
    /// Returns a splitter for a codec; `None`: the first bytes show it.
    pub(super) fn new(codec: Option<Codec>) -> Self {
        match codec {
            Some(Codec::Jpeg) => Self::Jpeg(JpegSplitter::default()),
            Some(Codec::H264) => Self::H264(AccessUnitSplitter::default()),
            None => Self::Unknown(Vec::new(), Timestamp::default()),
        }
    }

    /// Accepts bytes that arrived at `now`, and returns the frames that end in them.
    ///
    /// # Errors
    /// Fails if a frame is too large, or the bytes contain none.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Vec<SplitFrame>, SplitError> {
        match self {
            Self::Jpeg(splitter) => splitter.feed(bytes, now),
            Self::H264(splitter) => splitter.feed(bytes, now),
            Self::Unknown(first, began_at) => {
                if first.is_empty() {
                    *began_at = now;
                }
                first.extend_from_slice(bytes);
                if first.len() < SHOWN {
                    return Ok(Vec::new());
                }
                let (first, began_at) = (std::mem::take(first), *began_at);
                // The heads of a multipart body are text, which the splitter of JPEGs skips.
                *self = Self::new(Some(codec_of(&first).unwrap_or(Codec::Jpeg)));
                self.feed(&first, began_at)
            }
        }
    }

    /// Returns the last frame, at the end of the body.
    pub(super) fn finish(&mut self) -> Option<SplitFrame> {
        match self {
            Self::Unknown(..) => None,
            Self::Jpeg(splitter) => splitter.finish(),
            Self::H264(splitter) => splitter.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];

    fn frames(pieces: &[&[u8]], codec: Option<Codec>) -> Vec<Vec<u8>> {
        let mut splitter = BodySplitter::new(codec);
        let mut frames = Vec::new();
        for piece in pieces {
            frames.extend(splitter.feed(piece, Timestamp::default()).unwrap());
        }
        frames.extend(splitter.finish());
        frames.into_iter().map(|frame| frame.bytes).collect()
    }

    #[test]
    fn a_body_is_recognised_by_its_first_bytes_however_they_are_cut() {
        let part = [b"--x\r\nContent-Type: image/jpeg\r\n\r\n", JPEG, b"\r\n--x--"].concat();
        assert_eq!(frames(&[&JPEG[..1], &JPEG[1..3], &JPEG[3..]], None), [JPEG]);
        assert_eq!(frames(&[&part], None), [JPEG]);
        let (key, delta) = (&[0, 0, 0, 1, 0x65, 0x88, 5][..], &[0, 0, 0, 1, 0x41, 0x9a, 7][..]);
        assert_eq!(frames(&[&key[..2], &key[2..], delta], None), [key, delta]);
    }

    #[test]
    fn a_body_without_frames_is_refused_before_it_grows() {
        let mut splitter = BodySplitter::new(None);
        let text = vec![b'x'; 64 * 1024];
        let fed = (0..32).try_for_each(|_| splitter.feed(&text, Timestamp::default()).map(drop));
        assert!(matches!(fed, Err(SplitError::NoJpeg(_))), "{fed:?}");
    }
}
