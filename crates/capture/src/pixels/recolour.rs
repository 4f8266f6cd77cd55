//! Conversion between colours: to those of a JPEG, or of H.264. Luma and chroma stay luma and chroma.
//!
//! Both sides are linear in red, green and blue, so three numbers become luma, and two become each component of chroma,
//! whose value does not depend on luma. No number changes by more than a quarter, so what is added to it fits in 16 bits:
//! compilers turn these loops into vector instructions of every processor. The result is exact to one level.

use super::colours::Colours;
use super::image::{Image, NEUTRAL, Plane};

/// Bits after the binary point of a factor.
const BITS: u32 = 8;
/// Half of a level, so that sums are rounded.
const HALF: i16 = 1 << (BITS - 1);

/// A conversion between two colours.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Conversion {
    /// Black before, and the level added to luma.
    black: i16,
    offset: i16,
    /// The shares of luma and of both components of chroma that are added to luma.
    luma: [i16; 3],
    /// The shares of a component of chroma and of the other one that are added to it.
    blue: [i16; 2],
    red: [i16; 2],
}

/// Converts an image to other colours.
///
/// # Errors
/// Fails if there is not enough memory.
pub fn recolour(image: &Image, colours: Colours, into: &mut Image) -> opencv::Result<()> {
    into.reshape(image.size(), colours)?;
    let conversion = Conversion::new(image.colours(), colours);
    let size = image.size();
    let row_of = |plane: Plane| plane.stored_size(size).0.max(1) as usize;
    let (row, half) = (row_of(Plane::Luma), row_of(Plane::Blue));
    let [luma, blue, red] = image.planes();
    let [into_luma, into_blue, into_red] = into.planes_mut();
    let chroma = blue.chunks_exact(half).zip(red.chunks_exact(half));
    let into_chroma = into_blue.chunks_exact_mut(half).zip(into_red.chunks_exact_mut(half));
    let pairs = luma.chunks_exact(2 * row).zip(into_luma.chunks_exact_mut(2 * row));
    let mut tint = vec![0; row];
    for ((luma, into_luma), (chroma, into_chroma)) in pairs.zip(chroma.zip(into_chroma)) {
        conversion.chroma(chroma, into_chroma);
        conversion.tint(chroma, &mut tint);
        let rows = luma.chunks_exact(row).zip(into_luma.chunks_exact_mut(row));
        rows.for_each(|(luma, into_luma)| conversion.luma(luma, &tint, into_luma));
    }
    Ok(())
}

impl Conversion {
    fn new(from: Colours, to: Colours) -> Self {
        let [of_blue, of_red] = from.matrix.rgb_of_chroma().map(|rgb| to.matrix.yuv(rgb));
        let (from_levels, to_levels) = (Levels::of(from), Levels::of(to));
        let tint = to_levels.luma / from_levels.chroma;
        let chroma = to_levels.chroma / from_levels.chroma;
        Self {
            black: from_levels.black,
            offset: to_levels.black - from_levels.black,
            luma: [to_levels.luma / from_levels.luma - 1.0, of_blue[0] * tint, of_red[0] * tint]
                .map(factor),
            blue: [of_blue[1] * chroma - 1.0, of_red[1] * chroma].map(factor),
            red: [of_red[2] * chroma - 1.0, of_blue[2] * chroma].map(factor),
        }
    }

    /// Converts a row of both components of chroma.
    fn chroma(&self, (blue, red): (&[u8], &[u8]), (into_blue, into_red): (&mut [u8], &mut [u8])) {
        convert_chroma((blue, red), self.blue, into_blue);
        convert_chroma((red, blue), self.red, into_red);
    }

    /// Computes what chroma adds to a row of luma, for each pixel.
    fn tint(&self, (blue, red): (&[u8], &[u8]), tint: &mut [i16]) {
        let [_, of_blue, of_red] = self.luma;
        let pairs = tint.as_chunks_mut::<2>().0.iter_mut();
        for ((pair, blue), red) in pairs.zip(blue).zip(red) {
            *pair = [coloured(*blue) * of_blue + coloured(*red) * of_red + HALF; 2];
        }
    }

