//! A JPEG to pixels. A JPEG decoder can give half, a quarter or an eighth of the size for a fraction of the work.
//!
//! Whole pictures go through FFmpeg, which takes half to two thirds of the time: OpenCV has libjpeg decode them as well as
//! it can and then swaps red and blue byte by byte. What FFmpeg does not take without a murmur, OpenCV decodes after all, and
//! so it does smaller sizes, where it is as fast and gives the finer colours.

use std::fmt;

use ffmpeg_next::codec::{self, Context, Id};
use ffmpeg_next::decoder::{self, Check};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Error, Packet, frame};
use opencv::core::{Mat, MatTraitConst};
use opencv::imgcodecs::{
    IMREAD_COLOR, IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_COLOR_2, IMREAD_REDUCED_COLOR_4,
    IMREAD_REDUCED_COLOR_8, imdecode_to,
};

use super::Size;
use super::convert::{ConvertError, Converter};

const REDUCTIONS: [(u32, i32); 3] =
    [(8, IMREAD_REDUCED_COLOR_8), (4, IMREAD_REDUCED_COLOR_4), (2, IMREAD_REDUCED_COLOR_2)];

/// Decodes the JPEGs of one stream.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    /// Made for the first whole picture.
    whole: Option<Whole>,
}

impl JpegDecoder {
    /// Decodes a JPEG of this size into `pixels`, at a size that covers `wanted` and may be smaller than its own. As it is
    /// stored: whoever is sent the JPEG itself sees it so, too.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn decode(
        &mut self,
        jpeg: &[u8],
        size: Size,
        wanted: Size,
        pixels: &mut Mat,
    ) -> opencv::Result<()> {
        match reduction(size, wanted) {
            None if self.whole(jpeg, pixels).is_ok() => Ok(()),
            reduction => by_opencv(jpeg, reduction.unwrap_or(IMREAD_COLOR), pixels),
        }
    }

    fn whole(&mut self, jpeg: &[u8], pixels: &mut Mat) -> Result<(), NotWhole> {
        let whole = match &mut self.whole {
            Some(whole) => whole,
            none => none.insert(Whole::new()?),
        };
        whole.decode(jpeg, pixels)
    }
}

fn reduction((width, height): Size, wanted: Size) -> Option<i32> {
    let covers = |by: u32| width.div_ceil(by) >= wanted.0 && height.div_ceil(by) >= wanted.1;
    REDUCTIONS.iter().find(|(by, _)| covers(*by)).map(|(_, flags)| *flags)
}

fn by_opencv(jpeg: &[u8], flags: i32, pixels: &mut Mat) -> opencv::Result<()> {
    let flags = flags | IMREAD_IGNORE_ORIENTATION;
    *pixels = imdecode_to(&Mat::from_slice(jpeg)?, flags, pixels)?;
    if pixels.empty() {
        let message = "the picture cannot be decoded".to_owned();
        return Err(opencv::Error::new(opencv::core::StsError, message));
    }
    Ok(())
}

/// FFmpeg's decoder, and its colours to ours.
struct Whole {
    decoder: decoder::Video,
    /// Kept, so that its memory is used again.
    frame: frame::Video,
    converter: Converter,
}

/// Why FFmpeg does not give a picture.
#[derive(Debug)]
enum NotWhole {
    Decoder,
    /// Colours that libjpeg may take otherwise: in four components, or not of a JPEG's full range.
    Colours,
    Convert,
}

impl From<Error> for NotWhole {
    fn from(_: Error) -> Self {
        Self::Decoder
    }
}

impl From<ConvertError> for NotWhole {
    fn from(_: ConvertError) -> Self {
        Self::Convert
    }
}

