//! An open H.264 encoder of libavcodec: its options, its timestamps, and its bitrate limit.

use std::collections::VecDeque;
use std::fmt;

use fanlight_codec::h264::annex_b;
use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use ffmpeg_next::codec::{self, encoder::video::Encoder};
use ffmpeg_next::{Dictionary, Packet, Rational, ffi, frame, picture};

use super::choice::EncoderName;
use super::input_format::{self, InputFormat};
use super::keyframes::KeyframeSchedule;
#[cfg(feature = "vaapi")]
use super::vaapi::CardMemory;
use crate::encode::EncodeError;
use crate::frame::{CaptureTimes, Frame};
use crate::pixels::colours::{Colours, Matrix};
use crate::pixels::{Image, Size};

/// Quality on x264's own scale (constant rate factor), within the bitrate limit. By SSIM, a frame is nearly as close to
/// its original as a JPEG of quality 80; docs/performance.md has the figures.
const CRF: &str = "22";
/// The bitrate limit for 1280x720 at 30 frames per second. A fourth of the pixels gets a third of the bitrate.
const MAX_BITRATE: f64 = 4e6;
const MAX_BITRATE_PIXELS: f64 = 1280.0 * 720.0;
const PIXELS_EXPONENT: f64 = 0.75;
/// A keyframe is no larger than half a second of the bitrate limit.
const BURST: f64 = 0.5;
/// Up to this size one thread is fast enough, and it encodes the smallest frames.
const ONE_THREAD_PIXELS: u32 = 1920 * 1088;
const THREADS: &str = "4";
/// Keyframe interval in frames. Keyframes are requested one by one; an encoder's own interval must not end before.
const GOP: &str = "9999";
/// Encoders without delay assume this frame rate, whatever the timestamps: their bitrate limit applies per frame. It is
/// adapted to the measured frame rate.
const NOMINAL_FPS: i32 = 30;
/// The frame interval is averaged over about this many frames, within these bounds, as a multiple of the nominal one.
const AVERAGED_FRAMES: f64 = 8.0;
const INTERVALS: std::ops::RangeInclusive<f64> = 0.1..=8.0;
/// Smaller changes of the interval do not change the limit.
const INTERVAL_STEP: f64 = 1.3;
/// The unit of timestamps.
const MICROSECONDS: Rational = Rational(1, 1_000_000);
/// Some encoders delay their output nevertheless. This is the largest number of frames in flight.
const MAX_IN_FLIGHT: usize = 32;

/// The colours of all frames: the range that every decoder honours, and the matrix that Chromium converts best.
pub(super) const COLOURS: Colours = Colours { matrix: Matrix::Bt601, full_range: false };

/// An open encoder for frames of one size.
pub(super) struct OpenEncoder {
    encoder: Encoder,
    input: frame::Video,
    /// The memory from which the encoder takes its frames, if not from this process.
    #[cfg(feature = "vaapi")]
    card: Option<CardMemory>,
    keyframes: KeyframeSchedule,
    /// Timestamps count from the first frame.
    began_at: Timestamp,
    /// The timestamp of the last frame that was sent. Timestamps must increase.
    timestamp: i64,
    /// The mean frame interval as a multiple of the nominal one: as measured, and as applied to the bitrate limit.
    interval: f64,
    applied_interval: f64,
    /// The frames that were sent and not received yet, by timestamp.
    in_flight: VecDeque<(i64, CaptureTimes)>,
}

impl OpenEncoder {
    /// Opens the encoder for frames of this size.
    pub(super) fn new(
        name: &EncoderName,
        format: InputFormat,
        (width, height): Size,
        began_at: Timestamp,
    ) -> Result<Self, EncodeError> {
        let failed = |error: ffmpeg_next::Error| {
            EncodeError::Encoder(format!("{name} cannot encode {width}x{height}: {error}"))
        };
        let codec = name.codec().ok_or(ffmpeg_next::Error::EncoderNotFound).map_err(failed)?;
        #[cfg(feature = "vaapi")]
        let card = Self::card(format, width, height)?;
        let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
        video.set_width(width);
        video.set_height(height);
        video.set_format(format.encoder());
        video.set_time_base(MICROSECONDS);
        video.set_frame_rate(Some(Rational(NOMINAL_FPS, 1)));
        #[cfg(feature = "vaapi")]
        if let Some(card) = &card {
            card.attach_to(&mut video);
        }
        let encoder = video.open_with(options(name, width, height)).map_err(failed)?;
        Ok(Self {
            encoder,
            input: frame::Video::new(format.memory(), width, height),
            #[cfg(feature = "vaapi")]
            card,
            keyframes: KeyframeSchedule::default(),
            began_at,
            timestamp: -1,
            interval: 1.0,
            applied_interval: 1.0,
            in_flight: VecDeque::new(),
        })
    }

