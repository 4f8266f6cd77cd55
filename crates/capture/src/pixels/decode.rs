//! A JPEG to pixels. A JPEG decoder can give half, a quarter or an eighth of the size for a fraction of the work.

use opencv::core::{Mat, MatTraitConst};
use opencv::imgcodecs::{
    IMREAD_COLOR, IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_COLOR_2, IMREAD_REDUCED_COLOR_4,
    IMREAD_REDUCED_COLOR_8, imdecode_to,
};

use super::Size;

const REDUCTIONS: [(u32, i32); 3] =
    [(8, IMREAD_REDUCED_COLOR_8), (4, IMREAD_REDUCED_COLOR_4), (2, IMREAD_REDUCED_COLOR_2)];

/// Decodes a JPEG of this size into `pixels`, at a size that covers `wanted` and may be smaller than its own. As it is
/// stored: whoever is sent the JPEG itself sees it so, too.
///
/// # Errors
/// When it cannot be decoded.
pub fn decode(jpeg: &[u8], size: Size, wanted: Size, pixels: &mut Mat) -> opencv::Result<()> {
    let flags = reduction(size, wanted) | IMREAD_IGNORE_ORIENTATION;
    *pixels = imdecode_to(&Mat::from_slice(jpeg)?, flags, pixels)?;
    if pixels.empty() {
        let message = "the picture cannot be decoded".to_owned();
        return Err(opencv::Error::new(opencv::core::StsError, message));
    }
    Ok(())
}

fn reduction((width, height): Size, wanted: Size) -> i32 {
    let covers = |by: u32| width.div_ceil(by) >= wanted.0 && height.div_ceil(by) >= wanted.1;
    REDUCTIONS.iter().find(|(by, _)| covers(*by)).map_or(IMREAD_COLOR, |(_, flags)| *flags)
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Scalar, Vector};
    use opencv::imgcodecs::imencode;

    use super::*;
    use crate::pixels::size_of;

    #[test]
    fn no_more_is_decoded_than_is_wanted() {
        let grey = Mat::new_rows_cols_with_default(721, 1281, CV_8UC3, Scalar::all(90.0)).unwrap();
        let mut jpeg = Vector::<u8>::new();
        imencode(".jpg", &grey, &mut jpeg, &Vector::new()).unwrap();
        for (wanted, size) in [
            ((1281, 721), (1281, 721)),
            ((1000, 10), (1281, 721)),
            ((641, 361), (641, 361)),
            ((640, 360), (641, 361)),
            ((320, 180), (321, 181)),
            ((100, 50), (161, 91)),
        ] {
            let mut pixels = Mat::default();
            decode(jpeg.as_slice(), (1281, 721), wanted, &mut pixels).unwrap();
            assert_eq!(size_of(&pixels), size, "{wanted:?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        for rubbish in [&b"rubbish"[..], &[0xff, 0xd8, 0xff, 0xd9]] {
            assert!(decode(rubbish, (64, 48), (64, 48), &mut Mat::default()).is_err());
        }
    }
}
