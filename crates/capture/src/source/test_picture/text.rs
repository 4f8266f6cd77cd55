//! Text on the test picture: OpenCV paints letters, and digits are copied from images.

use opencv::core::{Mat, MatTraitConst, Point, Rect, Scalar};
use opencv::imgproc::{self, LINE_AA};

use super::layout::{plain, within};
use super::style::{FONT, INK, PANEL};
use crate::pixels::Image;
use crate::pixels::bgr::BgrConverter;

/// The characters of a clock and a counter.
const CHARACTERS: &str = "0123456789:.";
/// The height of a capital letter in OpenCV's Hershey fonts at scale 1, in pixels.
const CAPITAL_HEIGHT: f64 = 21.0;

/// Digits of one height, each as a small image.
#[derive(Debug)]
pub(super) struct Digits {
    images: Vec<(char, Image)>,
    height: i32,
}

impl Digits {
    /// Paints the digits, `height` pixels high.
    pub(super) fn new(height: i32) -> opencv::Result<Self> {
        let (digit_width, mut converter) = (width("0", height)?, BgrConverter::default());
        let even = |side: i32| side.max(1) as u32 + side.max(1) as u32 % 2;
        let image = |character: char| {
            // Digits have one width, so that the text does not move; punctuation is narrower.
            let cell = if character.is_ascii_digit() { digit_width } else { digit_width / 2 };
            let mut pixels = plain(even(cell), even(height * 3 / 2), PANEL)?;
            let text = character.to_string();
            let left = (cell - width(&text, height)?) / 2;
            write(&mut pixels, &text, (left, height * 5 / 4), height, INK)?;
            let mut image = Image::default();
            converter.convert(&pixels, &mut image)?;
            Ok((character, image))
        };
        let images = CHARACTERS.chars().map(image).collect::<opencv::Result<_>>()?;
        Ok(Self { images, height })
    }

    /// Writes text that ends at this position. Skips other characters, and those that do not fit.
    pub(super) fn write(
        &self,
        text: &str,
        (right, baseline): (i32, i32),
        onto: &mut Image,
    ) -> opencv::Result<()> {
        // At even positions, where pixels of chroma begin.
        let (mut x, y) = (right & !1, (baseline - self.height * 5 / 4) & !1);
        for character in text.chars().rev() {
            let Some((_, image)) = self.images.iter().find(|(c, _)| *c == character) else {
                continue;
            };
            x -= image.size().0 as i32;
            copy(image, (x, y), onto)?;
        }
        Ok(())
    }
}

/// Copies an image to this position, if it fits there.
fn copy(image: &Image, (x, y): (i32, i32), onto: &mut Image) -> opencv::Result<()> {
    onto.paint(|plane, pixels| {
        let part = plane.divisor();
        let from = image.plane(plane)?;
        let area = Rect::new(x / part, y / part, from.cols(), from.rows());
        match within(area, pixels) == Some(area) {
            true => from.copy_to(&mut Mat::roi_mut(pixels, area)?),
            false => Ok(()),
        }
    })
}

/// Returns the width of text of this height, in pixels.
pub(super) fn width(text: &str, height: i32) -> opencv::Result<i32> {
    let mut below = 0;
    Ok(imgproc::get_text_size(text, FONT, scale(height), thickness(height), &mut below)?.width)
}

/// Writes text from this position on, in a smaller size if it would be wider than `room`.
pub(super) fn write_within(
    onto: &mut Mat,
    text: &str,
    at: (i32, i32),
    height: i32,
    room: i32,
    colour: Scalar,
) -> opencv::Result<()> {
    let wide = width(text, height)?;
    let height = if wide > room { height * room / wide } else { height };
    write(onto, text, at, height.max(1), colour)
}

fn write(
    onto: &mut Mat,
    text: &str,
    (x, y): (i32, i32),
    height: i32,
    colour: Scalar,
) -> opencv::Result<()> {
    imgproc::put_text(
        onto,
        text,
        Point::new(x, y),
        FONT,
        scale(height),
        colour,
        thickness(height),
        LINE_AA,
        false,
    )
}

fn scale(height: i32) -> f64 {
    f64::from(height) / CAPITAL_HEIGHT
}

fn thickness(height: i32) -> i32 {
    (height / 14).max(1)
}
