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

use super::contract::{About, DecodedFrom, Grabbed, Source};
use super::error::SourceError;
use super::mode::Mode;
use super::pacing::{Schedule, sleep_until};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::pixels::Image;
use crate::pixels::bgr::BgrConverter;
use crate::pixels::image::NEUTRAL;
use crate::wall_clock::Zone;
use beam::Beam;
use layout::Layout;
use text::Digits;

/// The levels of timecode blocks: the limits of the video range, which survive any conversion.
const WHITE: u8 = 235;
const BLACK: u8 = 16;

/// The test picture as a source.
#[derive(Debug)]
pub struct TestPicture {
    about: About,
    schedule: Schedule,
    stop: Shutdown,
    painter: Painter,
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
        Ok(Self { about, schedule, stop, painter, grabbed })
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
        self.painter.paint(self.grabbed, &mut image)?;
        Ok(FrameData::Pixels(image))
    }

    fn decoded_from(&self) -> Option<DecodedFrom> {
        let reason = "this program paints it".to_owned();
        Some(DecodedFrom { format: "test picture".into(), colours: None, reason })
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
    background: Image,
    beam: Beam,
    /// `None` if the frame is too small for readable text.
    digits: Option<Digits>,
    layout: Layout,
}

impl Painter {
    fn new(name: &StreamName, mode: Mode) -> opencv::Result<Self> {
        let layout = Layout::new(mode.width, mode.height);
        let digits = layout.has_text().then(|| Digits::new(layout.digit_height())).transpose()?;
        let mut background = Image::default();
        BgrConverter::default().convert(&background::paint(&layout, name)?, &mut background)?;
        Ok(Self { background, beam: Beam::new(&layout), digits, layout })
    }

    fn paint(&self, timecode: Timecode, image: &mut Image) -> opencv::Result<()> {
        image.copy_from(&self.background)?;
        self.beam.paint(timecode.time, image)?;
        if let Some(digits) = &self.digits {
            digits.write(&Zone::Local.time_of_day(timecode.time), self.layout.time_at(), image)?;
            digits.write(&format!("{:08}", timecode.number), self.layout.number_at(), image)?;
        }
        self.paint_timecode(timecode, image);
        Ok(())
    }

    fn paint_timecode(&self, timecode: Timecode, image: &mut Image) {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let row = width.next_multiple_of(2);
        let [luma, blue, red] = image.planes_mut();
        for block in timecode.blocks(width, height) {
            let level = if block.white { WHITE } else { BLACK };
            for y in block.y..block.y + block.height {
                luma[y * row + block.x..][..block.width].fill(level);
                let chroma = y / 2 * (row / 2) + block.x / 2..;
                for plane in [&mut *blue, &mut *red] {
                    plane[chroma.clone()][..block.width.div_ceil(2)].fill(NEUTRAL);
                }
            }
        }
        image.pad();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::turbojpeg::Compressor;
    use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size, Vector, VectorToVec};
    use opencv::{imgcodecs, imgproc};

    fn painter(mode: &str) -> Painter {
        Painter::new(&"front-door".parse().unwrap(), mode.parse().unwrap()).unwrap()
    }

    fn read(pixels: &Mat) -> Option<Timecode> {
        let bytes = pixels.data_bytes().unwrap();
        let (width, height) = (pixels.cols() as usize, pixels.rows() as usize);
        Timecode::read(width, height, |x, y| bytes[(y * width + x) * 3 + 1])
    }

    fn encoded(image: &Image) -> Vec<u8> {
        let mut compressor = Compressor::new().unwrap();
        compressor.compress(image.planes(), image.size(), 80).unwrap().to_vec()
    }

    fn decoded(jpeg: &[u8]) -> Mat {
        imgcodecs::imdecode(&Vector::from_slice(jpeg), imgcodecs::IMREAD_COLOR).unwrap()
    }

    fn through_jpeg(pixels: &Mat, quality: i32) -> Mat {
        let mut jpeg = Vector::new();
        let quality = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, quality]);
        imgcodecs::imencode(".jpg", pixels, &mut jpeg, &quality).unwrap();
        decoded(&jpeg.to_vec())
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
            let mut image = Image::default();
            painter.paint(timecode, &mut image).unwrap();
            let jpeg = decoded(&encoded(&image));
            assert_eq!(read(&jpeg), Some(timecode));
            assert_eq!(read(&through_jpeg(&quartered(&jpeg), 80)), Some(timecode));
        }
    }

    #[test]
    fn any_size_can_be_painted() {
        for mode in ["16x16@1", "16x8192@1", "8192x16@1", "128x96@1", "333x217@1", "640x480@1"] {
            let mut image = Image::default();
            let timecode = Timecode { number: 7, time: Timestamp::from_micros(1) };
            painter(mode).paint(timecode, &mut image).unwrap();
            let size = mode.parse::<Mode>().unwrap();
            assert_eq!(image.size(), (size.width, size.height));
        }
    }

    #[test]
    fn the_test_picture_moves() {
        let painter = painter("320x180@30");
        let at = |micros| {
            let mut image = Image::default();
            let timecode = Timecode { number: 0, time: Timestamp::from_micros(micros) };
            painter.paint(timecode, &mut image).unwrap();
            image.planes()[0][..320 * 120].to_vec()
        };
        assert_ne!(at(1_000_000), at(1_200_000));
    }
}
