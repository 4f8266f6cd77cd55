//! Decoding of JPEG with libjpeg-turbo, which delivers half, a quarter or an eighth of the size for a fraction of the
//! work.

use opencv::core::{Mat, StsError};
use opencv::imgproc::{INTER_AREA, resize};

use super::Size;
use super::bgr::BgrConverter;
use super::colours::Colours;
use super::image::{Image, NEUTRAL, Plane};
use crate::native::turbojpeg::{Decompressor, ParsedJpeg, Sampling, Scale, TurboError};

/// The reduced sizes, the smallest first.
const REDUCED: [Scale; 3] = [Scale::Eighth, Scale::Quarter, Scale::Half];

/// Decodes the JPEGs of one stream.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    /// Created for the first frame, and again after an error.
    decompressor: Option<Decompressor>,
    /// For JPEGs in other colours than luma and chroma.
    bgr: BgrConverter,
    /// The pixels of such a JPEG, or chroma of a higher resolution. Reused for each frame.
    spare: Vec<u8>,
}

impl JpegDecoder {
    /// Decodes a JPEG of this size into `image`, at a size that covers `target` and may be smaller than its own. The
    /// Exif orientation is ignored, as it is by viewers that get the JPEG itself.
    ///
    /// # Errors
    /// Fails if it cannot be decoded. A damaged JPEG is decoded as far as its pixels exist.
    pub fn decode(
        &mut self,
        jpeg: &[u8],
        size: Size,
        target: Size,
        image: &mut Image,
    ) -> opencv::Result<()> {
        let mut decompressor = match self.decompressor.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new()?,
        };
        let scale = scale(size, target);
        let parsed = decompressor.read(jpeg)?;
        // It checks the size before any other memory is needed.
        image.reshape(parsed.size(scale), Colours::JFIF)?;
        match parsed.sampling() {
            Some(sampling) => self.decode_planes(parsed, sampling, scale, image)?,
            None => self.decode_pixels(parsed, scale, image)?,
        }
        self.decompressor = Some(decompressor);
        Ok(())
    }

    /// Returns whether no part of a JPEG is missing. It is decoded for that, at an eighth of its size.
    pub fn is_complete(&mut self, jpeg: &[u8]) -> bool {
        let decompressor = self.decompressor.take().map_or_else(Decompressor::new, Ok);
        let Ok(mut decompressor) = decompressor else { return false };
        let is_complete = decompressor.read(jpeg).is_ok_and(ParsedJpeg::check_complete);
        if is_complete {
            self.decompressor = Some(decompressor);
        }
        is_complete
    }

    fn decode_planes(
        &mut self,
        parsed: ParsedJpeg<'_>,
        sampling: Sampling,
        scale: Scale,
        image: &mut Image,
    ) -> opencv::Result<()> {
        let [luma, blue, red] = image.planes_mut();
        if sampling == Sampling::Quarter {
            parsed.decompress_planes(scale, luma, [blue, red])?;
        } else {
            let size = sampling.chroma(parsed.size(scale));
            let length = size.0 as usize * size.1 as usize;
            self.spare.resize(2 * length, 0);
            let (fine_blue, fine_red) = self.spare.split_at_mut(length);
            parsed.decompress_planes(scale, luma, [fine_blue, fine_red])?;
            if sampling == Sampling::Grey {
                blue.fill(NEUTRAL);
                red.fill(NEUTRAL);
            } else {
                coarsen(fine_blue, size, image, Plane::Blue)?;
                coarsen(fine_red, size, image, Plane::Red)?;
            }
        }
        image.pad();
        Ok(())
    }

    /// Decodes a JPEG in other colours by way of blue, green and red.
    fn decode_pixels(
        &mut self,
        parsed: ParsedJpeg<'_>,
        scale: Scale,
        image: &mut Image,
    ) -> opencv::Result<()> {
        let size = parsed.size(scale);
        self.spare.resize(size.0 as usize * size.1 as usize * 3, 0);
        parsed.decompress(scale, &mut self.spare)?;
        self.bgr.convert_bytes(&self.spare, size, image)
    }
}

/// Reduces chroma of a higher resolution, of this size, to a plane of an image.
fn coarsen(fine: &[u8], size: Size, image: &mut Image, plane: Plane) -> opencv::Result<()> {
    let fine = Mat::new_rows_cols_with_bytes::<u8>(size.1 as i32, size.0 as i32, fine)?;
    let target = image.area(plane).size();
    resize(&fine, &mut image.plane_mut(plane)?, target, 0.0, 0.0, INTER_AREA)
}

