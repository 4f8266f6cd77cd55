//! The frames a track holds, and which of them a viewer gets next.
//!
//! A viewer's queue is its place in the ring: nothing is stored per viewer. The drop policy is one pure function of
//! place and ring.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Frame;
use super::weight::Weight;

/// Frames a viewer may lag behind before it skips to the newest. Two outlast the jitter of a busy machine at 30 frames
/// a second; more would only be age.
pub const CAPACITY: u64 = 2;

/// Furthest that a viewer may wish to stay behind.
pub const MAX_BUFFER: Duration = Duration::from_secs(5);

/// What is held for viewers that stay behind, beyond the time they stay behind: so long one may be held up and still
/// miss nothing.
const SLACK: Duration = Duration::from_secs(1);

/// Most bytes of payload one ring holds; its newest frame it holds at any size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Frames are held no longer than this after a newer one came, unless a viewer stays behind.
const MAX_SPAN: Duration = Duration::from_secs(2);

/// A place in a ring: the index of the frame a viewer wants next. Frames are counted as they come in, from 0.
pub type Place = u64;

/// The newest frames of a track. As long as its viewers need, no longer: [`CAPACITY`] frames, or as far back as the one
/// that stays furthest behind.
#[derive(Debug, Default)]
pub struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Index of the next frame to come.
    head: Place,
    bytes: usize,
    /// How far back viewers reach; zero where all want the newest.
    reach: Duration,
    weight: Weight,
}

/// Which frame a viewer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The next in order; the newest when it has fallen further behind than [`CAPACITY`].
    InOrder,
    /// The newest, whatever lies before it: for one whose link is too slow for all.
    Newest,
    /// Every one in order, each so long after it came.
    Behind(Duration),
}

/// What a viewer gets.
#[derive(Debug, Clone)]
pub enum Turn {
    /// This frame, now.
    Frame(Step),
    /// A frame that is there already, but not before this moment.
    At(Timestamp),
    /// Nothing until the next frame comes.
    Nothing,
}

/// A frame that is a viewer's turn.
#[derive(Debug, Clone)]
pub struct Step {
    /// The frame.
    pub frame: Arc<Frame>,
    /// The viewer's place afterwards.
    pub place: Place,
    /// Frames passed over: dropped for this viewer.
    pub dropped: u64,
    /// Newer frames than this one.
    pub behind: u64,
}

impl Ring {
    /// Takes in the newest frame and lets go of what is no longer needed.
    pub fn push(&mut self, frame: Arc<Frame>) {
        self.bytes += frame.payload.len();
        self.weight.note(&frame);
        self.frames.push_back(frame);
        self.head += 1;
        self.trim();
    }

    /// Holds frames as far back as viewers that stay `furthest` behind need them; zero where none does.
    pub fn hold(&mut self, furthest: Duration) {
        self.reach = if furthest.is_zero() { furthest } else { furthest.min(MAX_BUFFER) + SLACK };
        self.trim();
    }

    fn trim(&mut self) {
        let Some(newest) = self.frames.back().map(|frame| frame.received_at) else { return };
        while self.frames.len() > 1 && self.exceeds(newest) {
            let oldest = self.frames.pop_front().expect("more than one");
            self.bytes -= oldest.payload.len();
        }
    }