    /// Converts a row of luma.
    fn luma(&self, luma: &[u8], tint: &[i16], into: &mut [u8]) {
        let (black, offset, [of_luma, ..]) = (self.black, self.offset, self.luma);
        for ((into, luma), tint) in into.iter_mut().zip(luma).zip(tint) {
            let luma = i16::from(*luma);
            *into = level(luma + offset + (((luma - black) * of_luma + tint) >> BITS));
        }
    }
}

/// Converts a row of a component of chroma, to which shares of itself and of the other one are added.
fn convert_chroma((own, other): (&[u8], &[u8]), [of_own, of_other]: [i16; 2], into: &mut [u8]) {
    for ((into, own), other) in into.iter_mut().zip(own).zip(other) {
        let sum = coloured(*own) * of_own + coloured(*other) * of_other + HALF;
        *into = level(i16::from(*own) + (sum >> BITS));
    }
}

/// The levels of 8 bits.
struct Levels {
    black: i16,
    /// From black to white.
    luma: f64,
    /// From the lowest to the highest chroma.
    chroma: f64,
}

impl Levels {
    fn of(colours: Colours) -> Self {
        match colours.full_range {
            true => Self { black: 0, luma: 255.0, chroma: 255.0 },
            false => Self { black: 16, luma: 219.0, chroma: 224.0 },
        }
    }
}

fn factor(value: f64) -> i16 {
    (value * f64::from(1 << BITS)).round() as i16
}

/// Returns by how much a component of chroma differs from grey.
fn coloured(chroma: u8) -> i16 {
    i16::from(chroma) - i16::from(NEUTRAL)
}

fn level(value: i16) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::colours::Matrix;

    const MATRICES: [Matrix; 5] =
        [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Fcc, Matrix::Smpte240m];

    fn all_colours() -> impl Iterator<Item = Colours> {
        let ranges = [false, true];
        ranges
            .into_iter()
            .flat_map(|full_range| MATRICES.map(|matrix| Colours { matrix, full_range }))
    }

    /// Luma and chroma of red, green and blue, by the definition of the matrix and the range.
    fn yuv(rgb: [u8; 3], colours: Colours) -> [u8; 3] {
        let [luma, blue, red] = colours.matrix.yuv(rgb.map(|value| f64::from(value) / 255.0));
        let levels = Levels::of(colours);
        let [blue, red] = [blue, red].map(|value| 128.0 + value * levels.chroma);
        let luma = f64::from(levels.black) + luma * levels.luma;
        [luma, blue, red].map(|value| value.round().clamp(0.0, 255.0) as u8)
    }

    proptest! {
        #[test]
        fn every_colour_keeps_its_red_green_and_blue(
            rgb in any::<[u8; 3]>(),
            size in (1..40_u32, 1..8_u32),
        ) {
            let mut into = Image::default();
            for (from, to) in all_colours().flat_map(|from| all_colours().map(move |to| (from, to))) {
                let image = Image::filled(size, from, yuv(rgb, from)).unwrap();
                recolour(&image, to, &mut into).unwrap();
                prop_assert_eq!((into.size(), into.colours()), (size, to));
                for (plane, expected) in into.planes().into_iter().zip(yuv(rgb, to)) {
                    // The range and the matrix enlarge the error of rounding.
                    let off = plane.iter().map(|value| value.abs_diff(expected)).max();
                    prop_assert!(off <= Some(2), "{:?} {:?}: {:?}, not {}", from, to, plane, expected);
                }
            }
        }
    }

    #[test]
    fn each_pixel_has_the_chroma_above_it() {
        let from = Colours { matrix: Matrix::Bt709, full_range: false };
        let mut image = Image::filled((5, 3), from, yuv([0; 3], from)).unwrap();
        let red = yuv([200, 40, 40], from);
        // The last column and row of an odd image.
        let [luma, blue, of_red] = image.planes_mut();
        (luma[2 * 6 + 4], blue[5], of_red[5]) = (red[0], red[1], red[2]);
        image.pad();
        let mut into = Image::default();
        recolour(&image, Colours::JFIF, &mut into).unwrap();
        let [luma, blue, of_red] = into.planes();
        let expected = yuv([200, 40, 40], Colours::JFIF);
        let off = [luma[16], blue[5], of_red[5]].into_iter().zip(expected);
        assert!(off.map(|(one, other)| one.abs_diff(other)).max() <= Some(1));
        assert!(luma[..16].iter().all(|&value| value <= 1));
    }
}
