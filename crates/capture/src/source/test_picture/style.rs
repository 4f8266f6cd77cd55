//! Colours and font of the test picture.

use opencv::core::Scalar;
use opencv::imgproc::FONT_HERSHEY_DUPLEX;

use crate::pixels::colours::Matrix;
use crate::pixels::image::{NEUTRAL, Plane};

/// The background of text. Plain, so that digits can be copied over each other.
pub(super) const PANEL: Scalar = bgr(0x11, 0x18, 0x21);
/// The foreground.
pub(super) const INK: Scalar = bgr(0xe8, 0xe4, 0xd8);
/// The font of all text.
pub(super) const FONT: i32 = FONT_HERSHEY_DUPLEX;

/// Returns a colour in OpenCV's order, blue first.
pub(super) const fn bgr(red: u8, green: u8, blue: u8) -> Scalar {
    Scalar::new(blue as f64, green as f64, red as f64, 0.0)
}

/// Returns the level of a colour, blue first, in one plane of an image in the colours of a JPEG.
pub(super) fn level(colour: Scalar, plane: Plane) -> Scalar {
    let [blue, green, red, _] = colour.0.map(|value| value / 255.0);
    let [luma, blue, red] = Matrix::Bt601.yuv([red, green, blue]);
    let level = match plane {
        Plane::Luma => luma * 255.0,
        Plane::Blue => f64::from(NEUTRAL) + blue * 255.0,
        Plane::Red => f64::from(NEUTRAL) + red * 255.0,
    };
    Scalar::all(level.round())
}
