//! H.264, through any of libavcodec's encoders: no picture is held back, none refers to a later one, and whoever comes can
//! begin at every keyframe.
//!
//! - [`choice`]: which encoder;
//! - `form`: in which form it takes pictures;
//! - `card`: pictures in a graphics card's memory;
//! - `keyframes`: when a picture is to be one.

pub mod choice;
mod form;
mod keyframes;
#[expect(unsafe_code, reason = "ffmpeg-next has no words for graphics cards")]
mod vaapi;

use std::collections::VecDeque;
use std::fmt;

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};
use ffmpeg_next::codec::{self, encoder::video::Encoder};
use ffmpeg_next::{Dictionary, Packet, Rational, ffi, frame, picture};
use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Rect};
use opencv::imgproc::{COLOR_BGR2YUV_I420, cvt_color_def};

use super::EncodeError;
use crate::annex_b;
use crate::frame::{CaptureTimes, Frame};
pub use choice::{EncoderName, EncoderRequest, InvalidEncoder};
use form::Form;
use keyframes::Keyframes;
use vaapi::Card;

/// Smallest and largest side in pixels: of half as many colours there must be one, and beyond 8192 hardly anything decodes.
pub const SIDES: std::ops::RangeInclusive<u32> = 2..=8192;

/// How much of a picture x264 keeps, on its own scale, where the cap allows. In numbers (SSIM), a picture is nearly as near
/// to its original as a JPEG of quality 80; docs/performance.md has them.
const CRF: &str = "22";
/// The cap: bits a second of 1280x720 pictures, 30 a second. A fourth of the pixels takes a third of the bits.
const CAP: f64 = 4e6;
const CAP_PIXELS: f64 = 1280.0 * 720.0;
const SHRINKS: f64 = 0.75;
/// A keyframe is no larger than what the cap lets through in this time: half a second.
const BURST: f64 = 0.5;
/// Up to so many pixels one thread is fast enough, and makes the smallest pictures.
const ONE_THREAD: u32 = 1920 * 1088;
const THREADS: &str = "4";
/// Keyframes are asked for one by one; an encoder's own count must not come before.
const GOP: &str = "9999";
/// Encoders without delay take pictures to come at this rate, whatever their stamps: the cap is theirs by the picture, and
/// follows the true rate as far as it is known.
const NOMINAL_FPS: i32 = 30;
/// The true rate is that of so many pictures, and believed within these bounds.
const PACE_OF: f64 = 8.0;
const PACES: std::ops::RangeInclusive<f64> = 0.1..=8.0;
/// Smaller changes of it are not worth a change of the cap.
const PACE_STEP: f64 = 1.3;
/// Stamps count in these.
const MICROSECONDS: Rational = Rational(1, 1_000_000);
/// Some encoders hold pictures back all the same. No more than so many are waited for.
const MOST_HELD: usize = 32;

/// Encodes pictures of one track.
#[derive(Debug)]
pub struct H264Encoder {
    name: EncoderName,
    form: Form,
    running: Option<Running>,
    /// Kept from picture to picture.
    planes: Mat,
}

/// An encoder for pictures of one size.
struct Running {
    encoder: Encoder,
    input: frame::Video,
    /// Where the encoder takes pictures from, if not from our memory.
    card: Option<Card>,
    keyframes: Keyframes,
    /// Stamps count from the first picture.
    began_at: Timestamp,
    /// The stamp of the last picture that went in. They must grow.
    stamp: i64,
    /// How much slower than at the nominal rate pictures come, on average, and as the encoder was told.
    slowness: f64,
    told_slowness: f64,
    /// What went in and did not come out yet, by stamp.
    held: VecDeque<(i64, CaptureTimes)>,
}

impl H264Encoder {
    /// Encodes with this encoder, which is opened for the first picture.
    pub fn new(name: EncoderName) -> Self {
        // Where there is none, it will say so when it is opened.
        let form = name.codec().and_then(Form::of).unwrap_or(Form::Planes);
        Self { name, form, running: None, planes: Mat::default() }
    }

