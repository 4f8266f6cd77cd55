//! To the size of a rendition.

use opencv::core::Mat;
use opencv::imgproc::{INTER_AREA, resize};

use super::{Size, size_of};

/// Scales down. Every pixel of the result is the mean of those it stands for, so that fine patterns do not shimmer.
///
/// # Errors
/// When there is no memory for it.
pub fn scale(pixels: &Mat, wanted: Size, into: &mut Mat) -> opencv::Result<()> {
    // To halve costs OpenCV a fraction of what a quarter does. The mean of means is the same where all count alike.
    let (width, height) = size_of(pixels);
    if width == 4 * wanted.0 && height == 4 * wanted.1 {
        let mut half = Mat::default();
        resize_to(pixels, (width / 2, height / 2), &mut half)?;
        return resize_to(&half, wanted, into);
    }
    resize_to(pixels, wanted, into)
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
    fn a_quarter_by_halves_is_the_same_picture() {
        let mut noise =
            Mat::new_rows_cols_with_default(720, 1280, CV_8UC3, Scalar::all(0.0)).unwrap();
        opencv::core::set_rng_seed(7).unwrap();
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
        for wanted in [(640, 360), (320, 180), (480, 270)] {
            let (mut at_once, mut by_halves) = (Mat::default(), Mat::default());
            resize_to(&noise, wanted, &mut at_once).unwrap();
            scale(&noise, wanted, &mut by_halves).unwrap();
            assert_eq!(size_of(&by_halves), wanted);
            let pairs = at_once.data_bytes().unwrap().iter().zip(by_halves.data_bytes().unwrap());
            let most = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            // Each halving rounds.
            assert!(most <= 1, "{wanted:?}: {most}");
        }
    }
}
