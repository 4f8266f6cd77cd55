//! The test picture: a fanlight under a moving beam, with the stream's name, the time of day and the frame number for
//! people, and the same number and time as a [`Timecode`] for programs.
//!
//! - `style`, `layout`: colours, font and positions;
//! - `text`: digits, painted once and then copied;
//! - `background`: all elements that never change, painted once;
//! - `beam`: the element that moves.

mod background;
mod beam;
mod layout;
mod style;
mod text;

use std::time::Instant;

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamName, Timestamp};
use fanlight_timecode::Timecode;
use opencv::core::{Mat, MatTraitConst, MatTraitManual};

use super::contract::{About, Grabbed, Source};
use super::error::SourceError;
use super::mode::Mode;
use super::pacing::{Schedule, sleep_until};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::pixels::bgr::BgrConverter;
use crate::wall_clock::Zone;
use beam::Beam;
use layout::Layout;
use text::Digits;

/// The colours of timecode blocks: the limits of the video range, which survive any conversion.
const WHITE: [u8; 3] = [235; 3];
const BLACK: [u8; 3] = [16; 3];

/// The test picture as a source.
#[derive(Debug)]
pub struct TestPicture {
    about: About,
    schedule: Schedule,
    stop: Shutdown,
    painter: Painter,
    /// The painted pixels. Reused for each frame.
    canvas: Mat,
    converter: BgrConverter,
    /// Number and time of the frame grabbed last.
    grabbed: Timecode,
}

impl TestPicture {
    /// Returns a source that starts now, with frame number 0.
    ///
    /// # Errors
    /// Fails if OpenCV has not enough memory to paint the background.
    pub fn new(name: &StreamName, mode: Mode, stop: Shutdown) -> Result<Self, SourceError> {
        let about = About {
            description: format!("test picture {mode}"),
            interval: Some(mode.interval()),
            recorded: false,
        };
        let grabbed = Timecode { number: 0, time: Timestamp::default() };
        let painter = Painter::new(name, mode)?;
        let schedule = Schedule::new(Instant::now(), mode.fps);
        let (canvas, converter) = (Mat::default(), BgrConverter::default());
        Ok(Self { about, schedule, stop, painter, canvas, converter, grabbed })
    }
}

impl Source for TestPicture {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let (number, due, skipped) = self.schedule.next(Instant::now());
        if sleep_until(due, &self.stop) {
            return Err(SourceError::Stopped);
        }
        let captured_at = clock::at(due);
        self.grabbed = Timecode { number: number as u32, time: captured_at };
        Ok(Some(Grabbed { captured_at, skipped }))
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        let mut image = buffers.take();
        self.painter.paint(self.grabbed, &mut self.canvas)?;
        self.converter.convert(&self.canvas, &mut image)?;
        Ok(FrameData::Pixels(image))
    }

    fn can_pause(&self) -> bool {
        true
    }

    fn resume(&mut self) {
        self.schedule.resume(Instant::now());
    }
}

/// Paints frames of one size.
#[derive(Debug)]
struct Painter {
    background: Mat,
    beam: Beam,
    /// `None` if the frame is too small for readable text.
    digits: Option<Digits>,
    layout: Layout,
}

impl Painter {
    fn new(name: &StreamName, mode: Mode) -> opencv::Result<Self> {
        let layout = Layout::new(mode.width, mode.height);
        let digits = layout.has_text().then(|| Digits::new(layout.digit_height())).transpose()?;
        let background = background::paint(&layout, name)?;
        Ok(Self { background, beam: Beam::new(&layout), digits, layout })
    }

    fn paint(&self, timecode: Timecode, pixels: &mut Mat) -> opencv::Result<()> {
        self.background.copy_to(pixels)?;
        self.beam.paint(timecode.time, pixels)?;
        if let Some(digits) = &self.digits {
            digits.write(&Zone::Local.time_of_day(timecode.time), self.layout.time_at(), pixels)?;
            digits.write(&format!("{:08}", timecode.number), self.layout.number_at(), pixels)?;
        }
        self.paint_timecode(timecode, pixels)
    }

    fn paint_timecode(&self, timecode: Timecode, pixels: &mut Mat) -> opencv::Result<()> {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let bytes = pixels.data_bytes_mut()?;
        for block in timecode.blocks(width, height) {
            let colour = if block.white { WHITE } else { BLACK };
            for y in block.y..block.y + block.height {
                let from = (y * width + block.x) * 3;
                bytes[from..from + block.width * 3].as_chunks_mut().0.fill(colour);
            }
        }
        Ok(())
    }
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
    fn the_timecode_is_readable_after_jpeg_quartering_and_jpeg_again() {
        let painter = painter("1280x720@30");
        for number in [0, 1, 4711, u32::MAX] {
            let timecode = Timecode { number, time: Timestamp::from_micros(1_700_000_000_123_456) };
            let mut pixels = Mat::default();
            painter.paint(timecode, &mut pixels).unwrap();
            let jpeg = through_jpeg(&pixels, 80);
            assert_eq!(read(&jpeg), Some(timecode));
            assert_eq!(read(&through_jpeg(&quartered(&jpeg), 80)), Some(timecode));
        }
    }

    #[test]
    fn any_size_can_be_painted() {
        for mode in ["16x16@1", "16x8192@1", "8192x16@1", "128x96@1", "333x217@1", "640x480@1"] {
            let mut pixels = Mat::default();
            let timecode = Timecode { number: 7, time: Timestamp::from_micros(1) };
            painter(mode).paint(timecode, &mut pixels).unwrap();
            let size = mode.parse::<Mode>().unwrap();
            assert_eq!((pixels.cols() as u32, pixels.rows() as u32), (size.width, size.height));
        }
    }

    #[test]
    fn the_test_picture_moves() {
        let painter = painter("320x180@30");
        let at = |micros| {
            let mut pixels = Mat::default();
            let timecode = Timecode { number: 0, time: Timestamp::from_micros(micros) };
            painter.paint(timecode, &mut pixels).unwrap();
            pixels.data_bytes().unwrap()[..320 * 120 * 3].to_vec()
        };
        assert_ne!(at(1_000_000), at(1_200_000));
    }
}
