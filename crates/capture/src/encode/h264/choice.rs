//! The choice of one of libavcodec's H.264 encoders. Each encoder is tested before it is accepted.

use std::fmt;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::Id;
use ffmpeg_next::{Codec, encoder};
use parking_lot::Mutex;

use super::H264Encoder;
use super::input_format::InputFormat;
use crate::frame::CaptureTimes;
use crate::native;
use crate::pixels::colours::Colours;
use crate::pixels::image::NEUTRAL;
use crate::pixels::{Image, Size};

/// The default encoder.
const DEFAULT: &str = "libx264";
/// The option value for no H.264 at all.
const NONE: &str = "none";
/// The one encoder that takes its frames from the memory of a graphics card.
const VAAPI: &str = "h264_vaapi";
/// H.264 encoders that libavcodec may have been built with. An error for an unknown encoder lists those that it has.
const KNOWN: [&str; 9] = [
    "libx264",
    "libopenh264",
    "h264_nvenc",
    "h264_amf",
    "h264_mf",
    "h264_qsv",
    VAAPI,
    "h264_v4l2m2m",
    "h264_omx",
];
/// Longest accepted name; libavcodec's are shorter.
const MAX_NAME: usize = 32;
/// The size at which an encoder is tested before anything starts.
const TEST_SIZE: Size = (320, 180);
/// Number of frames in a test: an encoder that delays more frames is of no use for live video.
const TEST_FRAMES: u64 = 6;
/// Timeout of a test: opening an encoder takes a few seconds at most.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The results of all tests so far: every stream may name an encoder, and a test may take long. There are as many as
/// the options name.
static TESTED: Mutex<Vec<(String, Result<EncoderName, InvalidEncoder>)>> = Mutex::new(Vec::new());

/// The name of an encoder that was tested and works on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderName(String);

/// The value of the encoder option: an encoder, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderRequest(pub Option<EncoderName>);

/// The reason why an encoder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncoder {
    /// libavcodec has no encoder of this name.
    #[error("FFmpeg has no encoder {0:?} on this machine: write {available}, or none to switch H.264 off", available = available())]
    Unknown(String),
    /// The encoder is for another codec.
    #[error("{0} does not encode H.264: write {available}", available = available())]
    OtherCodec(String),
    /// The encoder needs a feature that this program was built without.
    #[error(
        "this program was built without {0}: build fanlight-capture with --features vaapi, or choose another encoder"
    )]
    NotBuilt(&'static str),
    /// The encoder takes no supported pixel format.
    #[error("{0} takes none of the supported pixel formats: {formats}", formats = InputFormat::SUPPORTED)]
    Format(String),
    /// The encoder exists and does not work.
    #[error("{name} does not work on this machine: {reason}")]
    Broken {
        /// The name.
        name: String,
        /// The encoder's own error.
        reason: String,
    },
}

impl EncoderName {
    /// Returns the default encoder, libx264.
    ///
    /// # Errors
    /// Fails with the reason why it cannot be used.
    pub fn default_encoder() -> Result<Self, InvalidEncoder> {
        DEFAULT.parse()
    }

    /// Returns libavcodec's name of the encoder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn codec(&self) -> Option<Codec> {
        encoder::find_by_name(&self.0)
    }
}

impl FromStr for EncoderName {
    type Err = InvalidEncoder;

    fn from_str(text: &str) -> Result<Self, InvalidEncoder> {
        let name: String = text.chars().take(MAX_NAME).collect();
        let mut tested = TESTED.lock();
        if let Some((_, result)) = tested.iter().find(|(known, _)| *known == name) {
            return result.clone();
        }
        let result = Self::test_encoder(name.clone());
        tested.push((name, result.clone()));
        result
    }
}

impl EncoderName {
    fn test_encoder(name: String) -> Result<Self, InvalidEncoder> {
        native::prepare();
        if name == VAAPI && !cfg!(feature = "vaapi") {
            return Err(InvalidEncoder::NotBuilt(VAAPI));
        }
        let Some(codec) = encoder::find_by_name(&name) else {
            return Err(InvalidEncoder::Unknown(name));
        };
        if codec.id() != Id::H264 {
            return Err(InvalidEncoder::OtherCodec(name));
        }
        if InputFormat::of(codec).is_none() {
            return Err(InvalidEncoder::Format(name));
        }
        let encoder = Self(name);
        let subject = encoder.clone();
        match run_test(TEST_TIMEOUT, move || encode_test_frames(&subject)) {
            Ok(()) => Ok(encoder),
            Err(reason) => Err(InvalidEncoder::Broken { name: encoder.0, reason }),
        }
    }
}