    /// Encodes a picture; as one that stands alone where somebody `wants` that, as far as they are not too frequent. `None`
    /// where the encoder holds it back. A side of an odd number of pixels loses one: colours are half as fine.
    ///
    /// # Errors
    /// When its size cannot be, or its bytes are too many, or the encoder fails; it is opened anew for the next one then.
    pub fn encode(
        &mut self,
        pixels: &Mat,
        taken: CaptureTimes,
        wanted: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        let (width, height) = (pixels.cols() as u32 & !1, pixels.rows() as u32 & !1);
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(EncodeError::H264Size(pixels.cols() as u32, pixels.rows() as u32));
        }
        let failed = |error: opencv::Error| EncodeError::Encoder(error.message);
        convert(pixels, (width, height), &mut self.planes).map_err(failed)?;
        let running = match self.running.take() {
            Some(running) if running.is_for(width, height) => running,
            _ => Running::new(&self.name, self.form, (width, height), taken.captured_at)?,
        };
        let running = self.running.insert(running);
        let encoded = running.encode(&self.planes, taken, wanted);
        if encoded.is_err() {
            self.close();
        }
        encoded
    }

    /// Lets go of the encoder and its memory. The next picture is a keyframe.
    pub fn close(&mut self) {
        self.running = None;
        self.planes = Mat::default();
    }
}

/// To one plane of brightness and two of colour, half as wide and high, one behind the other (ITU-R BT.601, 16 to 235).
fn convert(pixels: &Mat, (width, height): (u32, u32), planes: &mut Mat) -> opencv::Result<()> {
    let even = Mat::roi(pixels, Rect::new(0, 0, width as i32, height as i32))?;
    cvt_color_def(&even, planes, COLOR_BGR2YUV_I420)
}

impl Running {
    fn new(
        name: &EncoderName,
        form: Form,
        (width, height): (u32, u32),
        began_at: Timestamp,
    ) -> Result<Self, EncodeError> {
        let failed = |error: ffmpeg_next::Error| {
            EncodeError::Encoder(format!("{name} cannot encode {width}x{height}: {error}"))
        };
        let codec = name.codec().ok_or(ffmpeg_next::Error::EncoderNotFound).map_err(failed)?;
        let card = (form == Form::OnCard).then(|| Card::new(width, height)).transpose();
        let card = card.map_err(|error| {
            EncodeError::Encoder(format!(
                "VA-API has no graphics card for {width}x{height}: {error}"
            ))
        })?;
        let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
        video.set_width(width);
        video.set_height(height);
        video.set_format(form.taken());
        video.set_time_base(MICROSECONDS);
        video.set_frame_rate(Some(Rational(NOMINAL_FPS, 1)));
        if let Some(card) = &card {
            card.introduce_to(&mut video);
        }
        let encoder = video.open_with(options(name, width, height)).map_err(failed)?;
        Ok(Self {
            encoder,
            input: frame::Video::new(form.here(), width, height),
            card,
            keyframes: Keyframes::default(),
            began_at,
            stamp: -1,
            slowness: 1.0,
            told_slowness: 1.0,
            held: VecDeque::new(),
        })
    }

    fn is_for(&self, width: u32, height: u32) -> bool {
        (self.input.width(), self.input.height()) == (width, height)
    }

