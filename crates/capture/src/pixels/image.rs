//! A raw image: a plane of luma and two of chroma, which are half as wide and high (4:2:0), as JPEG and H.264 encode them.
//! From the decoder to the encoder, pixels have no other form.

use opencv::boxed_ref::{BoxedRef, BoxedRefMut};
use opencv::core::{Mat, Rect, StsError, StsNoMem};

use super::Size;
use super::colours::Colours;

/// Largest number of pixels, so that a damaged header cannot take all memory. No camera has as many, and OpenCV has the
/// same limit.
const MAX_PIXELS: u64 = 1 << 30;

/// Chroma without a colour.
pub const NEUTRAL: u8 = 128;

/// The planes, in the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Luma.
    Luma,
    /// The chroma component of blue (Cb).
    Blue,
    /// The chroma component of red (Cr).
    Red,
}

impl Plane {
    /// All planes, in the order of their bytes.
    pub const ALL: [Self; 3] = [Self::Luma, Self::Blue, Self::Red];

    /// Returns by what coordinates of the image are divided in the plane.
    pub const fn divisor(self) -> i32 {
        match self {
            Self::Luma => 1,
            Self::Blue | Self::Red => 2,
        }
    }

    /// Returns the size of the plane in an image of this size.
    pub fn size(self, (width, height): Size) -> Size {
        match self {
            Self::Luma => (width, height),
            Self::Blue | Self::Red => (width.div_ceil(2), height.div_ceil(2)),
        }
    }

    /// Returns the size of the plane in memory. Luma has an even number of columns and rows there, as libjpeg-turbo
    /// requires; [`Image::pad`] fills the last ones.
    pub fn stored_size(self, (width, height): Size) -> Size {
        self.size((width.next_multiple_of(2), height.next_multiple_of(2)))
    }
}

/// A raw image. The planes follow each other without gaps.
#[derive(Debug, Default)]
pub struct Image {
    bytes: Vec<u8>,
    size: Size,
    colours: Colours,
}

impl Image {
    /// Returns an image of one colour, given as luma and both components of chroma.
    ///
    /// # Errors
    /// Fails if there is not enough memory.
    pub fn filled(size: Size, colours: Colours, colour: [u8; 3]) -> opencv::Result<Self> {
        let mut image = Self::default();
        image.reshape(size, colours)?;
        image.planes_mut().into_iter().zip(colour).for_each(|(plane, value)| plane.fill(value));
        Ok(image)
    }

