//! The colours of YUV pixels: by which matrix they were computed from red, green and blue, and over which range.

use std::fmt;

use fanlight_codec::h264::MAX_SDTV_HEIGHT;
use ffmpeg_next::ffi;
use ffmpeg_next::util::color::{Range, Space};

use super::Size;

/// A matrix and a range. The default is [`Colours::JFIF`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    /// The matrix.
    pub matrix: Matrix,
    /// True if black is 0 and white is 255 (in 8 bits), not 16 and 235.
    pub full_range: bool,
}

impl Default for Colours {
    fn default() -> Self {
        Self::JFIF
    }
}

/// Colours, and whether the source states them. Otherwise they are the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedColours {
    /// The colours.
    pub colours: Colours,
    /// True if the source states the matrix.
    pub is_stated: bool,
}

/// The matrix that converts red, green and blue to luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: JPEG, webcams and television before HDTV.
    Bt601,
    /// ITU-R BT.709: HDTV and most IP cameras.
    Bt709,
    /// ITU-R BT.2020: UHDTV.
    Bt2020,
    /// FCC: historical, nearly BT.601.
    Fcc,
    /// SMPTE 240M: historical, nearly BT.709.
    Smpte240m,
}

impl Matrix {
    /// Returns the matrix that a source states, or else the usual one for frames of this size.
    pub fn of(stated: Space, size: Size) -> Self {
        match stated {
            Space::BT709 => Self::Bt709,
            Space::BT2020NCL | Space::BT2020CL => Self::Bt2020,
            Space::FCC => Self::Fcc,
            Space::SMPTE240M => Self::Smpte240m,
            Space::Unspecified if size.1 > MAX_SDTV_HEIGHT => Self::Bt709,
            _ => Self::Bt601,
        }
    }

    /// Returns the matrix of a number in H.264's table E-5, or else the usual one for frames of this size.
    pub fn of_h264(stated: Option<u8>, size: Size) -> Self {
        let stated = match stated {
            Some(1) => Space::BT709,
            Some(4) => Space::FCC,
            Some(7) => Space::SMPTE240M,
            Some(9 | 10) => Space::BT2020NCL,
            Some(_) => Space::SMPTE170M,
            None => Space::Unspecified,
        };
        Self::of(stated, size)
    }

    /// Returns the shares of red, green and blue in luma.
    fn luma_shares(self) -> [f64; 3] {
        let (red, blue) = match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Fcc => (0.30, 0.11),
            Self::Smpte240m => (0.212, 0.087),
        };
        [red, 1.0 - red - blue, blue]
    }

    /// Returns luma and both components of chroma (of blue and of red) of a colour. All sides are 0 to 1, chroma is -0.5
    /// to 0.5.
    pub(crate) fn yuv(self, [red, green, blue]: [f64; 3]) -> [f64; 3] {
        let [of_red, of_green, of_blue] = self.luma_shares();
        let luma = of_red * red + of_green * green + of_blue * blue;
        [luma, (blue - luma) / (1.0 - of_blue) / 2.0, (red - luma) / (1.0 - of_red) / 2.0]
    }

    /// Returns the red, green and blue of each component of chroma (of blue and of red) where luma is 0. The function
    /// [`Self::yuv`] is linear, so this is its inverse.
    pub(super) fn rgb_of_chroma(self) -> [[f64; 3]; 2] {
        let [of_red, of_green, of_blue] = self.luma_shares();
        let (red, blue) = (2.0 * (1.0 - of_red), 2.0 * (1.0 - of_blue));
        [[0.0, -of_blue * blue / of_green, blue], [red, -of_red * red / of_green, 0.0]]
    }

    /// Returns libswscale's number of the matrix.
    pub(super) fn swscale(self) -> i32 {
        match self {
            Self::Bt601 => ffi::SWS_CS_ITU601,
            Self::Bt709 => ffi::SWS_CS_ITU709,
            Self::Bt2020 => ffi::SWS_CS_BT2020,
            Self::Fcc => ffi::SWS_CS_FCC,
            Self::Smpte240m => ffi::SWS_CS_SMPTE240M,
        }
    }
}

impl Colours {
    /// The colours of every JPEG (JPEG File Interchange Format).
    pub const JFIF: Self = Self { matrix: Matrix::Bt601, full_range: true };

    /// Returns the colours that a source states, or else the usual ones for frames of this size.
    pub fn of(matrix: Space, range: Range, size: Size) -> Self {
        Self { matrix: Matrix::of(matrix, size), full_range: range == Range::JPEG }
    }
}

impl StatedColours {
    /// Returns the colours that a source states, or else the usual ones for frames of this size.
    pub fn of(matrix: Space, range: Range, size: Size) -> Self {
        let colours = Colours::of(matrix, range, size);
        Self { colours, is_stated: matrix != Space::Unspecified }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bt601 => "BT.601",
            Self::Bt709 => "BT.709",
            Self::Bt2020 => "BT.2020",
            Self::Fcc => "FCC",
            Self::Smpte240m => "SMPTE 240M",
        })
    }
}

impl fmt::Display for Colours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = if self.full_range { "full" } else { "limited" };
        write!(f, "{}, {range} range", self.matrix)
    }
}

impl fmt::Display for StatedColours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.is_stated { "" } else { " (matrix not stated, assumed by the size)" };
        write!(f, "{}{origin}", self.colours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unstated_matrix_is_that_of_the_size() {
        assert_eq!(Matrix::of(Space::Unspecified, (720, 576)), Matrix::Bt601);
        assert_eq!(Matrix::of(Space::Unspecified, (1280, 720)), Matrix::Bt709);
        assert_eq!(Matrix::of(Space::SMPTE170M, (1280, 720)), Matrix::Bt601);
        assert_eq!(Matrix::of(Space::BT709, (320, 240)), Matrix::Bt709);
    }

    /// Numbers of the recommendations: BT.601-7, 2.5; BT.709-6, 3.2 and 3.3; BT.2020-2, table 4.
    #[test]
    fn luma_and_chroma_are_those_of_the_recommendations() {
        for (matrix, luma, blue, red) in [
            (Matrix::Bt601, 0.299, 1.772, 1.402),
            (Matrix::Bt709, 0.2126, 1.8556, 1.5748),
            (Matrix::Bt2020, 0.2627, 1.8814, 1.4746),
        ] {
            let is = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
            let [y, cb, cr] = matrix.yuv([1.0, 0.0, 0.0]);
            assert!(
                is(y, luma) && is(cb, -luma / blue) && is(cr, 0.5),
                "{matrix:?}: {y} {cb} {cr}"
            );
            assert!(is((1.0 - luma) / cr, red));
            for (chroma, rgb) in
                [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].iter().zip(matrix.rgb_of_chroma())
            {
                let back = matrix.yuv(rgb);
                assert!(back.iter().zip(chroma).all(|(&one, &other)| is(one, other)), "{back:?}");
            }
        }
    }

    #[test]
    fn the_numbers_of_h264_are_those_of_ffmpeg() {
        for (number, space) in [
            (1, Space::BT709),
            (4, Space::FCC),
            (5, Space::BT470BG),
            (6, Space::SMPTE170M),
            (7, Space::SMPTE240M),
            (9, Space::BT2020NCL),
            (10, Space::BT2020CL),
        ] {
            let size = (1280, 720);
            assert_eq!(Matrix::of_h264(Some(number), size), Matrix::of(space, size), "{number}");
        }
        assert_eq!(Matrix::of_h264(None, (64, 48)), Matrix::Bt601);
    }
}
