//! The bitrate of a track, estimated from its arriving frames. No clock: frames bring their times.
//!
//! A keyframe has many times the bytes of a delta, so only whole GOPs are representative on a track with both.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::hub::frame::Frame;

/// Weight of the latest frame in the averages.
const FRAME_WEIGHT: f64 = 1.0 / 8.0;
/// A longer gap between two frames is a pause and does not count as a frame interval.
const PAUSE: Duration = Duration::from_secs(2);
/// Weight of the latest GOP in the average: one GOP is many frames.
const GOP_WEIGHT: f64 = 1.0 / 2.0;
/// The first GOP counts after this time. Until then, its keyframe makes up most of its bytes.
const MIN_GOP_SPAN: Duration = Duration::from_secs(1);
/// An estimate expires this long after the last frame: by then the scene may have changed.
const VALID_FOR: Duration = Duration::from_secs(60);

/// The bitrate estimate of one track.
#[derive(Debug, Default)]
pub(super) struct BitrateEstimate {
    /// Average bytes of a frame; zero until the first frame.
    bytes: f64,
    /// Average bytes of a frame in whole GOPs; zero until the first GOP with deltas is complete.
    gop_bytes: f64,
    /// The GOP that is arriving.
    gop: CurrentGop,
    /// Average microseconds between two frames; zero while unknown.
    interval: f64,
    /// The capture and arrival times of the last frame.
    last: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug, Default)]
struct CurrentGop {
    since: Timestamp,
    bytes: usize,
    frames: u32,
}

impl CurrentGop {
    fn bytes_per_frame(&self) -> f64 {
        self.bytes as f64 / f64::from(self.frames)
    }
}

impl BitrateEstimate {
    /// Takes an arriving frame into account.
    pub(super) fn note(&mut self, frame: &Frame) {
        if frame.is_keyframe() {
            if self.gop.frames > 1 {
                average(&mut self.gop_bytes, self.gop.bytes_per_frame(), GOP_WEIGHT);
            }
            self.gop = CurrentGop { since: frame.captured_at(), ..CurrentGop::default() };
        }
        self.gop.bytes += frame.payload.len();
        self.gop.frames += 1;
        average(&mut self.bytes, frame.payload.len() as f64, FRAME_WEIGHT);
        let before = self.last.replace((frame.captured_at(), frame.received_at));
        let interval = before.map(|(captured_at, _)| frame.captured_at().since(captured_at));
        if let Some(interval) = interval.filter(|time| !time.is_zero() && *time < PAUSE) {
            average(&mut self.interval, interval.as_micros() as f64, FRAME_WEIGHT);
        }
    }

    /// Returns the bitrate; `None` while too little is known, or once the last frame is too old.
    pub(super) fn bits_per_second(&self, now: Timestamp) -> Option<u64> {
        let (captured_at, received_at) = self.last?;
        let bytes = match self.gop_bytes {
            whole if whole > 0.0 => whole,
            _ if self.gop.frames <= 1 => self.bytes,
            _ if captured_at.since(self.gop.since) >= MIN_GOP_SPAN => self.gop.bytes_per_frame(),
            _ => return None,
        };
        let known = self.interval > 0.0 && now.since(received_at) < VALID_FOR;
        known.then(|| (bytes * 8.0 * 1e6 / self.interval) as u64)
    }
}

/// Moves an exponential average towards a value. Its first value is taken as it is.
fn average(known: &mut f64, value: f64, weight: f64) {
    *known = if *known == 0.0 { value } else { *known + (value - *known) * weight };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::fixture;
    use fanlight_protocol::FrameFlags;

    fn frame(at: u64, size: usize) -> Frame {
        let keyframe = fixture::keyframe(0, Timestamp::from_micros(at));
        Frame { payload: vec![0; size].into(), ..keyframe }
    }

    #[test]
    fn two_frames_give_an_estimate_and_a_pause_does_not_change_it() {
        let mut bitrate = BitrateEstimate::default();
        let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(bitrate.bits_per_second(at(0)), None);
        bitrate.note(&frame(0, 12_500));
        assert_eq!(bitrate.bits_per_second(at(0)), None, "one frame has no rate");
        bitrate.note(&frame(50_000, 12_500));
        assert_eq!(bitrate.bits_per_second(at(1)), Some(2_000_000));
        assert_eq!(bitrate.bits_per_second(at(61)), None, "long ago");
        bitrate.note(&frame(100_000_000, 12_500));
        assert_eq!(bitrate.bits_per_second(at(100)), Some(2_000_000));
    }

    #[test]
    fn a_keyframe_does_not_inflate_the_estimate_beyond_that_of_whole_gops() {
        let mut bitrate = BitrateEstimate::default();
        for n in 0..300 {
            let is_keyframe = n % 60 == 0;
            let mut frame = frame(n * 50_000, if is_keyframe { 8_000 } else { 1_000 });
            if !is_keyframe {
                frame.meta.flags = FrameFlags::default();
            }
            bitrate.note(&frame);
            let bits = bitrate.bits_per_second(frame.received_at);
            match n {
                0..20 => assert_eq!(bits, None),
                20..60 => assert!((150_000..220_000).contains(&bits.unwrap()), "{n} {bits:?}"),
                _ => assert!((178_000..180_000).contains(&bits.unwrap()), "{n} {bits:?}"),
            }
        }
    }
}