    fn encode(
        &mut self,
        planes: &Mat,
        taken: CaptureTimes,
        wanted: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        let failed = |error: ffmpeg_next::Error| EncodeError::Encoder(error.to_string());
        self.fill(planes)?;
        let before = self.stamp;
        self.stamp = taken.captured_at.micros_from(self.began_at).max(self.stamp + 1);
        self.input.set_pts(Some(self.stamp));
        if before >= 0 {
            self.keep_pace(self.stamp - before);
        }
        let due = self.keyframes.is_due(taken.captured_at, wanted);
        self.input.set_kind(if due { picture::Type::I } else { picture::Type::None });
        self.held.push_back((self.stamp, taken));
        if self.held.len() > MOST_HELD {
            return Err(EncodeError::Encoder(format!(
                "it holds back more than {MOST_HELD} pictures"
            )));
        }
        let uploaded = self.card.as_ref().map(|card| card.upload(&self.input)).transpose();
        let input = uploaded.map_err(failed)?;
        self.encoder.send_frame(input.as_ref().unwrap_or(&self.input)).map_err(failed)?;
        let mut packet = Packet::empty();
        match self.encoder.receive_packet(&mut packet) {
            Ok(()) => self.frame(&packet).map(Some),
            Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// So many microseconds went by since the picture before: where they come slower or faster, each may have more or less.
    fn keep_pace(&mut self, micros: i64) {
        let slowness = micros as f64 / 1e6 * f64::from(NOMINAL_FPS);
        let slowness = slowness.clamp(*PACES.start(), *PACES.end());
        self.slowness += (slowness - self.slowness) / PACE_OF;
        let change = self.slowness / self.told_slowness;
        if !(1.0 / PACE_STEP..=PACE_STEP).contains(&change) {
            self.told_slowness = self.slowness;
            let cap = cap(self.input.width(), self.input.height()) * self.slowness;
            set_cap(&mut self.encoder, cap);
        }
    }

    /// Copies the planes into the encoder's input.
    fn fill(&mut self, planes: &Mat) -> Result<(), EncodeError> {
        make_writable(&mut self.input)?;
        let bytes = planes.data_bytes().map_err(|error| EncodeError::Encoder(error.message))?;
        form::fill(&mut self.input, bytes)
            .ok_or_else(|| EncodeError::Encoder("a picture is smaller than it says".into()))
    }

    fn frame(&mut self, packet: &Packet) -> Result<Frame, EncodeError> {
        let stamp = packet.pts().unwrap_or(self.stamp);
        let at = self.held.iter().position(|(held, _)| *held == stamp).unwrap_or(0);
        let taken = self.held.drain(..=at).next_back().map(|(_, taken)| taken);
        let taken =
            taken.ok_or_else(|| EncodeError::Encoder("it gave a picture too many".into()))?;
        let bytes = packet.data().unwrap_or_default();
        let keyframe = packet.is_key();
        if keyframe {
            self.keyframes.made(taken.captured_at);
        }
        let payload = match keyframe && !annex_b::has_parameters(bytes) {
            // Nobody could begin with it.
            true => [self.parameters(), bytes].concat(),
            false => bytes.to_vec(),
        };
        if payload.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLarge(payload.len()));
        }
        let (width, height) = (self.input.width(), self.input.height());
        Ok(Frame::new(payload, taken, (width, height), keyframe))
    }

    /// Parameters that an encoder keeps apart from its pictures.
    #[expect(unsafe_code, reason = "ffmpeg-next has no words for extradata")]
    fn parameters(&self) -> &[u8] {
        // SAFETY: libavcodec's own memory, as long as it says, and alive as long as the encoder.
        unsafe {
            let context = self.encoder.as_ptr();
            match ((*context).extradata, (*context).extradata_size) {
                (start, length) if start.is_null() || length <= 0 => &[],
                (start, length) => std::slice::from_raw_parts(start, length as usize),
            }
        }
    }
}

/// An encoder may keep a picture for reference. It keeps the memory then, and the next one gets other memory.
#[expect(unsafe_code, reason = "ffmpeg-next has no words for it")]
fn make_writable(picture: &mut frame::Video) -> Result<(), EncodeError> {
    // SAFETY: the pointer is that of a frame which `picture` owns.
    match unsafe { ffi::av_frame_make_writable(picture.as_mut_ptr()) } {
        0 => Ok(()),
        _ => Err(EncodeError::Encoder("no memory for a picture".into())),
    }
}

/// x264 goes by it from the next picture on; others may not.
#[expect(unsafe_code, reason = "ffmpeg-next sets it before opening only")]
fn set_cap(encoder: &mut Encoder, cap: f64) {
    // SAFETY: the context is alive as long as the encoder, and the fields are plain integers which libavcodec looks at
    // while it encodes.
    unsafe {
        let context = encoder.as_mut_ptr();
        (*context).rc_max_rate = cap as i64;
        (*context).rc_buffer_size = (cap * BURST) as i32;
    }
}

/// Bits a second that pictures of this size may take.
fn cap(width: u32, height: u32) -> f64 {
    let pixels = f64::from(width) * f64::from(height);
    CAP * (pixels / CAP_PIXELS).powf(SHRINKS)
}

