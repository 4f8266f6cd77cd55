//! A container's or a protocol's description of a video.

use fanlight_codec::h264::DisplayHints;
use fanlight_codec::jpeg;
use ffmpeg_next::codec::{Id, Parameters};
use ffmpeg_next::util::color::{Range, Space};

use super::encoded::Encoded;
use crate::pixels::Size;
use crate::pixels::colours::Matrix;
use crate::pixels::geometry::{Geometry, PixelAspect};

/// The description of a video apart from its frames.
pub(in crate::source) struct Container {
    /// The codec's parameters.
    pub(in crate::source) parameters: Parameters,
    /// The geometry that the container declares.
    pub(in crate::source) geometry: Geometry,
}

/// The colours of a video that declares none.
pub(super) const UNKNOWN_COLOURS: (Space, Range) = (Space::Unspecified, Range::Unspecified);

/// The reasons why frames must be decoded to be shown correctly.
pub(super) const FIELDS: &str = "each frame is stored as two fields (interlaced)";
const NOT_UPRIGHT: &str = "its frames are stored rotated or mirrored";
const NOT_SQUARE: &str = "its pixels are not square";
const OTHER_COLOURS: &str = "only its container describes its colours";

impl Container {
    pub(super) fn id(&self) -> Id {
        self.parameters.id()
    }

    /// Returns the frame size that the container states.
    #[expect(unsafe_code, reason = "ffmpeg-next does not expose the size")]
    pub(super) fn size(&self) -> Size {
        // SAFETY: the parameters are alive, and the fields are plain integers.
        let (width, height) = unsafe {
            let parameters = self.parameters.as_ptr();
            ((*parameters).width, (*parameters).height)
        };
        (width.max(0) as u32, height.max(0) as u32)
    }

    /// Returns the matrix and the range that the container states.
    #[expect(unsafe_code, reason = "ffmpeg-next does not expose the colours")]
    pub(super) fn colours(&self) -> (Space, Range) {
        // SAFETY: the parameters are alive, and the fields are numbers that FFmpeg has set.
        unsafe {
            let parameters = self.parameters.as_ptr();
            ((*parameters).color_space.into(), (*parameters).color_range.into())
        }
    }

    /// Returns whether a packet contains two JPEGs, each with every second line of a frame.
    pub(super) fn holds_fields(&self, encoded: &Encoded) -> bool {
        jpeg::are_fields(encoded.bytes(), self.size().1)
    }

    /// Returns why JPEGs of this container cannot be forwarded undecoded, if they cannot.
    pub(super) fn why_decode_jpeg(&self) -> Option<&'static str> {
        why_decode(self.geometry, self.size())
    }

    /// Returns whether H.264 of this size that declares this for itself would be shown in other colours than the
    /// container states.
    fn has_other_colours(&self, hints: DisplayHints, size: Size) -> bool {
        let (space, range) = self.colours();
        let other_matrix = space != Space::Unspecified
            && Matrix::of(space, size) != Matrix::of_h264(hints.matrix, size);
        let other_range = match range {
            Range::Unspecified => false,
            range => (range == Range::JPEG) != hints.full_range,
        };
        other_matrix || other_range
    }
}

/// Returns why H.264 of this size cannot be forwarded undecoded, if viewers would show it differently.
pub(super) fn why_decode_h264(
    container: Option<&Container>,
    hints: DisplayHints,
    size: Size,
) -> Option<&'static str> {
    let aspect = hints
        .pixel_aspect
        .and_then(|(width, height)| PixelAspect::new(width.into(), height.into()));
    let own = Geometry { aspect, orientation: None };
    let declared = container.map_or(Geometry::default(), |container| container.geometry);
    if hints.reoriented {
        return Some(NOT_UPRIGHT);
    }
    let other_colours = || container.is_some_and(|it| it.has_other_colours(hints, size));
    why_decode(own.within(declared), size).or_else(|| other_colours().then_some(OTHER_COLOURS))
}

fn why_decode(geometry: Geometry, size: Size) -> Option<&'static str> {
    if geometry.square(size) != size {
        Some(NOT_SQUARE)
    } else if !geometry.is_plain(size) {
        Some(NOT_UPRIGHT)
    } else {
        None
    }
}
