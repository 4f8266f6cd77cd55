//! Rotated and mirrored: for a camera that hangs from the ceiling, stands on its side, or looks into a mirror.

use std::fmt;
use std::str::FromStr;

use opencv::core::{
    Mat, ROTATE_90_CLOCKWISE, ROTATE_90_COUNTERCLOCKWISE, ROTATE_180, flip, rotate,
};

use super::Size;

/// How pictures are turned: first rotated, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// By how much, clockwise.
    pub rotation: Rotation,
    /// Left and right, or top and bottom, change places.
    pub flip: Option<Flip>,
}

/// By how much a picture is rotated, clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// By a quarter.
    Right,
    /// By half a turn.
    Half,
    /// By three quarters.
    Left,
}

/// What changes places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
}

/// A text that is no rotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rotation: 0, 90, 180 and 270 degrees are possible")]
pub struct InvalidRotation(String);

/// A text that is no flip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no flip: horizontal and vertical are possible")]
pub struct InvalidFlip(String);

impl Turn {
    /// Whether pictures stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The size of a picture once it is turned.
    pub fn size(&self, (width, height): Size) -> Size {
        match self.rotation {
            Rotation::None | Rotation::Half => (width, height),
            Rotation::Right | Rotation::Left => (height, width),
        }
    }

    /// Turns a picture, by way of another buffer that changes places with it.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn apply(&self, pixels: &mut Mat, other: &mut Mat) -> opencv::Result<()> {
        let code = match self.rotation {
            Rotation::None => None,
            Rotation::Right => Some(ROTATE_90_CLOCKWISE),
            Rotation::Half => Some(ROTATE_180),
            Rotation::Left => Some(ROTATE_90_COUNTERCLOCKWISE),
        };
        if let Some(code) = code {
            rotate(pixels, other, code)?;
            std::mem::swap(pixels, other);
        }
        // OpenCV counts axes: 0 is that from left to right, about which top and bottom change places.
        let axis = match self.flip {
            None => return Ok(()),
            Some(Flip::Horizontal) => 1,
            Some(Flip::Vertical) => 0,
        };
        flip(pixels, other, axis)?;
        std::mem::swap(pixels, other);
        Ok(())
    }
}

impl FromStr for Rotation {
    type Err = InvalidRotation;

    fn from_str(text: &str) -> Result<Self, InvalidRotation> {
        Ok(match text {
            "0" => Self::None,
            "90" => Self::Right,
            "180" => Self::Half,
            "270" => Self::Left,
            _ => return Err(InvalidRotation(text.chars().take(20).collect())),
        })
    }
}

impl FromStr for Flip {
    type Err = InvalidFlip;

    fn from_str(text: &str) -> Result<Self, InvalidFlip> {
        Ok(match text {
            "horizontal" => Self::Horizontal,
            "vertical" => Self::Vertical,
            _ => return Err(InvalidFlip(text.chars().take(20).collect())),
        })
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "0",
            Self::Right => "90",
            Self::Half => "180",
            Self::Left => "270",
        })
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, MatTraitConstManual, MatTraitManual, Scalar, Vec3b};

    use super::*;
    use crate::pixels::size_of;

    /// Two rows of three pixels, numbered row by row, and turned.
    fn turned(rotation: &str, flip: Option<&str>) -> (Size, Vec<u8>) {
        let mut pixels = Mat::new_rows_cols_with_default(2, 3, CV_8UC3, Scalar::default()).unwrap();
        let numbered = pixels.data_typed_mut::<Vec3b>().unwrap().iter_mut().zip(1..);
        numbered.for_each(|(pixel, number)| *pixel = Vec3b::all(number));
        let flip = flip.map(|text| text.parse().unwrap());
        let turn = Turn { rotation: rotation.parse().unwrap(), flip };
        let size = turn.size(size_of(&pixels));
        turn.apply(&mut pixels, &mut Mat::default()).unwrap();
        assert_eq!(size_of(&pixels), size);
        (size, pixels.data_typed::<Vec3b>().unwrap().iter().map(|pixel| pixel[0]).collect())
    }

    #[test]
    fn pictures_are_turned_clockwise_and_then_mirrored() {
        assert_eq!(turned("0", None), ((3, 2), vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(turned("90", None), ((2, 3), vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(turned("180", None), ((3, 2), vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(turned("270", None), ((2, 3), vec![3, 6, 2, 5, 1, 4]));
        assert_eq!(turned("0", Some("horizontal")), ((3, 2), vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(turned("0", Some("vertical")), ((3, 2), vec![4, 5, 6, 1, 2, 3]));
        assert_eq!(turned("90", Some("horizontal")), ((2, 3), vec![1, 4, 2, 5, 3, 6]));
    }

    #[test]
    fn what_is_no_turn_is_refused_with_those_there_are() {
        assert!("45".parse::<Rotation>().unwrap_err().to_string().contains("270"));
        assert!("h".parse::<Flip>().unwrap_err().to_string().contains("vertical"));
    }
}
