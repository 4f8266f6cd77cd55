//! The description of a source for people: one property a line.

use std::fmt;
use std::time::Duration;

use fanlight_protocol::{Codec as TrackCodec, Timestamp};

use super::content::Codec;
use super::measure::{Measurement, Rate};
use crate::options::StreamSettings;
use crate::pipeline::gop::MAX_KEYFRAME_INTERVAL;
use crate::pipeline::passthrough;
use crate::source::{About, DecodedFrom};

/// The properties of a source.
pub(super) struct Report<'a> {
    pub(super) stream: &'a StreamSettings,
    pub(super) about: &'a About,
    pub(super) decoded_from: Option<DecodedFrom>,
    pub(super) opened_in: Duration,
    pub(super) measurement: &'a Measurement,
}

impl Report<'_> {
    /// Returns the lines, each with a name and a value.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let measured = self.measurement;
        let (width, height) = measured.content.size;
        let opened =
            format!("{}, in {:.1} s", self.about.description, self.opened_in.as_secs_f64());
        let lines = [
            ("source", Some(self.stream.source.to_string())),
            ("opened", Some(opened)),
            ("codec", Some(self.codec())),
            ("size", Some(format!("{width}x{height}"))),
            ("rate", Some(self.rate())),
            ("bitrate", self.bitrate()),
            ("colours", self.colours()),
            ("keyframes", self.keyframes()),
            ("clock", Some(self.clock())),
            ("damaged", self.damaged()),
            ("passthrough", Some(self.passthrough())),
            ("failed", measured.failure.as_ref().map(ToString::to_string)),
        ];
        let present = |(name, value): (_, Option<String>)| value.map(|value| (name, value));
        lines.into_iter().filter_map(present).collect()
    }

    fn codec(&self) -> String {
        match &self.decoded_from {
            Some(from) => from.format.clone(),
            None => self.measurement.content.codec.to_string(),
        }
    }

    fn rate(&self) -> String {
        match self.measurement.rate() {
            Some(Rate { frames, seconds, .. }) => {
                let fps = (frames - 1) as f64 / seconds;
                format!("{fps:.1} fps ({frames} frames in {seconds:.1} s)")
            }
            None => "unknown: one frame only".into(),
        }
    }

    fn bitrate(&self) -> Option<String> {
        let Rate { frames, bytes, seconds } = self.measurement.rate()?;
        (bytes > 0).then(|| {
            let megabits = bytes as f64 * 8e-6 / seconds;
            format!("{megabits:.1} Mbit/s ({} kB a frame)", bytes / frames as u64 / 1000)
        })
    }

    fn colours(&self) -> Option<String> {
        let colours = match &self.decoded_from {
            Some(from) => from.colours,
            None => self.measurement.content.colours,
        };
        colours.map(|colours| colours.to_string())
    }

    fn keyframes(&self) -> Option<String> {
        let Codec::H264(_) = self.measurement.content.codec else { return None };
        let times = &self.measurement.keyframes;
        Some(match (&times[..], self.keyframe_interval()) {
            ([first, .., last], _) => {
                let mean = last.since(*first).as_secs_f64() / (times.len() - 1) as f64;
                format!("every {mean:.1} s")
            }
            ([], _) => format!("none in {:.1} s", self.measurement.duration().as_secs_f64()),
            ([_], least) => format!("more than {:.1} s apart", least.as_secs_f64()),
        })
    }

    /// Returns the longest known distance of two keyframes, or the time without one.
    fn keyframe_interval(&self) -> Duration {
        let Measurement { frames, keyframes, .. } = self.measurement;
        let time = |(time, _): &(Timestamp, u64)| *time;
        let (first, last) = (frames.first().map(time), frames.last().map(time));
        let times: Vec<_> =
            first.into_iter().chain(keyframes.iter().copied()).chain(last).collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
    }

    fn clock(&self) -> String {
        let age = format!("frames are {} ms old when read", self.measurement.age.as_millis());
        match (self.about.recorded, self.measurement.has_clock) {
            (true, _) => "a recording: frames are captured when they are due".into(),
            (false, true) => format!("a time of day of its own; {age}"),
            (false, false) => format!("no time of day of its own; {age}"),
        }
    }

    fn damaged(&self) -> Option<String> {
        let Measurement { damaged, frames, .. } = self.measurement;
        (*damaged > 0).then(|| format!("{damaged} of {} frames", damaged + frames.len() as u64))
    }

    fn passthrough(&self) -> String {
        match self.obstacle() {
            None => "yes: viewers of the full size get these frames as they are".into(),
            Some(reason) => format!("no: {reason}"),
        }
    }

    fn obstacle(&self) -> Option<String> {
        if let Some(from) = &self.decoded_from {
            return Some(from.reason.clone());
        }
        let content = &self.measurement.content;
        let codec = match content.codec {
            Codec::Pixels => return Some("it delivers pixels".into()),
            Codec::Jpeg => TrackCodec::Jpeg,
            Codec::H264(_) => TrackCodec::H264,
        };
        let is_sparse =
            codec == TrackCodec::H264 && self.keyframe_interval() > MAX_KEYFRAME_INTERVAL;
        content.obstacle.map(|obstacle| obstacle.to_string()).or_else(|| {
            let refusal = passthrough::refusal(self.stream, codec).map(str::to_owned);
            refusal.or_else(|| {
                is_sparse.then(|| {
                    format!(
                        "keyframes are more than {:.1} s apart",
                        MAX_KEYFRAME_INTERVAL.as_secs_f64()
                    )
                })
            })
        })
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|(name, value)| writeln!(f, "{name:<11}  {value}"))
    }
}
