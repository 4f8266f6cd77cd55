//! A picture this program makes itself: a fanlight under a wandering beam, the stream's name, the time of day and the
//! frame's number for people, and the same number and time as a [`Timecode`] for programs.
//!
//! - `card`: all that never changes, painted once;
//! - `beam`: what moves;
//! - `text`: digits, painted once and then copied.

mod beam;
mod card;
mod text;

use std::time::Instant;

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamName, Timestamp};
use fanlight_timecode::Timecode;
use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitManual, Rect, Scalar};

use super::mode::Mode;
use super::pacing::Schedule;
use super::{About, Grabbed, Source, SourceError};
use crate::frame::Picture;
use crate::frame::latest::Buffers;
use crate::wall_clock::Zone;
use beam::Beam;
use text::Digits;

/// What a block of the stamp is painted in: the ends of video range, which survive any conversion.
const WHITE: [u8; 3] = [235; 3];
const BLACK: [u8; 3] = [16; 3];

/// The test picture as a source.
#[derive(Debug)]
pub struct TestPicture {
    about: About,
    schedule: Schedule,
    stop: Shutdown,
    painter: Painter,
    /// The picture grabbed: its number and time.
    grabbed: Timecode,
}

impl TestPicture {
    /// Begins with number 0, now.
    ///
    /// # Errors
    /// When OpenCV cannot paint the background, for want of memory.
    pub fn new(name: &StreamName, mode: Mode, stop: Shutdown) -> Result<Self, SourceError> {
        let about = About {
            description: format!("test picture {mode}"),
            interval: Some(mode.interval()),
            recorded: false,
        };
        let grabbed = Timecode { number: 0, time: Timestamp::default() };
        let painter = Painter::new(name, mode)?;
        let schedule = Schedule::new(Instant::now(), mode.fps);
        Ok(Self { about, schedule, stop, painter, grabbed })
    }
}

impl Source for TestPicture {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let (number, due, skipped) = self.schedule.next(Instant::now());
        if super::sleep_until(due, &self.stop) {
            return Err(SourceError::Stopped);
        }
        let captured_at = clock::at(due);
        self.grabbed = Timecode { number: number as u32, time: captured_at };
        Ok(Some(Grabbed { captured_at, skipped }))
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        let mut buffer = buffers.take();
        self.painter.paint(self.grabbed, &mut buffer)?;
        Ok(Picture::Pixels(buffer))
    }

    fn can_pause(&self) -> bool {
        true
    }

    fn resume(&mut self) {
        self.schedule.resume(Instant::now());
    }
}

/// Paints test pictures of one size.
#[derive(Debug)]
struct Painter {
    card: Mat,
    beam: Beam,
    /// None where the picture is too small to be read anyway.
    digits: Option<Digits>,
    layout: Layout,
}

impl Painter {
    fn new(name: &StreamName, mode: Mode) -> opencv::Result<Self> {
        let layout = Layout::new(mode.width, mode.height);
        let digits = layout.has_text().then(|| Digits::new(layout.digit_height())).transpose()?;
        let card = card::paint(&layout, name)?;
        Ok(Self { card, beam: Beam::new(&layout), digits, layout })
    }

    fn paint(&self, stamp: Timecode, pixels: &mut Mat) -> opencv::Result<()> {
        self.card.copy_to(pixels)?;
        self.beam.paint(stamp.time, pixels)?;
        if let Some(digits) = &self.digits {
            digits.write(&Zone::Local.time_of_day(stamp.time), self.layout.time_at(), pixels)?;
            digits.write(&format!("{:08}", stamp.number), self.layout.number_at(), pixels)?;
        }
        self.paint_stamp(stamp, pixels)
    }

    fn paint_stamp(&self, stamp: Timecode, pixels: &mut Mat) -> opencv::Result<()> {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let bytes = pixels.data_bytes_mut()?;
        for block in stamp.blocks(width, height) {
            let colour = if block.white { WHITE } else { BLACK };
            for y in block.y..block.y + block.height {
                let from = (y * width + block.x) * 3;
                bytes[from..from + block.width * 3].as_chunks_mut().0.fill(colour);
            }
        }
        Ok(())
    }
}

/// Where things stand in a picture of one size.
#[derive(Debug, Clone, Copy)]
struct Layout {
    width: i32,
    height: i32,
    /// A stamp's block: the unit of all distances, at most what the height allows.
    unit: f64,
}

impl Layout {
    fn new(width: u32, height: u32) -> Self {
        let unit = f64::from(width).min(f64::from(height) * 16.0 / 9.0) / 64.0;
        Self { width: width as i32, height: height as i32, unit }
    }