impl FromStr for EncoderRequest {
    type Err = InvalidEncoder;

    fn from_str(text: &str) -> Result<Self, InvalidEncoder> {
        match text {
            NONE => Ok(Self(None)),
            name => name.parse().map(|name| Self(Some(name))),
        }
    }
}

impl fmt::Display for EncoderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tests an encoder on a thread of its own, which is abandoned after `timeout`: a driver may block for ever.
fn run_test(
    timeout: Duration,
    test: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let (sender, result) = mpsc::channel();
    let work = move || drop(sender.send(test()));
    let started = thread::Builder::new().name("encoder test".into()).spawn(work);
    started.map_err(|error| format!("cannot start a thread for its test: {error}"))?;
    match result.recv_timeout(timeout) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(format!("it does not answer within {} s", timeout.as_secs_f64()))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("its test panicked".into()),
    }
}

/// Encodes frames that must all be keyframes. It fails for an encoder whose device is missing, and for one that encodes
/// no keyframes on request.
fn encode_test_frames(name: &EncoderName) -> Result<(), String> {
    let grey = Image::filled(TEST_SIZE, Colours::JFIF, [90, NEUTRAL, NEUTRAL]);
    let grey = grey.map_err(|error| error.message)?;
    let mut encoder = H264Encoder::new(name.clone());
    let mut keyframes = 0;
    for second in 0..TEST_FRAMES {
        let captured_at = Timestamp::from_micros(second * 2_000_000);
        let times = CaptureTimes { captured_at, read_at: captured_at };
        match encoder.encode(&grey, times, true).map_err(|error| error.to_string())? {
            Some(frame) if !frame.is_keyframe() => {
                return Err("it encodes no keyframe on request".into());
            }
            Some(_) => keyframes += 1,
            None => {}
        }
    }
    if keyframes > 1 { Ok(()) } else { Err("it delays its output".into()) }
}

/// Lists the known encoders that libavcodec has and this program supports.
fn available() -> String {
    let is_supported = |name: &&str| *name != VAAPI || cfg!(feature = "vaapi");
    let is_available = |name: &&str| is_supported(name) && encoder::find_by_name(name).is_some();
    let available: Vec<&str> = KNOWN.into_iter().filter(is_available).collect();
    if available.is_empty() { "none".into() } else { available.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        name.parse::<EncoderRequest>().expect_err(name).to_string()
    }

    #[test]
    fn a_test_of_an_encoder_ends_at_its_timeout() {
        let (release, stuck) = mpsc::channel::<()>();
        let test = move || stuck.recv().map_err(|_| "released".into());
        let reason = run_test(Duration::from_millis(10), test).unwrap_err();
        assert_eq!(reason, "it does not answer within 0.01 s");
        drop(release);
        assert_eq!(run_test(Duration::from_secs(60), || Ok(())), Ok(()));
        assert_eq!(run_test(Duration::from_secs(60), || Err("no".into())), Err("no".into()));
    }

    #[test]
    fn an_encoder_that_works_is_accepted() {
        assert_eq!(EncoderName::default_encoder().unwrap().as_str(), "libx264");
        assert_eq!("none".parse(), Ok(EncoderRequest(None)));
    }

    #[test]
    fn an_encoder_that_cannot_be_used_is_refused_with_a_list_of_others() {
        let unknown = refused("h265");
        assert!(unknown.contains("\"h265\"") && unknown.contains("libx264"), "{unknown}");
        assert!(refused("mjpeg").contains("does not encode H.264"));
        assert!(refused(&"x".repeat(10_000)).len() < 300);
    }

    #[test]
    fn an_encoder_without_its_device_is_refused_with_its_own_error() {
        let vaapi = cfg!(feature = "vaapi").then_some(VAAPI);
        for name in ["h264_qsv", "h264_v4l2m2m"].into_iter().chain(vaapi) {
            if encoder::find_by_name(name).is_some() {
                let refused = name.parse::<EncoderName>().map_err(|error| error.to_string());
                assert!(
                    refused.is_ok() || refused.unwrap_err().contains("does not work"),
                    "{name}"
                );
            }
        }
        if encoder::find_by_name("libx264rgb").is_some() {
            assert!(refused("libx264rgb").contains(InputFormat::SUPPORTED));
        }
    }

    #[cfg(not(feature = "vaapi"))]
    #[test]
    fn an_encoder_of_a_missing_feature_is_refused_with_the_name_of_the_feature() {
        let refused = refused(VAAPI);
        assert!(
            refused.contains("h264_vaapi") && refused.contains("--features vaapi"),
            "{refused}"
        );
        assert!(!available().contains(VAAPI));
    }
}
