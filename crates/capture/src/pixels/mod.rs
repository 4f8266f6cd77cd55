//! Pixel operations between a source and its encoders. They know neither.
//!
//! - [`convert`]: from a codec's pixel format to OpenCV's;
//! - [`colours`]: by which matrix and over which range YUV pixels were computed;
//! - [`geometry`]: square pixels and the orientation that a source declares;
//! - [`decode`]: from a camera's JPEG to pixels, no larger than needed;
//! - [`scale`]: to the size of a rendition;
//! - [`orientation`]: rotation and mirroring;
//! - [`overlay`]: name and time written into the frame.

pub mod colours;
pub mod convert;
pub mod decode;
pub mod geometry;
pub mod orientation;
pub mod overlay;
pub mod scale;

use opencv::core::{Mat, MatTraitConst};

/// Width and height in pixels.
pub type Size = (u32, u32);

/// Returns the size of a frame.
pub fn size_of(pixels: &Mat) -> Size {
    (pixels.cols() as u32, pixels.rows() as u32)
}
