//! The background of the test picture: all elements that never change.

use std::f64::consts::PI;

use fanlight_clock as clock;
use fanlight_protocol::StreamName;
use opencv::core::{Mat, MatTraitManual, Point, Scalar, Vector};
use opencv::imgproc::{self, LINE_AA};

use super::layout::{Layout, SUBPIXEL_BITS, plain, polar, within};
use super::style::{INK, PANEL, bgr};
use super::text;
use crate::wall_clock::Zone;

const LABEL: Scalar = bgr(0x7f, 0x8c, 0x9b);
const GRID: Scalar = bgr(0x24, 0x2f, 0x3b);
const TOP: [f64; 3] = [0x34 as f64, 0x28 as f64, 0x1d as f64];
const BOTTOM: [f64; 3] = [0x18 as f64, 0x11 as f64, 0x0c as f64];

/// The panes of the fanlight: the colours of a test card, in evening light.
const PANES: [Scalar; 7] = [
    bgr(0xc9, 0xc6, 0xbd),
    bgr(0xcd, 0xb4, 0x5b),
    bgr(0x5f, 0xb3, 0xb5),
    bgr(0x62, 0xa8, 0x6c),
    bgr(0xa8, 0x68, 0xa3),
    bgr(0xb9, 0x5a, 0x55),
    bgr(0x55, 0x72, 0xb8),
];

/// Paints the background.
pub(super) fn paint(layout: &Layout, name: &StreamName) -> opencv::Result<Mat> {
    let mut image = plain(layout.width as u32, layout.height as u32, PANEL)?;
    gradient(&mut image)?;
    grid(&mut image, layout)?;
    fanlight(&mut image, layout)?;
    lower_panel(&mut image, layout)?;
    if layout.has_text() {
        labels(&mut image, layout, name)?;
    }
    Ok(image)
}

fn gradient(image: &mut Mat) -> opencv::Result<()> {
    let size = opencv::core::MatTraitConst::size(image)?;
    let row = size.width as usize * 3;
    for (y, line) in image.data_bytes_mut()?.chunks_exact_mut(row).enumerate() {
        let down = y as f64 / f64::from(size.height);
        let mix = |at: usize| (TOP[at] + (BOTTOM[at] - TOP[at]) * down) as u8;
        line.as_chunks_mut().0.fill([mix(0), mix(1), mix(2)]);
    }
    Ok(())
}

fn grid(image: &mut Mat, layout: &Layout) -> opencv::Result<()> {
    let lines = |length: i32| {
        (1..).map(|n| layout.px(4.0 * f64::from(n))).take_while(move |&at| at < length)
    };
    for x in lines(layout.width) {
        line(image, (x, 0), (x, layout.height), GRID, 1)?;
    }
    for y in lines(layout.height) {
        line(image, (0, y), (layout.width, y), GRID, 1)?;
    }
    Ok(())
}

/// Paints a semicircular window over a door: seven panes around a hub.
fn fanlight(image: &mut Mat, layout: &Layout) -> opencv::Result<()> {
    let radius = f64::from(layout.radius());
    let pane = PI / PANES.len() as f64;
    for (at, &colour) in PANES.iter().enumerate() {
        let from = PI + pane * at as f64 + 0.022;
        let radii = (radius * 0.36, radius * 0.94);
        sector(image, layout.hub(), radii, (from, from + pane - 0.044), colour)?;
    }
    sector(image, layout.hub(), (0.0, radius * 0.28), (PI, 2.0 * PI), bgr(0x3a, 0x49, 0x5a))?;
    arc(image, layout.hub(), radius, layout.px(0.25).max(1))
}

/// Paints a sector of a ring, with angles clockwise from three o'clock.
fn sector(
    image: &mut Mat,
    hub: (i32, i32),
    (inner, outer): (f64, f64),
    (from, to): (f64, f64),
    colour: Scalar,
) -> opencv::Result<()> {
    const STEPS: i32 = 24;
    let angle = |step: i32| from + (to - from) * f64::from(step) / f64::from(STEPS);
    let there = (0..=STEPS).map(|step| polar(hub, outer, angle(step)));
    let back = (0..=STEPS).rev().map(|step| polar(hub, inner, angle(step)));
    let outline: Vector<Point> = there.chain(back).collect();
    let outlines = Vector::<Vector<Point>>::from_iter([outline]);
    imgproc::fill_poly(image, &outlines, colour, LINE_AA, SUBPIXEL_BITS, Point::new(0, 0))
}

fn arc(image: &mut Mat, hub: (i32, i32), radius: f64, thickness: i32) -> opencv::Result<()> {
    let axes = opencv::core::Size::new(radius as i32, radius as i32);
    let hub = Point::new(hub.0, hub.1);
    imgproc::ellipse(image, hub, axes, 0.0, 180.0, 360.0, LABEL, thickness, LINE_AA, 0)
}

/// Paints the sill of the window, and below it the panel for text.
fn lower_panel(image: &mut Mat, layout: &Layout) -> opencv::Result<()> {
    let (_, sill) = layout.hub();
    let below = opencv::core::Rect::new(0, sill, layout.width, layout.height - sill);
    if let Some(below) = within(below, image) {
        imgproc::rectangle(image, below, PANEL, imgproc::FILLED, imgproc::LINE_8, 0)?;
    }
    line(image, (0, sill), (layout.width, sill), LABEL, layout.px(0.2).max(1))
}

fn labels(image: &mut Mat, layout: &Layout, name: &StreamName) -> opencv::Result<()> {
    let room = layout.width / 2 - layout.px(2.0);
    let (left, baseline) = (layout.px(1.0), layout.bottom_y(7.6));
    text::write_within(image, name.as_str(), (left, baseline), layout.px(2.6), room, INK)?;
    let small = layout.px(0.85);
    let room = layout.px(30.0);
    let label = |units: f64, height: i32| layout.bottom_y(units) - height - layout.px(0.6);
    let digits = layout.digit_height();
    let zone = Zone::Local.offset(clock::now());
    for (text, baseline) in [("FRAME", label(2.0, digits)), (&zone, label(7.6, digits))] {
        let width = text::width(text, small)?;
        text::write_within(
            image,
            text,
            (layout.right_x(2.0) - width, baseline),
            small,
            room,
            LABEL,
        )?;
    }
    Ok(())
}

fn line(
    image: &mut Mat,
    from: (i32, i32),
    to: (i32, i32),
    colour: Scalar,
    thickness: i32,
) -> opencv::Result<()> {
    let (from, to) = (Point::new(from.0, from.1), Point::new(to.0, to.1));
    imgproc::line(image, from, to, colour, thickness, LINE_AA, 0)
}