    /// Below it, letters are smaller than can be read.
    fn has_text(&self) -> bool {
        self.unit >= 2.5
    }

    /// Pixels of so many units, from the left or top.
    fn px(&self, units: f64) -> i32 {
        (units * self.unit).round() as i32
    }

    /// Pixels of so many units, from the right edge.
    fn off_right(&self, units: f64) -> i32 {
        self.width - self.px(units)
    }

    /// Pixels of so many units, from the bottom edge.
    fn off_bottom(&self, units: f64) -> i32 {
        self.height - self.px(units)
    }

    /// The middle of the fanlight's sill.
    fn hub(&self) -> (i32, i32) {
        (self.width / 2, self.off_bottom(13.0))
    }

    /// The fanlight's outer radius.
    fn radius(&self) -> i32 {
        self.px(17.5)
    }

    fn digit_height(&self) -> i32 {
        self.px(2.2).max(4)
    }

    /// Right end and foot of the time of day.
    fn time_at(&self) -> (i32, i32) {
        (self.off_right(2.0), self.off_bottom(7.6))
    }

    /// Right end and foot of the frame's number.
    fn number_at(&self) -> (i32, i32) {
        (self.off_right(2.0), self.off_bottom(2.0))
    }
}

/// A picture in one colour.
fn plain(width: i32, height: i32, colour: Scalar) -> opencv::Result<Mat> {
    Mat::new_rows_cols_with_default(height, width, CV_8UC3, colour)
}

/// The part of `rect` that lies within the picture; none where nothing does.
fn within(rect: Rect, pixels: &Mat) -> Option<Rect> {
    let inside = rect & Rect::new(0, 0, pixels.cols(), pixels.rows());
    (inside.width > 0 && inside.height > 0).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opencv::core::{MatTraitConstManual, Size, Vector};
    use opencv::{imgcodecs, imgproc};

    fn painter(mode: &str) -> Painter {
        Painter::new(&"front-door".parse().unwrap(), mode.parse().unwrap()).unwrap()
    }

    fn read(pixels: &Mat) -> Option<Timecode> {
        let bytes = pixels.data_bytes().unwrap();
        let (width, height) = (pixels.cols() as usize, pixels.rows() as usize);
        Timecode::read(width, height, |x, y| bytes[(y * width + x) * 3 + 1])
    }

    fn through_jpeg(pixels: &Mat, quality: i32) -> Mat {
        let mut jpeg = Vector::new();
        let quality = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, quality]);
        imgcodecs::imencode(".jpg", pixels, &mut jpeg, &quality).unwrap();
        imgcodecs::imdecode(&jpeg, imgcodecs::IMREAD_COLOR).unwrap()
    }

    fn quartered(pixels: &Mat) -> Mat {
        let mut small = Mat::default();
        let size = Size::new(pixels.cols() / 4, pixels.rows() / 4);
        imgproc::resize(pixels, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA).unwrap();
        small
    }

    #[test]
    fn the_stamp_reads_after_jpeg_and_quartering_and_jpeg_again() {
        let painter = painter("1280x720@30");
        for number in [0, 1, 4711, u32::MAX] {
            let stamp = Timecode { number, time: Timestamp::from_micros(1_700_000_000_123_456) };
            let mut pixels = Mat::default();
            painter.paint(stamp, &mut pixels).unwrap();
            let jpeg = through_jpeg(&pixels, 80);
            assert_eq!(read(&jpeg), Some(stamp));
            assert_eq!(read(&through_jpeg(&quartered(&jpeg), 80)), Some(stamp));
        }
    }

    #[test]
    fn every_size_can_be_painted() {
        for mode in ["16x16@1", "16x8192@1", "8192x16@1", "128x96@1", "333x217@1", "640x480@1"] {
            let mut pixels = Mat::default();
            let stamp = Timecode { number: 7, time: Timestamp::from_micros(1) };
            painter(mode).paint(stamp, &mut pixels).unwrap();
            let size = mode.parse::<Mode>().unwrap();
            assert_eq!((pixels.cols() as u32, pixels.rows() as u32), (size.width, size.height));
        }
    }

    #[test]
    fn the_picture_moves() {
        let painter = painter("320x180@30");
        let at = |micros| {
            let mut pixels = Mat::default();
            let stamp = Timecode { number: 0, time: Timestamp::from_micros(micros) };
            painter.paint(stamp, &mut pixels).unwrap();
            pixels.data_bytes().unwrap()[..320 * 120 * 3].to_vec()
        };
        assert_ne!(at(1_000_000), at(1_200_000));
    }
}
