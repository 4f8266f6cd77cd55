//! How many bits a second a track has, by the frames that came. No clock: frames carry their times.
//!
//! A keyframe has many times the bytes of a delta, so that of a track with both only whole GOPs tell.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Frame;

/// How much the latest frame counts in the averages.
const WEIGHT: f64 = 1.0 / 8.0;
/// A longer time between two frames is a pause, and no interval.
const PAUSE: Duration = Duration::from_secs(2);
/// How much the latest GOP counts: one is many frames.
const WEIGHT_OF_GOP: f64 = 1.0 / 2.0;
/// The first GOP tells something after this time: until then, its keyframe is most of it.
const TELLING: Duration = Duration::from_secs(1);
/// A track that rests for longer than this may look otherwise by now.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The weight of one track.
#[derive(Debug, Default)]
pub(super) struct BitrateEstimate {
    /// Bytes of a frame; zero while none came.
    bytes: f64,
    /// Bytes of a frame in whole GOPs; zero while none with deltas came.
    of_gops: f64,
    /// The newest keyframe, and what came after it.
    gop: Gop,
    /// Microseconds between two frames; zero while unknown.
    interval: f64,
    last: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug, Default)]
struct Gop {
    since: Timestamp,
    bytes: usize,
    frames: u32,
}

impl Gop {
    fn bytes_a_frame(&self) -> f64 {
        self.bytes as f64 / f64::from(self.frames)
    }
}

impl BitrateEstimate {
    /// Takes a frame into account.
    pub(super) fn note(&mut self, frame: &Frame) {
        if frame.flags.is_keyframe() {
            if self.gop.frames > 1 {
                average(&mut self.of_gops, self.gop.bytes_a_frame(), WEIGHT_OF_GOP);
            }
            self.gop = Gop { since: frame.captured_at, ..Gop::default() };
        }
        self.gop.bytes += frame.payload.len();
        self.gop.frames += 1;
        average(&mut self.bytes, frame.payload.len() as f64, WEIGHT);
        let before = self.last.replace((frame.captured_at, frame.received_at));
        let interval = before.map(|(captured_at, _)| frame.captured_at.since(captured_at));
        if let Some(interval) = interval.filter(|time| !time.is_zero() && *time < PAUSE) {
            average(&mut self.interval, interval.as_micros() as f64, WEIGHT);
        }
    }

    /// Bits a second; `None` where too little is known, or was so long ago that it says nothing.
    pub(super) fn bits(&self, now: Timestamp) -> Option<u64> {
        let (captured_at, received_at) = self.last?;
        let bytes = match self.of_gops {
            whole if whole > 0.0 => whole,
            _ if self.gop.frames <= 1 => self.bytes,
            _ if captured_at.since(self.gop.since) >= TELLING => self.gop.bytes_a_frame(),
            _ => return None,
        };
        let known = self.interval > 0.0 && now.since(received_at) < REMEMBERED;
        known.then(|| (bytes * 8.0 * 1e6 / self.interval) as u64)
    }
}

fn average(known: &mut f64, value: f64, weight: f64) {
    *known = if *known == 0.0 { value } else { *known + (value - *known) * weight };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::fixture;
    use fanlight_protocol::FrameFlags;

    fn frame(at: u64, size: usize) -> Frame {
        let picture = fixture::picture(0, Timestamp::from_micros(at));
        Frame { payload: vec![0; size].into(), ..picture }
    }

    #[test]
    fn two_frames_tell_it_and_a_pause_does_not_change_it() {
        let mut weight = BitrateEstimate::default();
        let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(weight.bits(at(0)), None);
        weight.note(&frame(0, 12_500));
        assert_eq!(weight.bits(at(0)), None, "one frame has no rate");
        weight.note(&frame(50_000, 12_500));
        assert_eq!(weight.bits(at(1)), Some(2_000_000));
        assert_eq!(weight.bits(at(61)), None, "long ago");
        weight.note(&frame(100_000_000, 12_500));
        assert_eq!(weight.bits(at(100)), Some(2_000_000));
    }

    #[test]
    fn a_keyframe_does_not_make_a_track_look_heavier_than_its_gops_are() {
        let mut weight = BitrateEstimate::default();
        for n in 0..300 {
            let is_keyframe = n % 60 == 0;
            let mut frame = frame(n * 50_000, if is_keyframe { 8_000 } else { 1_000 });
            if !is_keyframe {
                frame.flags = FrameFlags::default();
            }
            weight.note(&frame);
            let bits = weight.bits(frame.received_at);
            match n {
                0..20 => assert_eq!(bits, None),
                20..60 => assert!((150_000..220_000).contains(&bits.unwrap()), "{n} {bits:?}"),
                _ => assert!((178_000..180_000).contains(&bits.unwrap()), "{n} {bits:?}"),
            }
        }
    }
}
