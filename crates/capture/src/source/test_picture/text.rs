//! Writing on the test picture: letters by OpenCV, digits by copying ones painted before.

use opencv::core::{Mat, MatTraitConst, Point, Rect, Scalar};
use opencv::imgproc::{self, LINE_AA};

use super::card::{FACE, INK, PANEL};
use super::{plain, within};

/// What a clock and a counter are made of.
const CHARACTERS: &str = "0123456789:.";
/// Height of a capital of OpenCV's Hershey faces at scale 1, in pixels.
const CAPITAL: f64 = 21.0;

/// Digits of one height, each as a small picture.
#[derive(Debug)]
pub(super) struct Digits {
    pictures: Vec<(char, Mat)>,
    height: i32,
}

impl Digits {
    /// Paints them, `height` pixels high.
    pub(super) fn new(height: i32) -> opencv::Result<Self> {
        let digit_width = width("0", height)?;
        let picture = |character: char| {
            // Marks are narrower; digits all alike, so that the text does not tremble.
            let cell = if character.is_ascii_digit() { digit_width } else { digit_width / 2 };
            let mut picture = plain(cell.max(1), height * 3 / 2, PANEL)?;
            let text = character.to_string();
            let left = (cell - width(&text, height)?) / 2;
            write(&mut picture, &text, (left, height * 5 / 4), height, INK)?;
            Ok((character, picture))
        };
        let pictures = CHARACTERS.chars().map(picture).collect::<opencv::Result<_>>()?;
        Ok(Self { pictures, height })
    }

    /// Writes text that ends at this place; leaves out what it has no picture of and what does not fit.
    pub(super) fn write(
        &self,
        text: &str,
        (right, foot): (i32, i32),
        onto: &mut Mat,
    ) -> opencv::Result<()> {
        let mut x = right;
        for character in text.chars().rev() {
            let Some((_, picture)) = self.pictures.iter().find(|(c, _)| *c == character) else {
                continue;
            };
            x -= picture.cols();
            let place = Rect::new(x, foot - self.height * 5 / 4, picture.cols(), picture.rows());
            if within(place, onto) == Some(place) {
                picture.copy_to(&mut Mat::roi_mut(onto, place)?)?;
            }
        }
        Ok(())
    }
}

/// How wide text of this height is, in pixels.
pub(super) fn width(text: &str, height: i32) -> opencv::Result<i32> {
    let mut below = 0;
    Ok(imgproc::get_text_size(text, FACE, scale(height), thickness(height), &mut below)?.width)
}

/// Writes text from this place on, smaller where it would be wider than `room`.
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
        FACE,
        scale(height),
        colour,
        thickness(height),
        LINE_AA,
        false,
    )
}

fn scale(height: i32) -> f64 {
    f64::from(height) / CAPITAL
}

fn thickness(height: i32) -> i32 {
    (height / 14).max(1)
}
