//! The content of one frame, as far as its own bytes tell.

use std::fmt;

use fanlight_codec::h264::{DisplayHints, H264Inspector, profile_and_level};
use fanlight_codec::jpeg::{self, JpegError, Obstacle};

use crate::frame::{AccessUnit, FrameData};
use crate::pixels::Size;
use crate::pixels::colours::{Colours, Matrix, StatedColours};
use crate::pixels::decode::JpegDecoder;

/// The codec of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Codec {
    /// Pixels that the source itself decoded or captured.
    Pixels,
    Jpeg,
    /// Profile and level, if the frame has them.
    H264(Option<String>),
}

/// The content of a frame.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) codec: Codec,
    pub(super) size: Size,
    /// Absent for pixels, which are red, green and blue already.
    pub(super) colours: Option<StatedColours>,
    /// The reason why it cannot be passed through, if its bytes are one.
    pub(super) obstacle: Option<Obstacle>,
}

impl Content {
    /// Returns the content of a frame.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub(super) fn of(data: &FrameData) -> Result<Self, JpegError> {
        match data {
            FrameData::Pixels(image) => {
                Ok(Self { codec: Codec::Pixels, size: image.size(), colours: None, obstacle: None })
            }
            FrameData::Jpeg(bytes) => Self::of_jpeg(bytes),
            FrameData::H264(unit) => Ok(Self::of_h264(unit)),
        }
    }

    fn of_jpeg(bytes: &[u8]) -> Result<Self, JpegError> {
        let jpeg = jpeg::repair(bytes.to_vec())?;
        if !jpeg.had_end && !JpegDecoder::default().is_complete(&jpeg.bytes) {
            return Err(JpegError::Truncated);
        }
        let colours = Colours::JFIF;
        Ok(Self {
            codec: Codec::Jpeg,
            size: (jpeg.width, jpeg.height),
            colours: Some(StatedColours { colours, is_stated: true }),
            obstacle: jpeg.obstacle,
        })
    }

    fn of_h264(unit: &AccessUnit) -> Self {
        let size = (unit.width, unit.height);
        let mut inspector = H264Inspector::new();
        // A delta has no parameter sets, so nothing is known of it.
        let _ = inspector.inspect(&unit.bytes, unit.entry);
        let DisplayHints { matrix, full_range, .. } = inspector.display_hints();
        let colours = Colours { matrix: Matrix::of_h264(matrix, size), full_range };
        Self {
            codec: Codec::H264(profile_and_level(&unit.bytes)),
            size,
            colours: Some(StatedColours { colours, is_stated: matrix.is_some() }),
            obstacle: None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels => f.write_str("pixels"),
            Self::Jpeg => f.write_str("JPEG"),
            Self::H264(None) => f.write_str("H.264"),
            Self::H264(Some(profile)) => write!(f, "H.264, {profile}"),
        }
    }
}
