//! The moving element of the test picture: a beam that swings over the panes and back in six seconds.

use std::f64::consts::{FRAC_PI_2, TAU};

use fanlight_protocol::Timestamp;
use opencv::core::Scalar;
use opencv::imgproc::{self, LINE_AA};

use super::layout::{Layout, SUBPIXEL_BITS, polar};
use super::style::{INK, level};
use crate::pixels::Image;

const PERIOD_MICROS: u64 = 6_000_000;
/// The largest angle on either side of noon.
const SWING: f64 = 1.48;
const SHADOW: Scalar = Scalar::new(24.0, 17.0, 12.0, 0.0);

#[derive(Debug)]
pub(super) struct Beam {
    hub: (i32, i32),
    radius: f64,
    thickness: i32,
}

impl Beam {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            hub: layout.hub(),
            radius: f64::from(layout.radius()),
            thickness: layout.px(0.3).max(1),
        }
    }

    /// Paints the beam. Its angle follows the time, not the frame number, so that it is the same in all streams.
    pub(super) fn paint(&self, time: Timestamp, image: &mut Image) -> opencv::Result<()> {
        let phase = (time.micros() % PERIOD_MICROS) as f64 / PERIOD_MICROS as f64;
        let angle = -FRAC_PI_2 + SWING * (phase * TAU).sin();
        let (from, to) =
            (polar(self.hub, self.radius * 0.28, angle), polar(self.hub, self.radius, angle));
        image.paint(|plane, pixels| {
            let part = plane.divisor();
            let (from, to, ink) = (from / part, to / part, level(INK, plane));
            let mut stroke = |colour: Scalar, thickness: i32| {
                let thickness = (thickness + part - 1) / part;
                imgproc::line(pixels, from, to, colour, thickness, LINE_AA, SUBPIXEL_BITS)
            };
            stroke(level(SHADOW, plane), self.thickness * 3)?;
            stroke(ink, self.thickness)?;
            let knob = ((self.thickness * 2 + 1) << SUBPIXEL_BITS) / part;
            imgproc::circle(pixels, to, knob, ink, imgproc::FILLED, LINE_AA, SUBPIXEL_BITS)
        })
    }
}
