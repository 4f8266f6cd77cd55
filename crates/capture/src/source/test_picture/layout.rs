//! The layout of the test picture.

use opencv::core::{CV_8UC3, Mat, MatTraitConst, Point, Rect, Scalar};

/// Fractional bits of coordinates, so that edges are smooth and moving elements move smoothly.
pub(super) const SUBPIXEL_BITS: i32 = 4;

/// The positions of all elements for one frame size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// The size of a timecode block, limited by the height: the unit of all distances.
    unit: f64,
}

impl Layout {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let unit = f64::from(width).min(f64::from(height) * 16.0 / 9.0) / 64.0;
        Self { width: width as i32, height: height as i32, unit }
    }

    /// Returns whether text would be large enough to read.
    pub(super) fn has_text(&self) -> bool {
        self.unit >= 2.5
    }

    /// Converts units to pixels.
    pub(super) fn px(&self, units: f64) -> i32 {
        (units * self.unit).round() as i32
    }

    /// Returns the x coordinate at this distance from the right edge.
    pub(super) fn right_x(&self, units: f64) -> i32 {
        self.width - self.px(units)
    }

    /// Returns the y coordinate at this distance from the bottom edge.
    pub(super) fn bottom_y(&self, units: f64) -> i32 {
        self.height - self.px(units)
    }

    /// Returns the centre of the fanlight's sill.
    pub(super) fn hub(&self) -> (i32, i32) {
        (self.width / 2, self.bottom_y(13.0))
    }

    /// Returns the fanlight's outer radius.
    pub(super) fn radius(&self) -> i32 {
        self.px(17.5)
    }

    pub(super) fn digit_height(&self) -> i32 {
        self.px(2.2).max(4)
    }

    /// Returns the right end and baseline of the time of day.
    pub(super) fn time_at(&self) -> (i32, i32) {
        (self.right_x(2.0), self.bottom_y(7.6))
    }

    /// Returns the right end and baseline of the frame number.
    pub(super) fn number_at(&self) -> (i32, i32) {
        (self.right_x(2.0), self.bottom_y(2.0))
    }
}

/// Returns the point at this distance and angle, clockwise from three o'clock, in units of 1/16 pixel.
pub(super) fn polar((x, y): (i32, i32), radius: f64, angle: f64) -> Point {
    let at = |centre: i32, part: f64| ((f64::from(centre) + radius * part) * 16.0).round() as i32;
    Point::new(at(x, angle.cos()), at(y, angle.sin()))
}

/// Returns an image in one colour.
pub(super) fn plain(width: u32, height: u32, colour: Scalar) -> opencv::Result<Mat> {
    Mat::new_rows_cols_with_default(height as i32, width as i32, CV_8UC3, colour)
}

/// Returns the part of `rect` that is within the image, if any.
pub(super) fn within(rect: Rect, pixels: &impl MatTraitConst) -> Option<Rect> {
    let inside = rect & Rect::new(0, 0, pixels.cols(), pixels.rows());
    (inside.width > 0 && inside.height > 0).then_some(inside)
}