impl Whole {
    fn new() -> Result<Self, NotWhole> {
        let codec = decoder::find(Id::MJPEG).ok_or(NotWhole::Decoder)?;
        let mut context = Context::new_with_codec(codec).decoder();
        // One picture is worked on by one thread: there are other pictures for the others.
        context.set_threading(codec::threading::Config::count(1));
        // Where a picture is damaged it would leave what was there before.
        context.check(Check::EXPLODE);
        let decoder = context.video()?;
        Ok(Self { decoder, frame: frame::Video::empty(), converter: Converter::default() })
    }

    fn decode(&mut self, jpeg: &[u8], pixels: &mut Mat) -> Result<(), NotWhole> {
        let sent = self.decoder.send_packet(&Packet::copy(jpeg));
        if let Err(error) = sent.and_then(|()| self.decoder.receive_frame(&mut self.frame)) {
            self.decoder.flush();
            return Err(error.into());
        }
        match self.frame.format() {
            Pixel::YUVJ420P
            | Pixel::YUVJ422P
            | Pixel::YUVJ444P
            | Pixel::YUVJ440P
            | Pixel::GRAY8 => Ok(self.converter.convert(&self.frame, pixels)?),
            _ => Err(NotWhole::Colours),
        }
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::encoder;
    use ffmpeg_next::software::scaling::{Context as Scaling, Flags};
    use ffmpeg_next::util::color::Range;
    use opencv::core::{
        CV_8UC1, CV_8UC3, MatTrait, MatTraitConstManual, MatTraitManual, NORM_L1, Scalar, Vec3b,
        Vector, VectorToVec, no_array, norm2,
    };
    use opencv::imgcodecs::{IMWRITE_JPEG_PROGRESSIVE, imencode};
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::size_of;

    /// All of each colour's range, without edges: decoders may guess differently what lies between coarse colours.
    fn gradients((width, height): Size) -> Mat {
        let mut picture = blank((width, height), CV_8UC3);
        let share = |part: u32, of: u32| (part * 255 / (of - 1)) as u8;
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let colours = [share(x, width), share(y, height), share(x + y, width + height - 1)];
            *picture.at_2d_mut::<Vec3b>(y as i32, x as i32).unwrap() = colours.into();
        }
        picture
    }

    fn blank((width, height): Size, kind: i32) -> Mat {
        let (rows, columns) = (height as i32, width as i32);
        Mat::new_rows_cols_with_default(rows, columns, kind, Scalar::default()).unwrap()
    }

    fn encoded(picture: &Mat, progressive: bool) -> Vec<u8> {
        let options = Vector::from_slice(&[IMWRITE_JPEG_PROGRESSIVE, i32::from(progressive)]);
        let mut jpeg = Vector::new();
        imencode(".jpg", picture, &mut jpeg, &options).unwrap();
        jpeg.to_vec()
    }

    /// As a webcam encodes that halves colours in one direction or in none. OpenCV cannot be asked for that everywhere.
    fn encoded_as(format: Pixel, picture: &Mat) -> Vec<u8> {
        let (width, height) = size_of(picture);
        let mut blue_first = frame::Video::new(Pixel::BGR24, width, height);
        let (stride, row) = (blue_first.stride(0), width as usize * 3);
        let lines = picture.data_bytes().unwrap().chunks_exact(row);
        for (into, line) in blue_first.data_mut(0).chunks_mut(stride).zip(lines) {
            into[..row].copy_from_slice(line);
        }
        let (from, flags) = (Pixel::BGR24, Flags::BILINEAR);
        let scaling = Scaling::get(from, width, height, format, width, height, flags);
        let mut coded = frame::Video::empty();
        scaling.unwrap().run(&blue_first, &mut coded).unwrap();
        coded.set_color_range(Range::JPEG);
        let codec = encoder::find(Id::MJPEG).unwrap();
        let mut encoder = Context::new_with_codec(codec).encoder().video().unwrap();
        encoder.set_format(format);
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_time_base((1, 30));
        encoder.set_qmin(2);
        encoder.set_qmax(2);
        let mut encoder = encoder.open_as(codec).unwrap();
        encoder.send_frame(&coded).unwrap();
        let mut packet = Packet::empty();
        encoder.receive_packet(&mut packet).unwrap();
        packet.data().unwrap().to_vec()
    }

