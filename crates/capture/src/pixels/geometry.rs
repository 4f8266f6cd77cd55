//! The geometry that a container or a bitstream declares: the shape of a pixel, and an orientation. Decoded frames
//! leave the source with square pixels and upright, so that every rendition, codec and viewer shows the same.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::{Video, side_data};

use super::Size;
use super::orientation::{Flip, Orientation, Rotation};

/// The most by which a pixel may be wider than high, or higher than wide. The widest in use is 64:33; a damaged header
/// must not enlarge a frame without limit.
const MAX_ASPECT: u64 = 4;
/// Frames that would change by less than this share are left alone, because encoders round their aspect ratios.
const TOLERANCE: u128 = 100;
/// The largest width to which a frame is widened: few decoders of H.264 support more.
const MAX_WIDTH: u128 = 8192;

/// The shape of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelAspect {
    width: u32,
    height: u32,
}

/// The declared geometry of frames: their pixels are first made square, then the frames are oriented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Geometry {
    /// The shape of a pixel, if declared.
    pub aspect: Option<PixelAspect>,
    /// The orientation, if declared.
    pub orientation: Option<Orientation>,
}

impl PixelAspect {
    /// Returns a pixel of this width and height, in any unit; `None` if such a pixel is implausible.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let (long, short) = (u64::from(width.max(height)), u64::from(width.min(height)));
        (short > 0 && long <= short * MAX_ASPECT).then_some(Self { width, height })
    }

    /// Returns the pixel of FFmpeg's sample aspect ratio; `None` if that is unknown or implausible.
    pub fn of(ratio: Rational) -> Option<Self> {
        let side = |number: i32| u32::try_from(number).ok();
        Self::new(side(ratio.numerator())?, side(ratio.denominator())?)
    }

    /// Returns the size at which a frame of this size has square pixels. The height stays.
    pub fn square(self, (width, height): Size) -> Size {
        let (was, scale) = (u128::from(width), u128::from(self.height));
        let becomes = was * u128::from(self.width);
        // Even, so that H.264 does not crop what JPEG shows.
        let even = (becomes + scale) / (2 * scale) * 2;
        let change = becomes.abs_diff(was * scale);
        if change * TOLERANCE <= was * scale || !(1..=MAX_WIDTH).contains(&even) {
            return (width, height);
        }
        (even as u32, height)
    }
}

impl Geometry {
    /// Returns whether a frame of this size is shown as it is decoded.
    pub fn is_plain(&self, size: Size) -> bool {
        self.square(size) == size
            && self.orientation.is_none_or(|orientation| orientation.is_none())
    }

    /// Returns the size at which a frame of this size has square pixels, before it is oriented.
    pub fn square(&self, size: Size) -> Size {
        self.aspect.map_or(size, |aspect| aspect.square(size))
    }

    /// Returns the geometry of frames within a container. If both declare one, the aspect ratio is the container's and
    /// the orientation that of the frame, as FFmpeg and players have it.
    #[must_use]
    pub fn within(self, container: Self) -> Self {
        Self {
            aspect: container.aspect.or(self.aspect),
            orientation: self.orientation.or(container.orientation),
        }
    }

    /// Returns the geometry that a decoded frame declares.
    pub fn of_frame(frame: &Video) -> Self {
        let matrix = frame.side_data(side_data::Type::DisplayMatrix);
        Self {
            aspect: PixelAspect::of(frame.aspect_ratio()),
            orientation: matrix.and_then(|matrix| orientation_of(matrix.data())),
        }
    }
}

