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

use opencv::core::{Mat, MatTraitConst, Rect};
use opencv::imgproc::{COLOR_BGR2YUV_I420, cvt_color_def};

use super::EncodeError;
use crate::frame::{CaptureTimes, Frame};
pub use choice::{EncoderName, EncoderRequest, InvalidEncoder};
use input_format::InputFormat;
use open_encoder::OpenEncoder;

/// Smallest and largest side in pixels: chroma is half as wide and needs one pixel, and few decoders support more than
/// 8192.
pub const SIDES: std::ops::RangeInclusive<u32> = 2..=8192;

/// Encodes the frames of one track.
#[derive(Debug)]
pub struct H264Encoder {
    name: EncoderName,
    format: InputFormat,
    open: Option<OpenEncoder>,
    /// Reused for each frame.
    planes: Mat,
}

impl H264Encoder {
    /// Creates an encoder that is opened for the first frame.
    pub fn new(name: EncoderName) -> Self {
        // If the encoder does not exist, opening it fails with the reason.
        let format = name.codec().and_then(InputFormat::of).unwrap_or(InputFormat::Planar);
        Self { name, format, open: None, planes: Mat::default() }
    }

    /// Encodes a frame; as a keyframe if one is requested and the last one is not too recent. Returns `None` if the
    /// encoder delays its output. An odd side loses one pixel, because chroma is half as fine.
    ///
    /// # Errors
    /// Fails if the size is not supported, the result has too many bytes, or the encoder fails. The encoder is opened
    /// again for the next frame.
    pub fn encode(
        &mut self,
        pixels: &Mat,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        let (width, height) = (pixels.cols() as u32 & !1, pixels.rows() as u32 & !1);
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(EncodeError::H264Size(pixels.cols() as u32, pixels.rows() as u32));
        }
        let failed = |error: opencv::Error| EncodeError::Encoder(error.message);
        convert(pixels, (width, height), &mut self.planes).map_err(failed)?;
        let open = match self.open.take() {
            Some(open) if open.is_for(width, height) => open,
            _ => OpenEncoder::new(&self.name, self.format, (width, height), times.captured_at)?,
        };
        let encoded = self.open.insert(open).encode(&self.planes, times, keyframe_requested);
        if encoded.is_err() {
            self.close();
        }
        encoded
    }

    /// Closes the encoder and releases its memory. The next frame is a keyframe.
    pub fn close(&mut self) {
        self.open = None;
        self.planes = Mat::default();
    }
}

/// Converts to three consecutive planes: luma, and both chroma components half as wide and high (ITU-R BT.601, 16 to
/// 235).
fn convert(pixels: &Mat, (width, height): (u32, u32), planes: &mut Mat) -> opencv::Result<()> {
    let even = Mat::roi(pixels, Rect::new(0, 0, width as i32, height as i32))?;
    cvt_color_def(&even, planes, COLOR_BGR2YUV_I420)
}

#[cfg(test)]
mod tests {
    use fanlight_codec::h264::annex_b;
    use fanlight_protocol::Timestamp;
    use opencv::core::{CV_8UC3, Scalar};

    use super::open_encoder::max_bitrate;
    use super::*;

    /// Returns the bitrate of noise at this frame rate, which always reaches the limit.
    fn bitrate_of_noise(fps: u64, frames: u64) -> f64 {
        let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
        let mut bytes = 0;
        for n in 0..frames {
            let mut noise =
                Mat::new_rows_cols_with_default(180, 320, CV_8UC3, Scalar::all(0.0)).unwrap();
            opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
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
        let mut noise = Mat::new_rows_cols_with_default(50, 66, CV_8UC3, Scalar::all(0.0)).unwrap();
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
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
            let grey = Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::all(90.0));
            let captured_at = Timestamp::from_micros(micros);
            let times = CaptureTimes { captured_at, read_at: captured_at };
            encoder.encode(&grey.unwrap(), times, false).map(|frame| frame.unwrap())
        };
        assert!(encode(64, 48, 0).unwrap().is_keyframe());
        assert!(!encode(64, 48, 33_000).unwrap().is_keyframe());
        let other = encode(49, 65, 66_000).unwrap();
        assert!(other.is_keyframe() && annex_b::contains_sps(&other.payload));
        assert_eq!(other.meta.size(), (48, 64));
        assert_eq!(encode(1, 64, 99_000), Err(EncodeError::H264Size(1, 64)));
    }
}
