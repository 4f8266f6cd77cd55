//! YUV frames of a webcam. OpenCV would convert them to red, green and blue, and those of every camera as BT.601 with
//! limited range. Capture cards for HDMI, for example, deliver BT.709.

use std::fmt;
use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::util::color::{Range, Space};

use super::v4l2::{CurrentFormat, Device};
use crate::pixels::colours::StatedColours;
use crate::pixels::convert::Converter;
use crate::pixels::{Image, Size};
use crate::source::error::SourceError;

/// A plane in the bytes of a frame: its number in FFmpeg's order, bytes in a row per pixel of width, and rows per pixel
/// of height, both as numerator and denominator.
type Plane = (usize, (u32, u32), (u32, u32));

/// The formats that OpenCV delivers unconverted, in the order of their bytes.
const FORMATS: [(&str, Pixel, &[Plane]); 6] = [
    ("YUYV", Pixel::YUYV422, &[(0, (2, 1), (1, 1))]),
    ("UYVY", Pixel::UYVY422, &[(0, (2, 1), (1, 1))]),
    ("NV12", Pixel::NV12, &[(0, (1, 1), (1, 1)), (1, (1, 1), (1, 2))]),
    ("NV21", Pixel::NV21, &[(0, (1, 1), (1, 1)), (1, (1, 1), (1, 2))]),
    ("YU12", Pixel::YUV420P, &[(0, (1, 1), (1, 1)), (1, (1, 2), (1, 2)), (2, (1, 2), (1, 2))]),
    ("YV12", Pixel::YUV420P, &[(0, (1, 1), (1, 1)), (2, (1, 2), (1, 2)), (1, (1, 2), (1, 2))]),
];

/// The frames of one camera.
pub(super) struct RawFrames {
    planes: &'static [Plane],
    size: Size,
    /// Reused for each frame.
    frame: Video,
    converter: Converter,
}

impl RawFrames {
    /// Returns the frames of a camera with a known format; `None` if OpenCV must convert them.
    pub(super) fn of(device: &Path) -> Option<Self> {
        let format = Device::open(device).and_then(|device| device.current_format()).ok()?;
        Self::new(&format)
    }

    fn new(format: &CurrentFormat) -> Option<Self> {
        let (space, range) = colours(format);
        let size @ (width, height) = (format.width, format.height);
        let (_, pixel, planes) = FORMATS.into_iter().find(|(name, ..)| *name == format.fourcc)?;
        // OpenCV copies neither gaps between rows nor odd sizes correctly.
        let row = planes.first().map(|(_, (bytes, _), _)| width * bytes)?;
        let is_plain = format.row == row && width.is_multiple_of(2) && height.is_multiple_of(2);
        (is_plain && width > 0 && height > 0).then(|| {
            let mut frame = Video::new(pixel, width, height);
            frame.set_color_space(space);
            frame.set_color_range(range);
            Self { planes, size, frame, converter: Converter::default() }
        })
    }

    /// Returns the colours of the frames.
    pub(super) fn colours(&self) -> StatedColours {
        StatedColours::of(self.frame.color_space(), self.frame.color_range(), self.size)
    }

    /// Converts the bytes of a frame.
    ///
    /// # Errors
    /// Fails if there are too few bytes, or not enough memory.
    pub(super) fn convert(&mut self, bytes: &[u8], image: &mut Image) -> Result<(), SourceError> {
        let (width, height) = self.size;
        let mut rest = bytes;
        for &(plane, (bytes, per), (rows, each)) in self.planes {
            let row = (width * bytes / per) as usize;
            let length = row * (height * rows / each) as usize;
            let Some((plane_bytes, after)) = rest.split_at_checked(length) else {
                return Err(SourceError::NotAVideo("the camera sent a damaged frame".into()));
            };
            let stride = self.frame.stride(plane);
            let into = self.frame.data_mut(plane).chunks_mut(stride);
            into.zip(plane_bytes.chunks(row))
                .for_each(|(into, from)| into[..row].copy_from_slice(from));
            rest = after;
        }
        Ok(self.converter.convert(&self.frame, self.size, image)?)
    }
}

/// Returns matrix and range of a format. The colour space decides if the driver states neither (the macros
/// `V4L2_MAP_YCBCR_ENC_DEFAULT` and `V4L2_MAP_QUANTIZATION_DEFAULT` of `linux/videodev2.h`).
fn colours(format: &CurrentFormat) -> (Space, Range) {
    const SMPTE_240M: u32 = 2;
    const REC_709: u32 = 3;
    const JPEG: u32 = 7;
    const BT_2020: u32 = 10;
    const DCI_P3: u32 = 12;
    let space = match (format.encoding, format.colour_space) {
        (2 | 4, _) | (0, REC_709 | DCI_P3) => Space::BT709,
        (6 | 7, _) | (0, BT_2020) => Space::BT2020NCL,
        (8, _) | (0, SMPTE_240M) => Space::SMPTE240M,
        _ => Space::SMPTE170M,
    };
    let range = match (format.quantization, format.colour_space) {
        (1, _) | (0, JPEG) => Range::JPEG,
        _ => Range::MPEG,
    };
    (space, range)
}