/// Returns the smallest scale that covers the target size.
fn scale(size: Size, target: Size) -> Scale {
    let covers = |scale: &&Scale| {
        let (width, height) = scale.of(size);
        width >= target.0 && height >= target.1
    };
    REDUCED.iter().find(covers).copied().unwrap_or(Scale::Whole)
}

impl From<TurboError> for opencv::Error {
    fn from(error: TurboError) -> Self {
        Self::new(StsError, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use ffmpeg_next::codec::{Context, Id};
    use ffmpeg_next::format::Pixel;
    use ffmpeg_next::software::scaling::{Context as Scaling, Flags};
    use ffmpeg_next::util::color::Range;
    use ffmpeg_next::{Packet, encoder, frame};
    use opencv::core::{
        CV_8UC1, CV_8UC3, MatTrait, MatTraitConst, MatTraitConstManual, MatTraitManual, Scalar,
        Vec3b, Vector, VectorToVec,
    };
    use opencv::imgcodecs::{
        IMREAD_COLOR, IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_COLOR_2, IMREAD_REDUCED_COLOR_4,
        IMREAD_REDUCED_COLOR_8, IMWRITE_JPEG_PROGRESSIVE, imdecode, imencode,
    };
    use proptest::prelude::*;

    use super::*;

    /// OpenCV's pixels are rounded twice more, and chroma of a reduced size is computed in another order.
    const MEAN: f64 = 0.4;

    /// An image with the whole range of each colour and without edges: decoders interpolate chroma differently.
    fn gradients((width, height): Size) -> Mat {
        let mut image = blank((width, height), CV_8UC3);
        let share = |part: u32, of: u32| (part * 255 / (of - 1)) as u8;
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let colours = [share(x, width), share(y, height), share(x + y, width + height - 1)];
            *image.at_2d_mut::<Vec3b>(y as i32, x as i32).unwrap() = colours.into();
        }
        image
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

    /// Encodes like a webcam that subsamples chroma in one direction or not at all. Not every OpenCV supports that.
    fn encoded_as(format: Pixel, picture: &Mat) -> Vec<u8> {
        let (width, height) = (picture.cols() as u32, picture.rows() as u32);
        let mut bgr = frame::Video::new(Pixel::BGR24, width, height);
        let (stride, row) = (bgr.stride(0), width as usize * 3);
        let lines = picture.data_bytes().unwrap().chunks_exact(row);
        for (into, line) in bgr.data_mut(0).chunks_mut(stride).zip(lines) {
            into[..row].copy_from_slice(line);
        }
        let (from, flags) = (Pixel::BGR24, Flags::BILINEAR);
        let scaling = Scaling::get(from, width, height, format, width, height, flags);
        let mut yuv = frame::Video::empty();
        scaling.unwrap().run(&bgr, &mut yuv).unwrap();
        yuv.set_color_range(Range::JPEG);
        let codec = encoder::find(Id::MJPEG).unwrap();
        let mut encoder = Context::new_with_codec(codec).encoder().video().unwrap();
        encoder.set_format(format);
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_time_base((1, 30));
        encoder.set_qmin(2);
        encoder.set_qmax(2);
        let mut encoder = encoder.open_as(codec).unwrap();
        encoder.send_frame(&yuv).unwrap();
        let mut packet = Packet::empty();
        encoder.receive_packet(&mut packet).unwrap();
        packet.data().unwrap().to_vec()
    }

    /// Changes the header from 4:2:2 to 4:4:0 subsampling. The image is shuffled by that.
    fn on_its_side(mut jpeg: Vec<u8>) -> Vec<u8> {
        let at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        for (component, was, becomes) in [(0, 0x22, 0x22), (1, 0x12, 0x21), (2, 0x12, 0x21)] {
            let sampling = &mut jpeg[at + 11 + 3 * component];
            assert_eq!(std::mem::replace(sampling, becomes), was);
        }
        jpeg
    }

    /// Adds an Exif orientation.
    fn with_orientation(jpeg: &[u8]) -> Vec<u8> {
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        [&jpeg[..2], exif, &jpeg[2..]].concat()
    }

    /// Cuts the scan in the middle, and adds a marker that no JPEG has.
    fn torn(jpeg: &[u8]) -> Vec<u8> {
        let scan = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        let half = scan + (jpeg.len() - scan) / 2;
        let end = jpeg[scan..half].windows(2).position(|pair| pair == [0xff, 0xc4]);
        [&jpeg[..end.map_or(half, |end| scan + end / 2)], &[0xff, 0x02, 0xff, 0xd9]].concat()
    }

    fn by_opencv(jpeg: &[u8], flags: i32) -> Mat {
        imdecode(&Vector::from_slice(jpeg), flags | IMREAD_IGNORE_ORIENTATION).unwrap()
    }

    /// The mean difference between luma and chroma and those of OpenCV's pixels.
    fn difference(ours: &Image, jpeg: &[u8], flags: i32) -> f64 {
        let mut theirs = Image::default();
        BgrConverter::default().convert(&by_opencv(jpeg, flags), &mut theirs).unwrap();
        assert_eq!(ours.size(), theirs.size());
        let pairs = ours.bytes().iter().zip(theirs.bytes());
        let sum: u32 = pairs.map(|(one, other)| u32::from(one.abs_diff(*other))).sum();
        f64::from(sum) / ours.bytes().len() as f64
    }

    fn kinds(size: Size) -> [(&'static str, Vec<u8>); 8] {
        let picture = gradients(size);
        let mut grey = blank(size, CV_8UC1);
        let greys = picture.data_bytes().unwrap().chunks(3).map(|pixel| pixel[0]);
        let into = grey.data_bytes_mut().unwrap().iter_mut();
        into.zip(greys).for_each(|(into, from)| *into = from);
        let halved = encoded_as(Pixel::YUVJ422P, &picture);
        [
            ("4:2:0", encoded(&picture, false)),
            ("4:2:0 by FFmpeg", encoded_as(Pixel::YUVJ420P, &picture)),
            ("4:4:0", on_its_side(halved.clone())),
            ("4:2:2", halved),
            ("4:4:4", encoded_as(Pixel::YUVJ444P, &picture)),
            ("progressive", encoded(&picture, true)),
            ("grey", encoded(&grey, false)),
            ("with orientation", with_orientation(&encoded(&picture, false))),
        ]
    }

    #[test]
    fn only_a_jpeg_that_lacks_nothing_is_complete() {
        let mut decoder = JpegDecoder::default();
        for (kind, jpeg) in kinds((160, 128)) {
            assert!(decoder.is_complete(&jpeg), "{kind}");
            let open = &jpeg[..jpeg.len() - 2];
            let ended = |bytes: &[u8]| [bytes, &[0xff, 0xd9]].concat();
            assert!(decoder.is_complete(&ended(&[open, b"\r\n--frame\r\n"].concat())), "{kind}");
            for missing in [40, open.len() / 3] {
                let cut = ended(&open[..open.len() - missing]);
                assert!(!decoder.is_complete(&cut), "{kind} without {missing} bytes");
            }
        }
        assert!(!decoder.is_complete(b"garbage"));
    }

    #[test]
    fn only_the_needed_size_is_decoded() {
        let jpeg = encoded(&blank((1281, 721), CV_8UC3), false);
        let mut decoder = JpegDecoder::default();
        for (target, size) in [
            ((1281, 721), (1281, 721)),
            ((1000, 10), (1281, 721)),
            ((641, 361), (641, 361)),
            ((640, 360), (641, 361)),
            ((320, 180), (321, 181)),
            ((100, 50), (161, 91)),
        ] {
            let mut image = Image::default();
            decoder.decode(&jpeg, (1281, 721), target, &mut image).unwrap();
            assert_eq!(image.size(), size, "{target:?}");
        }
    }

    #[test]
    fn every_kind_of_jpeg_equals_the_result_of_opencv_at_every_scale() {
        crate::native::prepare();
        let (mut decoder, mut image) = (JpegDecoder::default(), Image::default());
        for size in [(640, 480), (1280, 722), (99, 75), (64, 49)] {
            for (kind, jpeg) in kinds(size) {
                for (scale, flags) in [
                    (Scale::Whole, IMREAD_COLOR),
                    (Scale::Half, IMREAD_REDUCED_COLOR_2),
                    (Scale::Quarter, IMREAD_REDUCED_COLOR_4),
                    (Scale::Eighth, IMREAD_REDUCED_COLOR_8),
                ] {
                    let decoded = decoder.decode(&jpeg, size, scale.of(size), &mut image);
                    decoded.unwrap_or_else(|why| panic!("{kind} {size:?} {scale:?}: {why:?}"));
                    let mean = difference(&image, &jpeg, flags);
                    // Chroma of odd sizes is shifted by up to half of a pixel, which differs more the smaller the
                    // image is.
                    let most = if size.0 > 99 { MEAN } else { 5.0 * MEAN };
                    assert!(mean < most, "{kind} {size:?} {scale:?}: {mean}");
                }
            }
        }
    }

    #[test]
    fn one_pixel_can_be_decoded() {
        let (mut decoder, mut image) = (JpegDecoder::default(), Image::default());
        let jpeg = encoded(&blank((1, 1), CV_8UC3), false);
        decoder.decode(&jpeg, (1, 1), (1, 1), &mut image).unwrap();
        assert_eq!(image.size(), (1, 1));
    }

    #[test]
    fn a_damaged_jpeg_is_decoded_as_opencv_does() {
        let (size, mut decoder, mut image) = ((64, 48), JpegDecoder::default(), Image::default());
        let whole = encoded(&gradients(size), false);
        let half = [&whole[..whole.len() - 90], &[0xff, 0xd9]].concat();
        for damaged in [half, torn(&whole)] {
            decoder.decode(&damaged, size, size, &mut image).unwrap();
            assert!(difference(&image, &damaged, IMREAD_COLOR) < MEAN);
        }
    }

    /// A warning precedes the error and must not hide that nothing was decoded.
    #[test]
    fn a_jpeg_that_breaks_before_its_first_row_is_an_error_and_shows_no_other_frame() {
        let (size, mut decoder, mut image) = ((64, 48), JpegDecoder::default(), Image::default());
        let (whole, progressive) =
            (encoded(&gradients(size), false), encoded(&gradients(size), true));
        decoder.decode(&whole, size, size, &mut image).unwrap();
        assert!(by_opencv(&torn(&progressive), IMREAD_COLOR).empty());
        assert!(decoder.decode(&torn(&progressive), size, size, &mut image).is_err());
        decoder.decode(&progressive, size, size, &mut image).unwrap();
    }

    #[test]
    fn garbage_is_an_error_and_does_not_affect_the_next_frame() {
        let whole = encoded(&gradients((64, 48)), false);
        for garbage in [&b""[..], b"garbage", &[0xff, 0xd8, 0xff, 0xd9], &whole[..100]] {
            let (mut decoder, mut image) = (JpegDecoder::default(), Image::default());
            assert!(decoder.decode(garbage, (64, 48), (64, 48), &mut image).is_err());
            decoder.decode(&whole, (64, 48), (64, 48), &mut image).unwrap();
        }
    }

    #[test]
    fn a_header_cannot_allocate_gigabytes() {
        let mut vast = encoded(&gradients((64, 48)), false);
        let at = vast.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 5;
        vast[at..at + 4].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        let size = (0xffdc, 0xffdc);
        let refused = JpegDecoder::default().decode(&vast, size, size, &mut Image::default());
        assert!(refused.unwrap_err().message.contains("too many pixels"));
    }

    /// Runs in a process of its own, to check its stderr.
    #[test]
    fn damage_is_not_printed_to_the_terminal() {
        if std::env::var_os("ALONE").is_none() {
            let name = "pixels::decode::tests::damage_is_not_printed_to_the_terminal";
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env("ALONE", "yes")
                .output()
                .unwrap();
            assert_eq!(
                (String::from_utf8_lossy(&output.stderr), true),
                ("".into(), output.status.success())
            );
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
            return;
        }
        let (size, mut decoder, mut image) = ((64, 48), JpegDecoder::default(), Image::default());
        let whole = encoded(&gradients(size), false);
        decoder.decode(&torn(&whole), size, size, &mut image).unwrap();
        decoder.decode(&whole[..whole.len() - 90], size, size, &mut image).unwrap();
        decoder.decode(b"garbage", size, size, &mut image).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_damaged_frame_does_not_affect_the_next_one(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
            anywhere in any::<bool>(),
            progressive in any::<bool>(),
        ) {
            let (size, whole) = ((64, 48), encoded(&gradients((64, 48)), progressive));
            let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
            // The size in the header stays, because it determines the result.
            let from = if anywhere { 0 } else { scan };
            let size_at = whole.windows(2).position(|pair| pair == [0xff, 0xc0 + 2 * u8::from(progressive)]).unwrap();
            let mut changed = whole.clone();
            for (at, byte) in changes {
                let at = from + at.index(whole.len() - from);
                if !(size_at..size_at + 9).contains(&at) {
                    changed[at] = byte;
                }
            }
            let (mut decoder, mut image) = (JpegDecoder::default(), Image::default());
            if decoder.decode(&changed, size, size, &mut image).is_ok() && !anywhere {
                prop_assert_eq!(image.size(), size);
            }
            decoder.decode(&whole, size, size, &mut image).unwrap();
            prop_assert!(difference(&image, &whole, IMREAD_COLOR) < MEAN);
        }
    }
}
