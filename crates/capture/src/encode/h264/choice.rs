//! Which of libavcodec's encoders is used.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::Id;
use ffmpeg_next::{Codec, encoder};
use opencv::core::{CV_8UC3, Mat, Scalar};

use super::H264Encoder;
use super::form::Form;
use crate::frame::CaptureTimes;
use crate::native;

/// The one that is used unless told.
const USUAL: &str = "libx264";
/// The word for no H.264 at all.
const NONE: &str = "none";
/// Encoders of H.264 that libavcodec may have been built with: named to whoever asks for one that is not there.
const KNOWN: [&str; 9] = [
    "libx264",
    "libopenh264",
    "h264_nvenc",
    "h264_amf",
    "h264_mf",
    "h264_qsv",
    "h264_vaapi",
    "h264_v4l2m2m",
    "h264_omx",
];
/// Longest name taken in; libavcodec's are shorter.
const LONGEST: usize = 32;
/// The size at which an encoder is tried before anything starts.
const SMALL: (i32, i32) = (320, 180);
/// Whoever holds back more than a few is of no use for live pictures.
const TRIED_PICTURES: u64 = 6;
/// A driver that does not answer within this time does not work. To open an encoder takes a few seconds at most.
const TRIED_FOR: Duration = Duration::from_secs(20);
/// What became of those tried so far: every stream may name one, and some take their time. As many as a user writes.
static TRIED: Mutex<Vec<(String, Result<EncoderName, InvalidEncoder>)>> = Mutex::new(Vec::new());

/// An encoder that was tried and works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderName(String);

/// What was asked for: an encoder, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderRequest(pub Option<EncoderName>);

/// A name of no encoder that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncoder {
    /// libavcodec has none of this name.
    #[error("FFmpeg has no encoder {0:?} here; for H.264 it has {there}, and none switches H.264 off", there = there())]
    Unknown(String),
    /// It is for something else.
    #[error("{0} does not encode H.264; for H.264 FFmpeg has {there} here", there = there())]
    OtherCodec(String),
    /// It wants pictures in a form that we do not make.
    #[error("{0} takes pictures in no form that is made here: {forms}", forms = Form::ALL)]
    Form(String),
    /// It is there and does not work.
    #[error("{name} does not work on this machine: {reason}")]
    Broken {
        /// Its name.
        name: String,
        /// What it said.
        reason: String,
    },
}

impl EncoderName {
    /// The usual one, where it is there.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn usual() -> Result<Self, InvalidEncoder> {
        USUAL.parse()
    }

    /// The name as libavcodec has it.
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
        let name: String = text.chars().take(LONGEST).collect();
        let mut known = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, result)) = known.iter().find(|(tried, _)| *tried == name) {
            return result.clone();
        }
        let result = Self::tried(name.clone());
        known.push((name, result.clone()));
        result
    }
}

impl EncoderName {
    fn tried(name: String) -> Result<Self, InvalidEncoder> {
        native::prepare();
        let Some(codec) = encoder::find_by_name(&name) else {
            return Err(InvalidEncoder::Unknown(name));
        };
        if codec.id() != Id::H264 {
            return Err(InvalidEncoder::OtherCodec(name));
        }
        if Form::of(codec).is_none() {
            return Err(InvalidEncoder::Form(name));
        }
        let chosen = Self(name);
        let tried = chosen.clone();
        match within(TRIED_FOR, move || encodes(&tried)) {
            Ok(()) => Ok(chosen),
            Err(reason) => Err(InvalidEncoder::Broken { name: chosen.0, reason }),
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

/// Tries an encoder on a thread of its own, which is abandoned if it takes too long: a driver may block for ever.
fn within(
    limit: Duration,
    tries: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    let trial = move || drop(tell.send(tries()));
    let started = thread::Builder::new().name("encoder trial".into()).spawn(trial);
    started.map_err(|error| format!("no thread to try it: {error}"))?;
    match told.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(format!("it does not answer within {} s", limit.as_secs_f64()))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("its trial failed".into()),
    }
}

/// Encodes some pictures, of which each is to stand alone: what needs a device that is not there says so, and so does what
/// makes no keyframes.
fn encodes(name: &EncoderName) -> Result<(), String> {
    let grey = Mat::new_rows_cols_with_default(SMALL.1, SMALL.0, CV_8UC3, Scalar::all(90.0));
    let grey = grey.map_err(|error| error.message)?;
    let mut encoder = H264Encoder::new(name.clone());
    let mut keyframes = 0;
    for second in 0..TRIED_PICTURES {
        let captured_at = Timestamp::from_micros(second * 2_000_000);
        let taken = CaptureTimes { captured_at, read_at: captured_at };
        match encoder.encode(&grey, taken, true).map_err(|error| error.to_string())? {
            Some(frame) if !frame.is_keyframe() => return Err("it makes no keyframe when asked".into()),
            Some(_) => keyframes += 1,
            None => {}
        }
    }
    if keyframes > 1 { Ok(()) } else { Err("it holds pictures back".into()) }
}

fn there() -> String {
    let there: Vec<&str> =
        KNOWN.into_iter().filter(|name| encoder::find_by_name(name).is_some()).collect();
    if there.is_empty() { "none".into() } else { there.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        name.parse::<EncoderRequest>().expect_err(name).to_string()
    }

    #[test]
    fn an_encoder_that_does_not_answer_is_not_waited_for() {
        let (free, stuck) = mpsc::channel::<()>();
        let trial = move || stuck.recv().map_err(|_| "let go".into());
        let reason = within(Duration::from_millis(10), trial).unwrap_err();
        assert_eq!(reason, "it does not answer within 0.01 s");
        drop(free);
        assert_eq!(within(Duration::from_secs(60), || Ok(())), Ok(()));
        assert_eq!(within(Duration::from_secs(60), || Err("no".into())), Err("no".into()));
    }

    #[test]
    fn an_encoder_that_is_there_and_works_is_taken() {
        assert_eq!(EncoderName::usual().unwrap().as_str(), "libx264");
        assert_eq!("none".parse(), Ok(EncoderRequest(None)));
    }

    #[test]
    fn one_that_cannot_be_used_is_refused_with_those_that_are_there() {
        let unknown = refused("h265");
        assert!(unknown.contains("\"h265\"") && unknown.contains("libx264"), "{unknown}");
        assert!(refused("mjpeg").contains("does not encode H.264"));
        assert!(refused(&"x".repeat(10_000)).len() < 300);
    }

    #[test]
    fn one_without_its_device_is_refused_with_what_it_says() {
        for name in ["h264_vaapi", "h264_qsv", "h264_v4l2m2m"] {
            if encoder::find_by_name(name).is_some() {
                let refused = name.parse::<EncoderName>().map_err(|error| error.to_string());
                assert!(
                    refused.is_ok() || refused.unwrap_err().contains("does not work"),
                    "{name}"
                );
            }
        }
        if encoder::find_by_name("libx264rgb").is_some() {
            assert!(refused("libx264rgb").contains("yuv420p, nv12 or vaapi"));
        }
    }
}