    #[cfg(feature = "vaapi")]
    fn card(
        format: InputFormat,
        width: u32,
        height: u32,
    ) -> Result<Option<CardMemory>, EncodeError> {
        let card = (format == InputFormat::Vaapi).then(|| CardMemory::new(width, height));
        card.transpose().map_err(|error| {
            EncodeError::Encoder(format!(
                "VA-API has no graphics card for {width}x{height}: {error}"
            ))
        })
    }

    /// Returns whether the encoder is open for frames of this size.
    pub(super) fn is_for(&self, size: Size) -> bool {
        (self.input.width(), self.input.height()) == size
    }

    /// Encodes an image in [`COLOURS`], whose last column or row is cropped if the side is odd. Returns `None` if the encoder delays its output.
    pub(super) fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        let failed = |error: ffmpeg_next::Error| EncodeError::Encoder(error.to_string());
        make_writable(&mut self.input)?;
        input_format::fill(&mut self.input, image);
        let before = self.timestamp;
        self.timestamp = times.captured_at.micros_from(self.began_at).max(self.timestamp + 1);
        self.input.set_pts(Some(self.timestamp));
        if before >= 0 {
            self.adapt_bitrate(self.timestamp - before);
        }
        let due = self.keyframes.is_due(times.captured_at, keyframe_requested);
        self.input.set_kind(if due { picture::Type::I } else { picture::Type::None });
        self.in_flight.push_back((self.timestamp, times));
        if self.in_flight.len() > MAX_IN_FLIGHT {
            return Err(EncodeError::Encoder(format!(
                "it delays its output by more than {MAX_IN_FLIGHT} frames"
            )));
        }
        self.send().map_err(failed)?;
        let mut packet = Packet::empty();
        match self.encoder.receive_packet(&mut packet) {
            Ok(()) => self.frame(&packet).map(Some),
            Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sends the input to the encoder, by way of the card's memory if the encoder takes it from there.
    fn send(&mut self) -> Result<(), ffmpeg_next::Error> {
        #[cfg(feature = "vaapi")]
        if let Some(card) = &self.card {
            let uploaded = card.upload(&self.input)?;
            return self.encoder.send_frame(&uploaded);
        }
        self.encoder.send_frame(&self.input)
    }

    /// Adapts the bitrate limit to the time since the frame before: a frame of a slower camera may be larger.
    fn adapt_bitrate(&mut self, micros: i64) {
        let interval = micros as f64 / 1e6 * f64::from(NOMINAL_FPS);
        let interval = interval.clamp(*INTERVALS.start(), *INTERVALS.end());
        self.interval += (interval - self.interval) / AVERAGED_FRAMES;
        let change = self.interval / self.applied_interval;
        if !(1.0 / INTERVAL_STEP..=INTERVAL_STEP).contains(&change) {
            self.applied_interval = self.interval;
            let bitrate = max_bitrate(self.input.width(), self.input.height()) * self.interval;
            set_max_bitrate(&mut self.encoder, bitrate);
        }
    }

    fn frame(&mut self, packet: &Packet) -> Result<Frame, EncodeError> {
        let timestamp = packet.pts().unwrap_or(self.timestamp);
        let index = self.in_flight.iter().position(|(sent, _)| *sent == timestamp).unwrap_or(0);
        let times = self.in_flight.drain(..=index).next_back().map(|(_, times)| times);
        let times =
            times.ok_or_else(|| EncodeError::Encoder("it returned a frame too many".into()))?;
        let bytes = packet.data().unwrap_or_default();
        let keyframe = packet.is_key();
        if keyframe {
            self.keyframes.encoded(times.captured_at);
        }
        let payload = match keyframe && !annex_b::contains_sps(bytes) {
            // No viewer could begin with it.
            true => [self.parameters(), bytes].concat(),
            false => bytes.to_vec(),
        };
        if payload.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLarge(payload.len()));
        }
        let (width, height) = (self.input.width(), self.input.height());
        Ok(Frame::new(payload, times, (width, height), keyframe))
    }

    /// Returns the parameter sets of an encoder that keeps them apart from its frames.
    #[expect(unsafe_code, reason = "ffmpeg-next does not expose extradata")]
    fn parameters(&self) -> &[u8] {
        // SAFETY: the memory is libavcodec's own, has the stated length, and lives as long as the encoder.
        unsafe {
            let context = self.encoder.as_ptr();
            match ((*context).extradata, (*context).extradata_size) {
                (start, length) if start.is_null() || length <= 0 => &[],
                (start, length) => std::slice::from_raw_parts(start, length as usize),
            }
        }
    }
}