/// Returns the orientation that a display matrix of FFmpeg describes: nine numbers, of which the first two of each of
/// the first two rows transform x and y. Angles are rounded to quarter turns; `None` if it is no matrix.
pub fn orientation_of(matrix: &[u8]) -> Option<Orientation> {
    let number = |at: usize| {
        let bytes = matrix.get(at * 4..)?.first_chunk()?;
        Some(i64::from(i32::from_ne_bytes(*bytes)))
    };
    let (x_to_x, x_to_y, y_to_x, y_to_y) = (number(0)?, number(1)?, number(3)?, number(4)?);
    let straight = x_to_x.abs() + y_to_y.abs();
    let crossed = x_to_y.abs() + y_to_x.abs();
    let (rotation, flip) = if straight >= crossed {
        match (x_to_x < 0, y_to_y < 0) {
            (false, false) => (Rotation::None, None),
            (true, true) => (Rotation::Half, None),
            (true, false) => (Rotation::None, Some(Flip::Horizontal)),
            (false, true) => (Rotation::None, Some(Flip::Vertical)),
        }
    } else {
        match (x_to_y < 0, y_to_x < 0) {
            (false, true) => (Rotation::Right, None),
            (true, false) => (Rotation::Left, None),
            (false, false) => (Rotation::Right, Some(Flip::Horizontal)),
            (true, true) => (Rotation::Left, Some(Flip::Horizontal)),
        }
    };
    Some(Orientation { rotation, flip })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(width: u32, height: u32, size: Size) -> Size {
        PixelAspect::new(width, height).map_or(size, |aspect| aspect.square(size))
    }

    #[test]
    fn frames_of_television_get_square_pixels() {
        assert_eq!(square(16, 15, (720, 576)), (768, 576));
        assert_eq!(square(64, 45, (720, 576)), (1024, 576));
        assert_eq!(square(8, 9, (720, 480)), (640, 480));
        assert_eq!(square(32, 27, (720, 480)), (854, 480));
        assert_eq!(square(12, 11, (704, 576)), (768, 576));
        assert_eq!(square(4, 3, (1440, 1080)), (1920, 1080));
        assert_eq!(square(2, 1, (960, 1080)), (1920, 1080));
    }

    #[test]
    fn square_and_implausible_pixels_change_nothing() {
        for (width, height) in [(1, 1), (0, 1), (1, 0), (5, 1), (1, 5), (4320, 4319), (65_535, 1)] {
            assert_eq!(square(width, height, (1281, 721)), (1281, 721), "{width}:{height}");
        }
        assert_eq!(square(2, 1, (8000, 2)), (8000, 2), "too wide for H.264");
        assert_eq!(square(1, 4, (1, 1)), (1, 1));
        assert_eq!(square(u32::MAX, u32::MAX - 1, (u32::MAX, 1)), (u32::MAX, 1));
    }

    #[test]
    fn the_eight_orientations_are_recognised() {
        let one = 1 << 16;
        let orientation = |a: i32, b: i32, c: i32, d: i32| {
            let matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30];
            let bytes: Vec<u8> = matrix.into_iter().flat_map(i32::to_ne_bytes).collect();
            orientation_of(&bytes).map(|found| (found.rotation, found.flip))
        };
        assert_eq!(orientation(one, 0, 0, one), Some((Rotation::None, None)));
        assert_eq!(orientation(0, one, -one, 0), Some((Rotation::Right, None)));
        assert_eq!(orientation(-one, 0, 0, -one), Some((Rotation::Half, None)));
        assert_eq!(orientation(0, -one, one, 0), Some((Rotation::Left, None)));
        let horizontal = Some(Flip::Horizontal);
        assert_eq!(orientation(-one, 0, 0, one), Some((Rotation::None, horizontal)));
        assert_eq!(orientation(one, 0, 0, -one), Some((Rotation::None, Some(Flip::Vertical))));
        assert_eq!(orientation(0, one, one, 0), Some((Rotation::Right, horizontal)));
        assert_eq!(orientation(0, -one, -one, 0), Some((Rotation::Left, horizontal)));
        assert_eq!(orientation(0, 0, 0, 0), Some((Rotation::None, None)), "nothing declared");
        assert_eq!(orientation(46_341, 46_340, -46_340, 46_341), Some((Rotation::None, None)));
        assert_eq!(orientation_of(&[0; 16]), None);
    }
}
