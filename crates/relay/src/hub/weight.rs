//! How many bits a second a track has, by the frames that came. No clock: frames carry their times.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Frame;

/// How much the latest frame counts in the averages.
const WEIGHT: f64 = 1.0 / 8.0;
/// A longer time between two frames is a pause, and no interval.
const PAUSE: Duration = Duration::from_secs(2);
/// A track that rests for longer than this may look otherwise by now.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The weight of one track.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Bytes of a frame; zero while none came.
    bytes: f64,
    /// Microseconds between two frames; zero while unknown.
    interval: f64,
    last: Option<(Timestamp, Timestamp)>,
}

impl Weight {
    /// Takes a frame into account.
    pub(super) fn note(&mut self, frame: &Frame) {
        average(&mut self.bytes, frame.payload.len() as f64);
        let before = self.last.replace((frame.captured_at, frame.received_at));
        let interval = before.map(|(captured_at, _)| frame.captured_at.since(captured_at));
        if let Some(interval) = interval.filter(|time| !time.is_zero() && *time < PAUSE) {
            average(&mut self.interval, interval.as_micros() as f64);
        }
    }

    /// Bits a second; `None` where too little is known, or was so long ago that it says nothing.
    pub(super) fn bits(&self, now: Timestamp) -> Option<u64> {
        let (_, received_at) = self.last?;
        let known = self.interval > 0.0 && now.since(received_at) < REMEMBERED;
        known.then(|| (self.bytes * 8.0 * 1e6 / self.interval) as u64)
    }
}

fn average(known: &mut f64, value: f64) {
    *known = if *known == 0.0 { value } else { *known + (value - *known) * WEIGHT };
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::FrameFlags;

    fn frame(at: u64, size: usize) -> Frame {
        let at = Timestamp::from_micros(at);
        Frame {
            run: 0,
            sequence: 0,
            captured_at: at,
            read_at: at,
            published_at: at,
            received_at: at,
            flags: FrameFlags::KEYFRAME,
            width: 1,
            height: 1,
            payload: vec![0; size].into(),
        }
    }

    #[test]
    fn two_frames_tell_it_and_a_pause_does_not_change_it() {
        let mut weight = Weight::default();
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
}
