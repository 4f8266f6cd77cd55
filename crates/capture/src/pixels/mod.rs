//! What is done with pixels between a source and its encoders. Knows neither.
//!
//! - [`convert`]: from a codec's colours to OpenCV's;
//! - [`decode`]: a camera's JPEG to pixels, no larger than needed;
//! - [`scale`]: to the size of a rendition;
//! - [`turn`]: rotated and mirrored;
//! - [`overlay`]: name and time written into them.

pub mod convert;
pub mod decode;
pub mod orientation;
pub mod overlay;
pub mod scale;

use opencv::core::{Mat, MatTraitConst};

/// Width and height in pixels.
pub type Size = (u32, u32);

/// The size of a picture.
pub fn size_of(pixels: &Mat) -> Size {
    (pixels.cols() as u32, pixels.rows() as u32)
}
