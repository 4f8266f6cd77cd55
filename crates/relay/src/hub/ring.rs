//! The frames a track holds, and which of them a viewer gets next.
//!
//! A viewer's queue is its place in the ring: nothing is stored per viewer. The drop policy is one pure function of
//! place and ring.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Frame;

/// Frames a viewer may lag behind before it skips to the newest. Two outlast the jitter of a busy machine at 30 frames
/// a second; more would only be age.
pub const CAPACITY: u64 = 2;

/// Most bytes of payload one ring holds; its newest frame it holds at any size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Frames are held no longer than this after a newer one came.
const MAX_SPAN: Duration = Duration::from_secs(2);

/// A place in a ring: the index of the frame a viewer wants next. Frames are counted as they come in, from 0.
pub type Place = u64;

/// The newest frames of a track. As long as its viewers need, no longer: [`CAPACITY`] frames.
#[derive(Debug, Default)]
pub struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Index of the next frame to come.
    head: Place,
    bytes: usize,
}

/// What a viewer gets next.
#[derive(Debug, Clone)]
pub struct Step {
    /// The frame.
    pub frame: Arc<Frame>,
    /// The viewer's place afterwards.
    pub place: Place,
    /// Frames passed over: dropped for this viewer.
    pub dropped: u64,
}

impl Ring {
    /// Takes in the newest frame and lets go of what is no longer needed.
    pub fn push(&mut self, frame: Arc<Frame>) {
        self.bytes += frame.payload.len();
        let newest = frame.received_at;
        self.frames.push_back(frame);
        self.head += 1;
        while self.frames.len() > 1 && self.exceeds(newest) {
            let oldest = self.frames.pop_front().expect("more than one");
            self.bytes -= oldest.payload.len();
        }
    }

    fn exceeds(&self, newest: fanlight_protocol::Timestamp) -> bool {
        self.frames.len() as u64 > CAPACITY
            || self.bytes > MAX_BYTES
            || self.frames.front().is_some_and(|oldest| newest.since(oldest.received_at) > MAX_SPAN)
    }

    /// Lets go of all frames. Places stay as they are.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<&Arc<Frame>> {
        self.frames.back()
    }

    /// Index of the next frame to come: the place of a viewer that has seen everything.
    pub fn head(&self) -> Place {
        self.head
    }

    /// The drop policy, for frames that stand alone: the next frame in order while the viewer keeps up, the newest
    /// when it has fallen further behind than the ring reaches.
    pub fn step(&self, place: Place) -> Option<Step> {
        let oldest = self.head - self.frames.len() as u64;
        let next = if place < oldest { self.head.saturating_sub(1) } else { place };
        let frame = self.frames.get(next.checked_sub(oldest)? as usize)?.clone();
        Some(Step { frame, place: next + 1, dropped: next - place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::{FrameFlags, Timestamp};

    fn frame(sequence: u64, received_at: u64, size: usize) -> Arc<Frame> {
        Arc::new(Frame {
            run: 0,
            sequence,
            captured_at: Timestamp::from_micros(received_at),
            read_at: Timestamp::from_micros(received_at),
            published_at: Timestamp::from_micros(received_at),
            received_at: Timestamp::from_micros(received_at),
            flags: FrameFlags::KEYFRAME,
            width: 1,
            height: 1,
            payload: vec![0; size].into(),
        })
    }

    fn ring(frames: u64) -> Ring {
        let mut ring = Ring::default();
        (0..frames).for_each(|n| ring.push(frame(n, n * 33_000, 10)));
        ring
    }

    #[test]
    fn a_viewer_that_keeps_up_gets_every_frame_in_order() {
        let mut ring = Ring::default();
        let mut place = 0;
        for sequence in 0..100 {
            ring.push(frame(sequence, sequence * 33_000, 10));
            let step = ring.step(place).unwrap();
            assert_eq!((step.frame.sequence, step.dropped), (sequence, 0));
            place = step.place;
            assert!(ring.step(place).is_none());
        }
    }

    #[test]
    fn a_viewer_within_capacity_misses_nothing() {
        let ring = ring(10);
        let step = ring.step(10 - CAPACITY).unwrap();
        assert_eq!((step.frame.sequence, step.dropped), (10 - CAPACITY, 0));
    }

    #[test]
    fn a_viewer_beyond_capacity_skips_to_the_newest_and_the_rest_is_counted() {
        let ring = ring(10);
        let step = ring.step(3).unwrap();
        assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 6));
    }

    #[test]
    fn every_frame_is_either_seen_or_dropped() {
        let mut ring = Ring::default();
        let (mut place, mut seen, mut dropped) = (0, 0, 0);
        for n in 0..1000u64 {
            ring.push(frame(n, n * 33_000, 10));
            if n % 7 == 0 || n % 5 == 0 {
                while let Some(step) = ring.step(place) {
                    (place, seen, dropped) = (step.place, seen + 1, dropped + step.dropped);
                }
            }
        }
        assert_eq!(seen + dropped, place);
    }

    #[test]
    fn a_cleared_ring_gives_nothing_until_the_next_frame() {
        let mut ring = ring(10);
        ring.clear();
        assert!([0, 9, 10, 11].iter().all(|&place| ring.step(place).is_none()));
        ring.push(frame(10, 330_000, 10));
        let step = ring.step(9).unwrap();
        assert_eq!((step.frame.sequence, step.dropped), (10, 1));
    }

    #[test]
    fn the_ring_is_bounded_in_frames_bytes_and_time() {
        assert_eq!(ring(100).frames.len() as u64, CAPACITY);
        let mut heavy = Ring::default();
        (0..3).for_each(|n| heavy.push(frame(n, n, MAX_BYTES - 1)));
        assert_eq!(heavy.frames.len(), 1);
        let mut slow = Ring::default();
        slow.push(frame(0, 0, 1));
        slow.push(frame(1, 3_000_000, 1));
        assert_eq!(slow.frames.len(), 1);
        assert_eq!(slow.newest().unwrap().sequence, 1);
    }
}
