//! Colours and font of the test picture.

use opencv::core::Scalar;
use opencv::imgproc::FONT_HERSHEY_DUPLEX;

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