impl fmt::Debug for RawFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFrames").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::colours::{Colours, Matrix};
    use crate::pixels::image::Plane;
    use crate::pixels::recolour::recolour;

    const WIDTH: u32 = 64;
    const HEIGHT: u32 = 48;

    /// V4L2's numbers of the matrices, with the shares of red and blue in their luma (ITU-R BT.601, BT.709, BT.2020).
    const MATRICES: [(u32, f64, f64); 3] =
        [(1, 0.299, 0.114), (2, 0.2126, 0.0722), (6, 0.2627, 0.0593)];

    fn format(fourcc: &str, encoding: u32, quantization: u32) -> CurrentFormat {
        CurrentFormat {
            fourcc: fourcc.into(),
            width: WIDTH,
            height: HEIGHT,
            row: if fourcc.ends_with("12") || fourcc == "NV21" { WIDTH } else { 2 * WIDTH },
            colour_space: 8,
            encoding,
            quantization,
        }
    }

    /// Luma and chroma of a colour of red, green and blue.
    fn yuv(rgb: [f64; 3], (red, blue): (f64, f64), full_range: bool) -> [u8; 3] {
        let luma = red * rgb[0] + (1.0 - red - blue) * rgb[1] + blue * rgb[2];
        let chroma = [(rgb[2] - luma) / (1.0 - blue) / 2.0, (rgb[0] - luma) / (1.0 - red) / 2.0];
        let (black, luma_range, chroma_range) =
            if full_range { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
        let [cb, cr] = chroma.map(|value| (128.0 + value / 255.0 * chroma_range).round() as u8);
        [(black + luma / 255.0 * luma_range).round() as u8, cb, cr]
    }

    /// A frame of one colour.
    fn bytes(fourcc: &str, [y, u, v]: [u8; 3]) -> Vec<u8> {
        let pixels = (WIDTH * HEIGHT) as usize;
        let planes = |first: &[u8], second: &[u8]| {
            [vec![y; pixels], first.repeat(pixels / 4), second.repeat(pixels / 4)].concat()
        };
        match fourcc {
            "YUYV" => [y, u, y, v].repeat(pixels / 2),
            "UYVY" => [u, y, v, y].repeat(pixels / 2),
            "NV12" => planes(&[u, v], &[]),
            "NV21" => planes(&[v, u], &[]),
            "YU12" => planes(&[u], &[v]),
            _ => planes(&[v], &[u]),
        }
    }

    #[test]
    fn every_matrix_range_and_format_has_its_colours() {
        for (fourcc, ..) in FORMATS {
            for (encoding, red, blue) in MATRICES {
                for full_range in [false, true] {
                    let format = format(fourcc, encoding, if full_range { 1 } else { 2 });
                    let mut frames = RawFrames::new(&format).unwrap();
                    for rgb in [[200, 40, 40], [40, 200, 40], [40, 40, 200], [250, 250, 250]] {
                        let yuv = yuv(rgb.map(f64::from), (red, blue), full_range);
                        let (mut image, mut shown) = (Image::default(), Image::default());
                        frames.convert(&bytes(fourcc, yuv), &mut image).unwrap();
                        assert_eq!(image.colours().full_range, full_range);
                        recolour(&image, Colours::JFIF, &mut shown).unwrap();
                        let found = Plane::ALL.map(|plane| shown.planes()[plane as usize][100]);
                        let expected = self::yuv(rgb.map(f64::from), (0.299, 0.114), true);
                        let off = found.into_iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
                        assert!(off <= Some(2), "{format:?}: {found:?} for {expected:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_driver_leaves_open_follows_from_its_colour_space() {
        for (colour_space, matrix, full_range) in [
            (1, Matrix::Bt601, false),
            (3, Matrix::Bt709, false),
            (7, Matrix::Bt601, true),
            (8, Matrix::Bt601, false),
            (10, Matrix::Bt2020, false),
        ] {
            let (space, range) = colours(&CurrentFormat { colour_space, ..format("YUYV", 0, 0) });
            let found = Colours::of(space, range, (1280, 720));
            assert_eq!(found, Colours { matrix, full_range }, "{colour_space}");
        }
    }

    #[test]
    fn opencv_converts_what_it_alone_can_read() {
        assert!(RawFrames::new(&format("BA81", 2, 1)).is_none());
        assert!(RawFrames::new(&CurrentFormat { row: 160, ..format("YUYV", 2, 1) }).is_none());
        let mut frames = RawFrames::new(&format("YUYV", 2, 1)).unwrap();
        let short = frames.convert(&[0; 100], &mut Image::default());
        assert!(matches!(short, Err(SourceError::NotAVideo(_))));
    }
}