fn options(name: &EncoderName, width: u32, height: u32) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let cap = cap(width, height);
    options.set("maxrate", &(cap as u64).to_string());
    options.set("bufsize", &((cap * BURST) as u64).to_string());
    options.set("g", GOP);
    options.set("bf", "0");
    options.set("flags", "+low_delay");
    options.set("threads", if width * height <= ONE_THREAD { "1" } else { THREADS });
    for key in ["colorspace", "color_primaries", "color_trc"] {
        options.set(key, "smpte170m");
    }
    options.set("color_range", "tv");
    // A picture that is to stand alone is one after which nothing refers to what came before. Their words for it differ.
    options.set("forced-idr", "1");
    options.set("forced_idr", "1");
    match name.as_str() {
        "libx264" => {
            options.set("preset", "superfast");
            options.set("tune", "zerolatency");
            options.set("crf", CRF);
        }
        // These know no constant quality under a cap: three quarters of the cap, always.
        other => {
            options.set("b", &((cap * 0.75) as u64).to_string());
            // Those of Intel's, and of VA-API, would else work at several pictures at once, and give the first later.
            options.set("async_depth", "1");
            if other == "h264_nvenc" {
                options.set("zerolatency", "1");
                options.set("delay", "0");
            }
        }
    }
    options
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Scalar};

    use super::*;

    /// Bits a second of noise at this rate: as many as there may be.
    fn bits_of_noise(fps: u64, pictures: u64) -> f64 {
        let mut encoder = H264Encoder::new(EncoderName::usual().unwrap());
        let mut bytes = 0;
        for n in 0..pictures {
            let mut noise =
                Mat::new_rows_cols_with_default(180, 320, CV_8UC3, Scalar::all(0.0)).unwrap();
            opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
            let captured_at = Timestamp::from_micros(n * 1_000_000 / fps);
            let taken = CaptureTimes { captured_at, read_at: captured_at };
            let frame = encoder.encode(&noise, taken, false).unwrap().expect("none is held back");
            assert_eq!(frame.meta.times, taken.into());
            // At first nobody knows the rate.
            bytes += if n >= pictures / 2 { frame.payload.len() } else { 0 };
        }
        bytes as f64 * 8.0 * fps as f64 / (pictures - pictures / 2) as f64
    }

    #[test]
    fn slow_and_fast_cameras_have_the_same_bits_a_second() {
        let cap = cap(320, 180);
        for fps in [5, 15, 30, 60] {
            let bits = bits_of_noise(fps, fps * 12);
            assert!((cap * 0.6..cap * 1.4).contains(&bits), "{fps} fps: {bits} of {cap}");
        }
    }

    #[test]
    fn in_whatever_form_an_encoder_takes_a_picture_it_is_the_same() {
        let mut noise = Mat::new_rows_cols_with_default(50, 66, CV_8UC3, Scalar::all(0.0)).unwrap();
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(255.0)).unwrap();
        let [apart, in_turns] = [Form::Planes, Form::Interleaved].map(|form| {
            let usual = H264Encoder::new(EncoderName::usual().unwrap());
            let mut encoder = H264Encoder { form, ..usual };
            let captured_at = Timestamp::default();
            let taken = CaptureTimes { captured_at, read_at: captured_at };
            encoder.encode(&noise, taken, false).unwrap().unwrap().payload
        });
        assert!(apart == in_turns);
    }

    #[test]
    fn another_size_begins_anew_with_a_keyframe_and_sizes_that_cannot_be_are_refused() {
        let mut encoder = H264Encoder::new(EncoderName::usual().unwrap());
        let mut encode = |width, height, micros| {
            let grey = Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::all(90.0));
            let captured_at = Timestamp::from_micros(micros);
            let taken = CaptureTimes { captured_at, read_at: captured_at };
            encoder.encode(&grey.unwrap(), taken, false).map(|frame| frame.unwrap())
        };
        assert!(encode(64, 48, 0).unwrap().is_keyframe());
        assert!(!encode(64, 48, 33_000).unwrap().is_keyframe());
        let other = encode(49, 65, 66_000).unwrap();
        assert!(other.is_keyframe() && annex_b::has_parameters(&other.payload));
        assert_eq!((other.width, other.height), (48, 64));
        assert_eq!(encode(1, 64, 99_000), Err(EncodeError::H264Size(1, 64)));
    }
}
