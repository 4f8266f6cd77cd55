//! Scaling to the size of a rendition.

use opencv::core::Mat;
use opencv::imgproc::{INTER_AREA, resize};

use super::Size;
use super::image::{Image, Plane};

/// Scales down. Every pixel of the result is the mean of the pixels that it covers, so that fine patterns do not
/// flicker. The image `spare` may be overwritten.
///
/// # Errors
/// Fails if there is not enough memory.
pub fn scale(
    image: &Image,
    target: Size,
    into: &mut Image,
    spare: &mut Image,
) -> opencv::Result<()> {
    // OpenCV halves in a fraction of the time that it needs for a quarter. The mean of equally weighted means is the
    // same.
    let (width, height) = image.size();
    if width == 4 * target.0 && height == 4 * target.1 {
        resize_to(image, (width / 2, height / 2), spare)?;
        return resize_to(spare, target, into);
    }
    resize_to(image, target, into)
}

fn resize_to(image: &Image, target: Size, into: &mut Image) -> opencv::Result<()> {
    into.reshape(target, image.colours())?;
    for plane in Plane::ALL {
        let (area, into_area) = (image.area(plane), into.area(plane));
        let (from, mut into) = (image.plane(plane)?, into.plane_mut(plane)?);
        let from = Mat::roi(&from, area)?;
        let mut into = Mat::roi_mut(&mut into, into_area)?;
        resize(&from, &mut into, into_area.size(), 0.0, 0.0, INTER_AREA)?;
    }
    into.pad();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::colours::Colours;

    fn noise(size: Size) -> Image {
        let mut noise = Image::filled(size, Colours::JFIF, [0; 3]).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        noise.planes_mut().into_iter().flatten().for_each(|byte| *byte = random.u8(..));
        noise.pad();
        noise
    }

    fn scaled(image: &Image, target: Size) -> Image {
        let mut into = Image::default();
        scale(image, target, &mut into, &mut Image::default()).unwrap();
        assert_eq!((into.size(), into.colours()), (target, image.colours()));
        into
    }

    #[test]
    fn halving_twice_equals_a_quarter() {
        let noise = noise((1280, 720));
        for target in [(640, 360), (320, 180), (480, 270)] {
            let mut direct = Image::default();
            resize_to(&noise, target, &mut direct).unwrap();
            let by_halves = scaled(&noise, target);
            let pairs = direct.bytes().iter().zip(by_halves.bytes());
            let max = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            // Each halving rounds.
            assert!(max <= 1, "{target:?}: {max}");
        }
    }

    /// The mean of the part of a plane that a pixel covers.
    fn mean(plane: &[u8], stride: usize, (width, height): Size, to: Size, at: Size) -> f64 {
        let span = |at: u32, of: u32, length: u32| {
            let scale = f64::from(length) / f64::from(of);
            let (start, end) = (f64::from(at) * scale, f64::from(at + 1) * scale);
            (0..length).map(move |i| (end.min(f64::from(i + 1)) - start.max(f64::from(i))).max(0.0))
        };
        let (mut sum, mut weights) = (0.0, 0.0);
        for (y, down) in span(at.1, to.1, height).enumerate().filter(|(_, share)| *share > 0.0) {
            for (x, right) in span(at.0, to.0, width).enumerate().filter(|(_, share)| *share > 0.0)
            {
                sum += f64::from(plane[y * stride + x]) * down * right;
                weights += down * right;
            }
        }
        sum / weights
    }

    #[test]
    fn each_pixel_of_each_plane_is_the_mean_of_what_it_covers_in_odd_sizes_too() {
        for (size, target) in [
            ((128, 96), (64, 48)),
            ((128, 96), (32, 24)),
            ((127, 95), (64, 48)),
            ((127, 95), (31, 23)),
            ((61, 33), (20, 11)),
            ((5, 3), (1, 1)),
        ] {
            let noise = noise(size);
            let small = scaled(&noise, target);
            for plane in Plane::ALL {
                let (from, to) = (plane.size(size), plane.size(target));
                let strides = [size, target].map(|size| plane.stored_size(size).0 as usize);
                let [large, small] = [&noise, &small].map(|image| image.planes()[plane as usize]);
                for (y, x) in (0..to.1).flat_map(|y| (0..to.0).map(move |x| (y, x))) {
                    let expected = mean(large, strides[0], from, to, (x, y));
                    let found = f64::from(small[y as usize * strides[1] + x as usize]);
                    assert!(
                        (found - expected).abs() <= 1.1,
                        "{size:?} {target:?} {plane:?} {x} {y}"
                    );
                }
            }
        }
    }
}
