//! Scaling to the size of a rendition.

use opencv::core::Mat;
use opencv::imgproc::{INTER_AREA, resize};

use super::{Size, size_of};

/// Scales down. Every pixel of the result is the mean of the pixels that it covers, so that fine patterns do not
/// flicker.
///
/// # Errors
/// Fails if there is not enough memory.
pub fn scale(pixels: &Mat, target: Size, into: &mut Mat) -> opencv::Result<()> {
    // OpenCV halves in a fraction of the time that it needs for a quarter. The mean of equally weighted means is the
    // same.
    let (width, height) = size_of(pixels);
    if width == 4 * target.0 && height == 4 * target.1 {
        let mut half = Mat::default();
        resize_to(pixels, (width / 2, height / 2), &mut half)?;
        return resize_to(&half, target, into);
    }
    resize_to(pixels, target, into)
}

fn resize_to(pixels: &Mat, (width, height): Size, into: &mut Mat) -> opencv::Result<()> {
    let size = opencv::core::Size::new(width as i32, height as i32);
    resize(pixels, into, size, 0.0, 0.0, INTER_AREA)
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, MatTraitConstManual as _, Scalar};

    use super::*;

    #[test]
    fn halving_twice_equals_a_quarter() {
        let mut noise =
            Mat::new_rows_cols_with_default(720, 1280, CV_8UC3, Scalar::all(0.0)).unwrap();
        opencv::core::set_rng_seed(7).unwrap();
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
        for target in [(640, 360), (320, 180), (480, 270)] {
            let (mut direct, mut by_halves) = (Mat::default(), Mat::default());
            resize_to(&noise, target, &mut direct).unwrap();
            scale(&noise, target, &mut by_halves).unwrap();
            assert_eq!(size_of(&by_halves), target);
            let pairs = direct.data_bytes().unwrap().iter().zip(by_halves.data_bytes().unwrap());
            let max = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            // Each halving rounds.
            assert!(max <= 1, "{target:?}: {max}");
        }
    }
}