    /// Changes size and colours. The content is then unspecified. Memory is kept if possible.
    ///
    /// # Errors
    /// Fails if the image has too many pixels, or if there is not enough memory.
    pub fn reshape(&mut self, size: Size, colours: Colours) -> opencv::Result<()> {
        let (width, height) = size;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let reason = format!("{width}x{height} has too many pixels");
            return Err(opencv::Error::new(StsError, reason));
        }
        let length = Plane::ALL.into_iter().map(|plane| stored_length(plane, size)).sum();
        let more = usize::saturating_sub(length, self.bytes.len());
        if self.bytes.try_reserve_exact(more).is_err() {
            let reason = format!("no memory for an image of {width}x{height}");
            return Err(opencv::Error::new(StsNoMem, reason));
        }
        self.bytes.resize(length, 0);
        (self.size, self.colours) = (size, colours);
        Ok(())
    }

    /// Copies another image, into the present memory if possible.
    ///
    /// # Errors
    /// Fails if there is not enough memory.
    pub fn copy_from(&mut self, other: &Self) -> opencv::Result<()> {
        self.reshape(other.size, other.colours)?;
        self.bytes.copy_from_slice(&other.bytes);
        Ok(())
    }

    /// Returns the size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns by which matrix and over which range luma and chroma were computed.
    pub fn colours(&self) -> Colours {
        self.colours
    }

    /// Returns the bytes of all planes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the planes as they are stored.
    pub fn planes(&self) -> [&[u8]; 3] {
        let (luma, chroma) = self.bytes.split_at(stored_length(Plane::Luma, self.size));
        let (blue, red) = chroma.split_at(chroma.len() / 2);
        [luma, blue, red]
    }

    /// Returns the planes as they are stored. After a change of luma, [`Image::pad`] must be called.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, chroma) = self.bytes.split_at_mut(stored_length(Plane::Luma, self.size));
        let (blue, red) = chroma.split_at_mut(chroma.len() / 2);
        [luma, blue, red]
    }

    /// Returns a plane as it is stored. Its part of [`Self::area`] belongs to the image.
    pub(crate) fn plane(&self, plane: Plane) -> opencv::Result<BoxedRef<'_, Mat>> {
        let (width, height) = plane.stored_size(self.size);
        let bytes = self.planes()[plane as usize];
        Mat::new_rows_cols_with_bytes::<u8>(height as i32, width as i32, bytes)
    }

    /// Returns a plane as it is stored, to be changed.
    pub(super) fn plane_mut(&mut self, plane: Plane) -> opencv::Result<BoxedRefMut<'_, Mat>> {
        let (width, height) = plane.stored_size(self.size);
        let [luma, blue, red] = self.planes_mut();
        let bytes = match plane {
            Plane::Luma => luma,
            Plane::Blue => blue,
            Plane::Red => red,
        };
        Mat::new_rows_cols_with_bytes_mut::<u8>(height as i32, width as i32, bytes)
    }

    /// Returns the part of a plane that belongs to the image.
    pub(super) fn area(&self, plane: Plane) -> Rect {
        let (width, height) = plane.size(self.size);
        Rect::new(0, 0, width as i32, height as i32)
    }

    /// Paints with OpenCV: `paint` gets one plane after the other. Coordinates are divided by its [`Plane::divisor`].
    ///
    /// # Errors
    /// Fails like `paint`.
    pub(crate) fn paint(
        &mut self,
        mut paint: impl FnMut(Plane, &mut BoxedRefMut<'_, Mat>) -> opencv::Result<()>,
    ) -> opencv::Result<()> {
        for plane in Plane::ALL {
            let area = self.area(plane);
            let mut stored = self.plane_mut(plane)?;
            paint(plane, &mut Mat::roi_mut(&mut stored, area)?)?;
        }
        self.pad();
        Ok(())
    }

    /// Repeats the last column and row of luma where an odd side is stored as an even one.
    pub fn pad(&mut self) {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let row = width.next_multiple_of(2);
        let [luma, ..] = self.planes_mut();
        if row > width {
            luma.chunks_exact_mut(row).for_each(|line| line[width] = line[width - 1]);
        }
        if !height.is_multiple_of(2) && row > 0 {
            luma.copy_within((height - 1) * row..height * row, height * row);
        }
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        (self.size, self.colours) == (other.size, other.colours) && self.bytes == other.bytes
    }
}

/// Returns the number of bytes of a plane in memory.
fn stored_length(plane: Plane, size: Size) -> usize {
    let (width, height) = plane.stored_size(size);
    width as usize * height as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sides_are_stored_as_even_ones() {
        for (size, luma, chroma) in [
            ((4, 2), 8, 2),
            ((3, 1), 8, 2),
            ((1, 1), 4, 1),
            ((5, 4), 24, 6),
            ((0, 0), 0, 0),
            ((0, 3), 0, 0),
        ] {
            let mut image = Image::filled(size, Colours::JFIF, [1, 2, 3]).unwrap();
            let lengths = image.planes().map(<[u8]>::len);
            assert_eq!(lengths, [luma, chroma, chroma], "{size:?}");
            image.pad();
            assert_eq!(image.bytes().len(), luma + 2 * chroma);
        }
    }

    #[test]
    fn the_last_column_and_row_are_repeated() {
        let mut image = Image::filled((3, 3), Colours::JFIF, [0; 3]).unwrap();
        let luma = [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0];
        image.planes_mut()[0].copy_from_slice(&luma);
        image.pad();
        assert_eq!(image.planes()[0], [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 7, 8, 9, 9]);
    }

    #[test]
    fn a_header_cannot_take_all_memory() {
        let refused = Image::default().reshape((0xffdc, 0xffdc), Colours::JFIF).unwrap_err();
        assert!(refused.message.contains("too many pixels"));
    }
}
