//! Rotation and mirroring, for a camera that hangs from the ceiling, stands on its side, or looks into a mirror.

use std::fmt;
use std::str::FromStr;

use opencv::boxed_ref::{BoxedRef, BoxedRefMut};
use opencv::core::{
    Mat, ROTATE_90_CLOCKWISE, ROTATE_90_COUNTERCLOCKWISE, ROTATE_180, flip, rotate,
};

use super::Size;
use super::image::{Image, Plane};

/// The orientation of frames: they are first rotated, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// The rotation.
    pub rotation: Rotation,
    /// The mirroring, if any.
    pub flip: Option<Flip>,
}

/// A clockwise rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// No rotation.
    #[default]
    None,
    /// 90 degrees.
    Right,
    /// 180 degrees.
    Half,
    /// 270 degrees.
    Left,
}

/// A mirroring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Left and right are swapped.
    Horizontal,
    /// Top and bottom are swapped.
    Vertical,
}

/// An error for a text that is no rotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rotation: write 0, 90, 180 or 270")]
pub struct InvalidRotation(String);

/// An error for a text that is no flip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no flip: write horizontal or vertical")]
pub struct InvalidFlip(String);

impl Orientation {
    /// Returns whether frames stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the size of a frame after the change of orientation.
    pub fn size(&self, (width, height): Size) -> Size {
        match self.rotation {
            Rotation::None | Rotation::Half => (width, height),
            Rotation::Right | Rotation::Left => (height, width),
        }
    }

    /// Changes the orientation of a frame. The buffer `spare` is used, and may be swapped with `image`.
    ///
    /// # Errors
    /// Fails if there is not enough memory.
    pub fn apply(&self, image: &mut Image, spare: &mut Image) -> opencv::Result<()> {
        let code = match self.rotation {
            Rotation::None => None,
            Rotation::Right => Some(ROTATE_90_CLOCKWISE),
            Rotation::Half => Some(ROTATE_180),
            Rotation::Left => Some(ROTATE_90_COUNTERCLOCKWISE),
        };
        if let Some(code) = code {
            each_plane(image, self.size(image.size()), spare, |from, into| {
                rotate(from, into, code)
            })?;
        }
        // OpenCV expects the axis: 0 is the horizontal one, around which top and bottom are swapped.
        let axis = match self.flip {
            None => return Ok(()),
            Some(Flip::Horizontal) => 1,
            Some(Flip::Vertical) => 0,
        };
        each_plane(image, image.size(), spare, |from, into| flip(from, into, axis))
    }
}

/// Changes each plane to one of another size. The result is swapped with `spare`.
fn each_plane(
    image: &mut Image,
    size: Size,
    spare: &mut Image,
    change: impl Fn(&BoxedRef<'_, Mat>, &mut BoxedRefMut<'_, Mat>) -> opencv::Result<()>,
) -> opencv::Result<()> {
    spare.reshape(size, image.colours())?;
    for plane in Plane::ALL {
        let (area, into_area) = (image.area(plane), spare.area(plane));
        let (from, mut into) = (image.plane(plane)?, spare.plane_mut(plane)?);
        let from = Mat::roi(&from, area)?;
        change(&from, &mut Mat::roi_mut(&mut into, into_area)?)?;
    }
    spare.pad();
    std::mem::swap(image, spare);
    Ok(())
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
    use super::*;
    use crate::pixels::colours::Colours;

    /// Returns two rows of three pixels, numbered row by row, after the change of orientation.
    fn oriented(rotation: &str, flip: Option<&str>) -> (Size, Vec<u8>) {
        let orientation = orientation(rotation, flip);
        let mut image = Image::filled((3, 2), Colours::JFIF, [0; 3]).unwrap();
        image.planes_mut()[0].copy_from_slice(&[1, 2, 3, 0, 4, 5, 6, 0]);
        let size = orientation.size(image.size());
        orientation.apply(&mut image, &mut Image::default()).unwrap();
        assert_eq!(image.size(), size);
        let (row, length) = (size.0.next_multiple_of(2) as usize, size.0 as usize);
        let rows = image.planes()[0].chunks(row).take(size.1 as usize);
        (size, rows.flat_map(|row| row[..length].to_vec()).collect())
    }

    fn orientation(rotation: &str, flip: Option<&str>) -> Orientation {
        let flip = flip.map(|text| text.parse().unwrap());
        Orientation { rotation: rotation.parse().unwrap(), flip }
    }

    #[test]
    fn chroma_has_the_orientation_of_luma() {
        let mut image = Image::filled((4, 2), Colours::JFIF, [0; 3]).unwrap();
        let [_, blue, red] = image.planes_mut();
        blue.copy_from_slice(&[1, 2]);
        red.copy_from_slice(&[3, 4]);
        orientation("90", Some("vertical")).apply(&mut image, &mut Image::default()).unwrap();
        assert_eq!(image.size(), (2, 4));
        assert_eq!(image.planes()[1..], [[2, 1], [4, 3]]);
    }

    #[test]
    fn frames_are_rotated_clockwise_and_then_mirrored() {
        assert_eq!(oriented("0", None), ((3, 2), vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(oriented("90", None), ((2, 3), vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(oriented("180", None), ((3, 2), vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(oriented("270", None), ((2, 3), vec![3, 6, 2, 5, 1, 4]));
        assert_eq!(oriented("0", Some("horizontal")), ((3, 2), vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(oriented("0", Some("vertical")), ((3, 2), vec![4, 5, 6, 1, 2, 3]));
        assert_eq!(oriented("90", Some("horizontal")), ((2, 3), vec![1, 4, 2, 5, 3, 6]));
    }

    #[test]
    fn an_unknown_orientation_is_refused_with_the_known_ones() {
        assert!("45".parse::<Rotation>().unwrap_err().to_string().contains("270"));
        assert!("h".parse::<Flip>().unwrap_err().to_string().contains("vertical"));
    }
}