    fn exceeds(&self, newest: Timestamp) -> bool {
        let span =
            self.frames.front().map_or(Duration::ZERO, |oldest| newest.since(oldest.received_at));
        let too_many = self.frames.len() as u64 > CAPACITY && span > self.reach;
        too_many || self.bytes > MAX_BYTES || span > MAX_SPAN.max(self.reach)
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

    /// Bits a second of what came in; `None` while unknown.
    pub fn bits(&self, now: Timestamp) -> Option<u64> {
        self.weight.bits(now)
    }

    /// How many frames from this place on were captured before that moment. Those let go of were.
    pub fn before(&self, place: Place, captured_at: Timestamp) -> u64 {
        let oldest = self.head - self.frames.len() as u64;
        let held = self.frames.iter().skip(place.saturating_sub(oldest) as usize);
        let earlier = held.filter(|frame| frame.captured_at < captured_at).count() as u64;
        oldest.saturating_sub(place) + earlier
    }

    /// The drop policy, for frames that stand alone: which frame a viewer at this place gets, and when.
    pub fn step(&self, place: Place, pick: Pick, now: Timestamp) -> Turn {
        let oldest = self.head - self.frames.len() as u64;
        let newest = self.head.saturating_sub(1);
        let next = match pick {
            Pick::InOrder if place + CAPACITY < self.head || place < oldest => newest,
            Pick::Newest => newest.max(place),
            Pick::Behind(by) if place < oldest => self.due(by, now, oldest),
            Pick::InOrder | Pick::Behind(_) => place,
        };
        let at = next.checked_sub(oldest).map(|at| at as usize);
        let Some(frame) = at.and_then(|at| self.frames.get(at)) else { return Turn::Nothing };
        match pick {
            Pick::Behind(by) if frame.received_at + by > now => Turn::At(frame.received_at + by),
            _ => Turn::Frame(Step {
                frame: frame.clone(),
                place: next + 1,
                dropped: next - place,
                behind: newest - next,
            }),
        }
    }

    /// Where a viewer goes on that stays behind and has fallen out of the ring: at the newest frame that is due.
    fn due(&self, by: Duration, now: Timestamp, oldest: Place) -> Place {
        let due = self.frames.partition_point(|frame| frame.received_at + by <= now);
        oldest + due.saturating_sub(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::FrameFlags;
    use proptest::prelude::*;

    const FRAME: u64 = 33_000;

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

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// What a viewer that wants the newest gets at a place.
    fn step(ring: &Ring, place: Place) -> Option<Step> {
        match ring.step(place, Pick::InOrder, at(u64::MAX)) {
            Turn::Frame(step) => Some(step),
            Turn::At(_) => panic!("a live viewer never waits for a frame that is there"),
            Turn::Nothing => None,
        }
    }

    #[test]
    fn a_viewer_that_keeps_up_gets_every_frame_in_order() {
        let mut ring = Ring::default();
        let mut place = 0;
        for sequence in 0..100 {
            ring.push(frame(sequence, sequence * FRAME, 10));
            let step_ = step(&ring, place).unwrap();
            assert_eq!((step_.frame.sequence, step_.dropped), (sequence, 0));
            place = step_.place;
            assert!(step(&ring, place).is_none());
        }
    }

    #[test]
    fn a_viewer_within_capacity_misses_nothing() {
        let step = step(&ring(10), 10 - CAPACITY).unwrap();
        assert_eq!((step.frame.sequence, step.dropped), (10 - CAPACITY, 0));
    }

    #[test]
    fn a_viewer_beyond_capacity_skips_to_the_newest_and_the_rest_is_counted() {
        let step = step(&ring(10), 3).unwrap();
        assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 6));
    }

    #[test]
    fn a_viewer_with_a_slow_link_gets_the_newest_even_within_capacity() {
        let ring = ring(10);
        let Turn::Frame(step) = ring.step(8, Pick::Newest, at(0)) else { panic!("there is one") };
        assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 1));
        assert!(matches!(ring.step(10, Pick::Newest, at(0)), Turn::Nothing));
    }

    #[test]
    fn a_viewer_that_stays_behind_gets_every_frame_when_its_time_has_come() {
        let second = Duration::from_secs(1);
        let mut ring = Ring::default();
        ring.hold(second);
        let (mut place, mut seen) = (0, Vec::new());
        for n in 0..300u64 {
            ring.push(frame(n, n * FRAME, 10));
            loop {
                match ring.step(place, Pick::Behind(second), at(n * FRAME)) {
                    Turn::Frame(step) => {
                        assert!(at(n * FRAME).since(step.frame.received_at) >= second);
                        assert_eq!(step.dropped, 0);
                        seen.push(step.frame.sequence);
                        place = step.place;
                    }
                    Turn::At(due) => {
                        assert!(due > at(n * FRAME) && due <= at(n * FRAME) + second);
                        break;
                    }
                    Turn::Nothing => panic!("there is always a newer frame"),
                }
            }
        }
        assert!(seen.iter().copied().eq(0..seen.len() as u64) && seen.len() > 250, "{seen:?}");
    }

    #[test]
    fn a_viewer_that_stays_behind_and_was_held_up_too_long_goes_on_where_it_should_be() {
        let second = Duration::from_secs(1);
        let mut ring = Ring::default();
        ring.hold(second);
        (0..300u64).for_each(|n| ring.push(frame(n, n * FRAME, 10)));
        let now = at(299 * FRAME);
        let Turn::Frame(step) = ring.step(5, Pick::Behind(second), now) else {
            panic!("one is due")
        };
        let age = now.since(step.frame.received_at);
        assert!(age >= second && age < second + Duration::from_micros(FRAME), "{age:?}");
        assert_eq!(step.dropped, step.frame.sequence - 5);
    }

    #[test]
    fn the_ring_is_as_long_as_its_viewers_need_and_no_longer() {
        let mut ring = Ring::default();
        let fill = |ring: &mut Ring| (0..600u64).for_each(|n| ring.push(frame(n, n * FRAME, 10)));
        let span = |ring: &Ring| {
            let [oldest, newest] = [ring.frames.front(), ring.frames.back()];
            newest.unwrap().received_at.since(oldest.unwrap().received_at)
        };
        ring.hold(Duration::from_secs(3600));
        fill(&mut ring);
        assert!(span(&ring) <= MAX_BUFFER + SLACK, "{:?}", span(&ring));
        ring.hold(Duration::from_secs(1));
        assert!(span(&ring) <= Duration::from_secs(1) + SLACK);
        ring.hold(Duration::ZERO);
        assert_eq!(ring.frames.len() as u64, CAPACITY);
    }

    #[test]
    fn what_lies_before_a_moment_is_counted_also_where_it_is_no_longer_held() {
        let ring = ring(10);
        assert_eq!(ring.before(3, at(9 * FRAME)), 6);
        assert_eq!(ring.before(9, at(9 * FRAME)), 0);
        assert_eq!(ring.before(10, at(u64::MAX)), 0);
    }

    #[test]
    fn a_cleared_ring_gives_nothing_until_the_next_frame() {
        let mut ring = ring(10);
        ring.clear();
        assert!([0, 9, 10, 11].iter().all(|&place| step(&ring, place).is_none()));
        ring.push(frame(10, 330_000, 10));
        let step = step(&ring, 9).unwrap();
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

    fn any_pick() -> impl Strategy<Value = Pick> {
        let behind = (0..7000u64).prop_map(|millis| Pick::Behind(Duration::from_millis(millis)));
        prop_oneof![Just(Pick::InOrder), Just(Pick::Newest), behind]
    }

    proptest! {
        #[test]
        fn every_frame_is_either_seen_or_dropped_and_none_twice(
            pick in any_pick(),
            looks in proptest::collection::vec(0..5u64, 1..400),
        ) {
            let mut ring = Ring::default();
            if let Pick::Behind(by) = pick {
                ring.hold(by);
            }
            let (mut place, mut seen, mut dropped, mut last) = (0, 0, 0, None);
            for (n, looks) in looks.into_iter().enumerate() {
                let n = n as u64;
                ring.push(frame(n, n * FRAME, 10));
                for _ in 0..looks {
                    let Turn::Frame(step) = ring.step(place, pick, at(n * FRAME)) else { break };
                    prop_assert!(last < Some(step.frame.sequence), "never an older one");
                    last = Some(step.frame.sequence);
                    (place, seen, dropped) = (step.place, seen + 1, dropped + step.dropped);
                    prop_assert_eq!(seen + dropped, place);
                }
            }
        }
    }
}