/// Makes a frame writable. An encoder may keep the frame before as a reference, and its memory with it; the next one
/// then gets other memory.
#[expect(unsafe_code, reason = "ffmpeg-next does not expose the function")]
fn make_writable(frame: &mut frame::Video) -> Result<(), EncodeError> {
    // SAFETY: `frame` owns the frame behind the pointer.
    match unsafe { ffi::av_frame_make_writable(frame.as_mut_ptr()) } {
        0 => Ok(()),
        _ => Err(EncodeError::Encoder("no memory for a frame".into())),
    }
}

/// Changes the bitrate limit. x264 applies it from the next frame on; other encoders may ignore it.
#[expect(unsafe_code, reason = "ffmpeg-next sets it only before opening")]
fn set_max_bitrate(encoder: &mut Encoder, bitrate: f64) {
    // SAFETY: the context lives as long as the encoder, and the fields are plain integers that libavcodec reads while
    // it encodes.
    unsafe {
        let context = encoder.as_mut_ptr();
        (*context).rc_max_rate = bitrate as i64;
        (*context).rc_buffer_size = (bitrate * BURST) as i32;
    }
}

/// Returns the bitrate limit, in bits per second, for frames of this size.
pub(super) fn max_bitrate(width: u32, height: u32) -> f64 {
    let pixels = f64::from(width) * f64::from(height);
    MAX_BITRATE * (pixels / MAX_BITRATE_PIXELS).powf(PIXELS_EXPONENT)
}

fn options(name: &EncoderName, width: u32, height: u32) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let max_bitrate = max_bitrate(width, height);
    options.set("maxrate", &(max_bitrate as u64).to_string());
    options.set("bufsize", &((max_bitrate * BURST) as u64).to_string());
    options.set("g", GOP);
    options.set("bf", "0");
    options.set("flags", "+low_delay");
    options.set("threads", if width * height <= ONE_THREAD_PIXELS { "1" } else { THREADS });
    // Matrix and range are [`COLOURS`]. Primaries and transfer are those of a JPEG (sRGB), so that a page shows both codecs
    // in the same colours.
    options.set("colorspace", "smpte170m");
    options.set("color_primaries", "bt709");
    options.set("color_trc", "iec61966-2-1");
    options.set("color_range", "tv");
    // No frame refers to one before a keyframe. The encoders have different names for this option.
    options.set("forced-idr", "1");
    options.set("forced_idr", "1");
    match name.as_str() {
        "libx264" => {
            options.set("preset", "superfast");
            options.set("tune", "zerolatency");
            options.set("crf", CRF);
        }
        // Other encoders have no constant quality within a limit: they get three quarters of the limit as a fixed
        // bitrate.
        other => {
            options.set("b", &((max_bitrate * 0.75) as u64).to_string());
            // Intel's encoders, and those of VA-API, otherwise process several frames at a time and delay the first
            // one.
            options.set("async_depth", "1");
            if other == "h264_nvenc" {
                options.set("zerolatency", "1");
                options.set("delay", "0");
            }
        }
    }
    options
}

impl fmt::Debug for OpenEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenEncoder")
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}