    /// How far pixels are from those of OpenCV, on average.
    fn difference(ours: &Mat, jpeg: &[u8]) -> f64 {
        let mut theirs = Mat::default();
        by_opencv(jpeg, IMREAD_COLOR, &mut theirs).unwrap();
        assert_eq!(size_of(ours), size_of(&theirs));
        let sum = norm2(ours, &theirs, NORM_L1, &no_array()).unwrap();
        sum / ours.data_bytes().unwrap().len() as f64
    }

    #[test]
    fn no_more_is_decoded_than_is_wanted() {
        let jpeg = encoded(&blank((1281, 721), CV_8UC3), false);
        let mut decoder = JpegDecoder::default();
        for (wanted, size) in [
            ((1281, 721), (1281, 721)),
            ((1000, 10), (1281, 721)),
            ((641, 361), (641, 361)),
            ((640, 360), (641, 361)),
            ((320, 180), (321, 181)),
            ((100, 50), (161, 91)),
        ] {
            let mut pixels = Mat::default();
            decoder.decode(&jpeg, (1281, 721), wanted, &mut pixels).unwrap();
            assert_eq!(size_of(&pixels), size, "{wanted:?}");
        }
    }

    #[test]
    fn whole_pictures_of_every_kind_look_as_opencv_decodes_them() {
        crate::native::prepare();
        let mut decoder = Whole::new().unwrap();
        let mut pixels = Mat::default();
        for size in [(640, 480), (1280, 722), (99, 75), (64, 49)] {
            let picture = gradients(size);
            let mut grey = blank(size, CV_8UC1);
            let greys = gradients(size).data_bytes().unwrap().to_vec();
            let greys = greys.chunks(3).map(|pixel| pixel[0]);
            grey.data_bytes_mut()
                .unwrap()
                .iter_mut()
                .zip(greys)
                .for_each(|(into, from)| *into = from);
            for (kind, jpeg) in [
                ("4:2:0", encoded(&picture, false)),
                ("4:2:0 by FFmpeg", encoded_as(Pixel::YUVJ420P, &picture)),
                ("4:2:2", encoded_as(Pixel::YUVJ422P, &picture)),
                ("4:4:4", encoded_as(Pixel::YUVJ444P, &picture)),
                ("progressive", encoded(&picture, true)),
                ("grey", encoded(&grey, false)),
            ] {
                decoder.decode(&jpeg, &mut pixels).unwrap_or_else(|why| panic!("{kind}: {why:?}"));
                let mean = difference(&pixels, &jpeg);
                assert!(mean < 1.5, "{kind} {size:?}: {mean}");
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        for rubbish in [&b"rubbish"[..], &[0xff, 0xd8, 0xff, 0xd9]] {
            let (mut decoder, mut pixels) = (JpegDecoder::default(), Mat::default());
            assert!(decoder.decode(rubbish, (64, 48), (64, 48), &mut pixels).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_damaged_picture_harms_no_other(
            wounds in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        ) {
            crate::native::prepare();
            let (size, whole) = ((64, 48), encoded(&gradients((64, 48)), false));
            let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
            let mut wounded = whole.clone();
            for (at, byte) in wounds {
                let at = scan + at.index(whole.len() - scan);
                wounded[at] = byte;
            }
            let (mut decoder, mut pixels) = (JpegDecoder::default(), Mat::default());
            if decoder.decode(&wounded, size, size, &mut pixels).is_ok() {
                prop_assert_eq!(size_of(&pixels), size);
            }
            decoder.decode(&whole, size, size, &mut pixels).unwrap();
            prop_assert!(difference(&pixels, &whole) < 1.5);
        }
    }
}
