//! To the size of a rendition.

use opencv::core::Mat;
use opencv::imgproc::{INTER_AREA, resize};

use super::Size;

/// Scales down. Every pixel of the result is the mean of those it stands for, so that fine patterns do not shimmer.
///
/// # Errors
/// When there is no memory for it.
pub fn scale(pixels: &Mat, (width, height): Size, into: &mut Mat) -> opencv::Result<()> {
    let size = opencv::core::Size::new(width as i32, height as i32);
    resize(pixels, into, size, 0.0, 0.0, INTER_AREA)
}
