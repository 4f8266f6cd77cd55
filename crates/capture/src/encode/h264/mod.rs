//! Encoding to H.264 with any of libavcodec's encoders: without delayed output, without references to later frames, and
//! with keyframes at which a new viewer can begin.
//!
//! - [`choice`]: the choice of an encoder;
//! - `input_format`: the pixel format that it takes;
//! - `keyframes`: the schedule of keyframes;
//! - `open_encoder`: an encoder of libavcodec while it is open;
//! - `vaapi`: frames in a graphics card's memory, if built with the feature `vaapi`.

pub mod choice;
mod input_format;
mod keyframes;
mod open_encoder;
#[cfg(feature = "vaapi")]
#[expect(unsafe_code, reason = "ffmpeg-next does not expose the memory of graphics cards")]
mod vaapi;

use super::EncodeError;
use crate::frame::{CaptureTimes, Frame};
use crate::pixels::Image;
use crate::pixels::recolour::recolour;
pub use choice::{EncoderName, EncoderRequest, InvalidEncoder};
use input_format::InputFormat;
use open_encoder::{COLOURS, OpenEncoder};

/// Smallest and largest side in pixels: chroma is half as wide and needs one pixel, and few decoders support more than
/// 8192.
pub const SIDES: std::ops::RangeInclusive<u32> = 2..=8192;

/// Encodes the frames of one track.
#[derive(Debug)]
pub struct H264Encoder {
    name: EncoderName,
    format: InputFormat,
    open: Option<OpenEncoder>,
    /// An image in the encoder's colours. Reused for each frame in other colours.
    recoloured: Image,
}

impl H264Encoder {
    /// Creates an encoder that is opened for the first frame.
    pub fn new(name: EncoderName) -> Self {
        // If the encoder does not exist, opening it fails with the reason.
        let format = name.codec().and_then(InputFormat::of).unwrap_or(InputFormat::Planar);
        Self { name, format, open: None, recoloured: Image::default() }
    }

    /// Encodes a frame; as a keyframe if one is requested and the last one is not too recent. Returns `None` if the
    /// encoder delays its output. An odd side loses one pixel, because chroma is half as fine.
    ///
    /// # Errors
    /// Fails if the size is not supported, the result has too many bytes, or the encoder fails. The encoder is opened
    /// again for the next frame.
    pub fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        let (width, height) = image.size();
        let size = (width & !1, height & !1);
        if !SIDES.contains(&size.0) || !SIDES.contains(&size.1) {
            return Err(EncodeError::H264Size(width, height));
        }
        let image = match image.colours() {
            COLOURS => image,
            _ => {
                recolour(image, COLOURS, &mut self.recoloured)?;
                &self.recoloured
            }
        };
        let open = match self.open.take() {
            Some(open) if open.is_for(size) => open,
            _ => OpenEncoder::new(&self.name, self.format, size, times.captured_at)?,
        };
        let encoded = self.open.insert(open).encode(image, times, keyframe_requested);
        if encoded.is_err() {
            self.close();
        }
        encoded
    }

    /// Closes the encoder and releases its memory. The next frame is a keyframe.
    pub fn close(&mut self) {
        self.open = None;
        self.recoloured = Image::default();
    }
}

#[cfg(test)]
mod tests {
    use fanlight_codec::h264::{H264Inspector, annex_b};
    use fanlight_protocol::Timestamp;

    use super::open_encoder::max_bitrate;
    use super::*;
    use crate::pixels::Size;
    use crate::pixels::colours::{Colours, Matrix};

    fn grey(size: Size) -> Image {
        Image::filled(size, Colours::JFIF, [90, 128, 128]).unwrap()
    }

    fn noise(size: Size) -> Image {
        let mut noise = grey(size);
        noise.planes_mut().into_iter().flatten().for_each(|byte| *byte = fastrand::u8(..));
        noise
    }

    /// Returns the bitrate of noise at this frame rate, which always reaches the limit.
    fn bitrate_of_noise(fps: u64, frames: u64) -> f64 {
        let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
        let mut bytes = 0;
        for n in 0..frames {
            let noise = noise((320, 180));
            let captured_at = Timestamp::from_micros(n * 1_000_000 / fps);
            let times = CaptureTimes { captured_at, read_at: captured_at };
            let frame = encoder.encode(&noise, times, false).unwrap().expect("no delay");
            assert_eq!(frame.meta.times, times.into());
            // The frame rate is unknown at first.
            bytes += if n >= frames / 2 { frame.payload.len() } else { 0 };
        }
        bytes as f64 * 8.0 * fps as f64 / (frames - frames / 2) as f64
    }

    #[test]
    fn slow_and_fast_cameras_have_the_same_bitrate() {
        let max = max_bitrate(320, 180);
        for fps in [5, 15, 30, 60] {
            let bitrate = bitrate_of_noise(fps, fps * 12);
            assert!((max * 0.6..max * 1.4).contains(&bitrate), "{fps} fps: {bitrate} of {max}");
        }
    }

    #[test]
    fn the_input_format_does_not_change_the_result() {
        let noise = noise((66, 50));
        let [planar, semi_planar] = [InputFormat::Planar, InputFormat::SemiPlanar].map(|format| {
            let encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
            let mut encoder = H264Encoder { format, ..encoder };
            let captured_at = Timestamp::default();
            let times = CaptureTimes { captured_at, read_at: captured_at };
            encoder.encode(&noise, times, false).unwrap().unwrap().payload
        });
        assert!(planar == semi_planar);
    }

    #[test]
    fn another_size_begins_with_a_keyframe_and_unsupported_sizes_are_refused() {
        let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
        let mut encode = |width, height, micros| {
            let captured_at = Timestamp::from_micros(micros);
            let times = CaptureTimes { captured_at, read_at: captured_at };
            encoder.encode(&grey((width, height)), times, false).map(|frame| frame.unwrap())
        };
        assert!(encode(64, 48, 0).unwrap().is_keyframe());
        assert!(!encode(64, 48, 33_000).unwrap().is_keyframe());
        let other = encode(49, 65, 66_000).unwrap();
        assert!(other.is_keyframe() && annex_b::contains_sps(&other.payload));
        assert_eq!(other.meta.size(), (48, 64));
        assert_eq!(encode(1, 64, 99_000), Err(EncodeError::H264Size(1, 64)));
    }

    #[test]
    fn an_image_of_any_colours_becomes_one_of_the_declared_colours() {
        let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
        let grey = |luma, full_range, matrix| ([luma, 128, 128], Colours { matrix, full_range });
        let images = [
            grey(126, false, Matrix::Bt601),
            grey(128, true, Matrix::Bt601),
            grey(126, false, Matrix::Bt709),
            grey(128, true, Matrix::Bt2020),
        ];
        for (n, (colour, colours)) in (0..).zip(images) {
            let image = Image::filled((64, 48), colours, colour).unwrap();
            let captured_at = Timestamp::from_micros(n * 33_000);
            let times = CaptureTimes { captured_at, read_at: captured_at };
            let frame = encoder.encode(&image, times, false).unwrap().unwrap();
            // All of them are the same grey, so deltas are nearly empty.
            assert_eq!(frame.is_keyframe(), n == 0, "{colours:?}");
            assert!(n == 0 || frame.payload.len() < 50, "{colours:?}: {}", frame.payload.len());
            if n == 0 {
                let mut inspector = H264Inspector::new();
                inspector.inspect(&frame.payload, false).unwrap();
                let hints = inspector.display_hints();
                assert_eq!((hints.matrix, hints.full_range), (Some(6), false));
            }
        }
    }
}
