//! The frames a track holds, and which of them a viewer gets next.
//!
//! A viewer's queue is its place in the ring: nothing is stored per viewer. The drop policy is one pure function of
//! where a viewer stands, of the ring, and of now.
//!
//! Frames are keyframes or deltas. A delta is taken in only right after the frame before it, so that within the ring
//! each one follows its predecessor; and a viewer is sent one only after that. For tracks of keyframes only, none of this
//! makes a difference.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Frame;
use super::weight::Weight;

/// Frames a viewer may lag behind before it skips to the newest keyframe. Two outlast the jitter of a busy machine at 30
/// frames a second; more would only be age.
pub const CAPACITY: u64 = 2;

/// Furthest that a viewer may wish to stay behind.
pub const MAX_BUFFER: Duration = Duration::from_secs(5);

/// The longest GOP that is held for late joiners, in time and in bytes. A longer one would keep them decoding what
/// nobody sees for longer than it takes until the next keyframe.
pub const MAX_GOP: Duration = Duration::from_secs(3);
const MAX_GOP_BYTES: usize = 4 * 1024 * 1024;

/// What is held for viewers that stay behind, beyond the time they stay behind: so long one may be held up and still
/// miss nothing.
const SLACK: Duration = Duration::from_secs(1);

/// Most bytes of payload one ring holds; its newest frame it holds at any size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Frames are held no longer than this after a newer one came, unless a viewer stays behind, or they are of the newest
/// GOP.
const MAX_SPAN: Duration = Duration::from_secs(2);

/// A place in a ring: the index of the frame a viewer wants next. Frames are counted as they come in, from 0.
pub type Place = u64;

/// The newest frames of a track. As long as its viewers need, no longer: [`CAPACITY`] frames and the newest GOP, or as
/// far back as the one that stays furthest behind.
#[derive(Debug, Default)]
pub struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Index of the next frame to come.
    head: Place,
    /// Index of the newest keyframe, which may be held no more.
    keyframe: Option<Place>,
    bytes: usize,
    /// How far back viewers reach; zero where all want the newest.
    reach: Duration,
    weight: Weight,
}

/// Where a viewer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// The frame it wants next.
    pub place: Place,
    /// Whether it was sent the frame before: a delta may come next.
    pub intact: bool,
    /// So much older than the newest may be what it is sent, where it has fallen behind.
    pub patience: Duration,
}

/// Which frame a viewer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The next in order; the newest keyframe when it has fallen further behind than [`CAPACITY`].
    InOrder,
    /// The newest, whatever lies before it: for one whose link is too slow for all. Deltas come in order all the same.
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
    /// Nothing until another frame comes.
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
    /// Takes in the newest frame and lets go of what is no longer needed. False where nobody could decode it, as the
    /// frame before it is not here: then it is not taken in.
    pub fn push(&mut self, frame: Arc<Frame>) -> bool {
        if frame.flags.is_keyframe() {
            self.keyframe = Some(self.head);
        } else if !self.frames.back().is_some_and(|before| frame.follows(before)) {
            return false;
        }
        self.bytes += frame.payload.len();
        self.weight.note(&frame);
        self.frames.push_back(frame);
        self.head += 1;
        self.trim();
        true
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
        let is_short_gop = || {
            self.keyframe == Some(self.oldest()) && self.bytes <= MAX_GOP_BYTES && span <= MAX_GOP
        };
        (too_many || self.bytes > MAX_BYTES || span > MAX_SPAN.max(self.reach)) && !is_short_gop()
    }

    /// Lets go of all frames. Places stay as they are.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.keyframe = None;
        self.bytes = 0;
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<&Arc<Frame>> {
        self.frames.back()
    }

    /// The newest of the frames that had come by then.
    pub fn newest_until(&self, received_at: Timestamp) -> Option<&Arc<Frame>> {
        self.frames.iter().rev().find(|frame| frame.received_at <= received_at)
    }

    /// Index of the next frame to come: the place of a viewer that has seen everything.
    pub fn head(&self) -> Place {
        self.head
    }

    /// Where a late joiner begins: with the newest GOP, which for many tracks is the newest frame. `None` where frames are
    /// held, but none to begin with.
    pub fn entry(&self) -> Option<Place> {
        if self.frames.is_empty() {
            return Some(self.head.saturating_sub(1));
        }
        let keyframe =
            self.keyframe.filter(|at| self.lag(*at).is_some_and(|lag| lag <= MAX_GOP))?;
        let gop = self.frames.range((keyframe - self.oldest()) as usize..);
        let short = |bytes: usize| bytes <= MAX_GOP_BYTES;
        let is_newest = keyframe + 1 == self.head;
        (is_newest || short(self.bytes) || short(gop.map(|frame| frame.payload.len()).sum()))
            .then_some(keyframe)
    }

    /// Bits a second of what came in; `None` while unknown.
    pub fn bits(&self, now: Timestamp) -> Option<u64> {
        self.weight.bits(now)
    }

    /// How many frames from this place on were captured before that moment. Those let go of were.
    pub fn before(&self, place: Place, captured_at: Timestamp) -> u64 {
        let oldest = self.oldest();
        let held = self.frames.iter().skip(place.saturating_sub(oldest) as usize);
        let earlier = held.filter(|frame| frame.captured_at < captured_at).count() as u64;
        oldest.saturating_sub(place) + earlier
    }

    /// The drop policy: which frame a viewer that stands there gets, and when.
    ///
    /// Whoever has missed nothing goes on in order, within [`CAPACITY`] in any case. Who has fallen further behind goes on
    /// at the newest keyframe, if there is one ahead; else in order as well, while that is no older than it has patience
    /// for. Who has missed something, or is out of patience, waits for the next keyframe.
    pub fn step(&self, stand: Stand, pick: Pick, now: Timestamp) -> Turn {
        let next = match pick {
            Pick::InOrder if stand.place + CAPACITY >= self.head && self.can_go_on(stand) => {
                Some(stand.place)
            }
            Pick::InOrder | Pick::Newest => self.skip(stand),
            Pick::Behind(_) if self.can_go_on(stand) => Some(stand.place),
            Pick::Behind(by) => self.due(by, now, stand.place),
        };
        let Some((next, frame)) = next.and_then(|next| Some((next, self.at(next)?))) else {
            return Turn::Nothing;
        };
        match pick {
            Pick::Behind(by) if frame.received_at + by > now => Turn::At(frame.received_at + by),
            _ => Turn::Frame(Step {
                frame: frame.clone(),
                place: next + 1,
                dropped: next - stand.place,
                behind: self.head - 1 - next,
            }),
        }
    }

    /// Whether the frame that a viewer wants next is here, and it can decode it.
    fn can_go_on(&self, stand: Stand) -> bool {
        self.at(stand.place).is_some_and(|frame| stand.intact || frame.flags.is_keyframe())
    }

    /// The newest keyframe, or what comes next, if either is young enough.
    fn skip(&self, stand: Stand) -> Option<Place> {
        let keyframe = self.keyframe.filter(|at| *at >= stand.place);
        let next = keyframe.or_else(|| self.can_go_on(stand).then_some(stand.place))?;
        (self.lag(next)? <= stand.patience).then_some(next)
    }

    /// Where a viewer goes on that stays behind and has missed something: at the newest keyframe that is due, or else the
    /// first that will be.
    fn due(&self, by: Duration, now: Timestamp, place: Place) -> Option<Place> {
        let oldest = self.oldest();
        let due = self.frames.partition_point(|frame| frame.received_at + by <= now) as u64;
        let is_keyframe = |at: &Place| self.at(*at).is_some_and(|frame| frame.flags.is_keyframe());
        let from = place.max(oldest);
        let newest_due = (from..oldest + due).rev().find(is_keyframe);
        newest_due.or_else(|| (from.max(oldest + due)..self.head).find(is_keyframe))
    }

    /// How much older than the newest a frame is; `None` where it is not held.
    fn lag(&self, at: Place) -> Option<Duration> {
        let frame = self.at(at)?;
        Some(self.newest()?.received_at.since(frame.received_at))
    }

    fn at(&self, place: Place) -> Option<&Arc<Frame>> {
        self.frames.get(place.checked_sub(self.oldest())? as usize)
    }

    fn oldest(&self) -> Place {
        self.head - self.frames.len() as u64
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
        fill(&mut ring, frames);
        ring
    }

    fn fill(ring: &mut Ring, frames: u64) {
        (0..frames).for_each(|n| assert!(ring.push(frame(n, n * FRAME, 10))));
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// One that missed nothing and has little patience.
    fn stand(place: Place) -> Stand {
        Stand { place, intact: true, patience: Duration::from_millis(400) }
    }

    /// What a viewer that wants the newest gets at a place.
    fn step(ring: &Ring, place: Place) -> Option<Step> {
        match ring.step(stand(place), Pick::InOrder, at(u64::MAX)) {
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
        let Turn::Frame(step) = ring.step(stand(8), Pick::Newest, at(0)) else {
            panic!("there is one")
        };
        assert_eq!((step.frame.sequence, step.place, step.dropped), (9, 10, 1));
        assert!(matches!(ring.step(stand(10), Pick::Newest, at(0)), Turn::Nothing));
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
                match ring.step(stand(place), Pick::Behind(second), at(n * FRAME)) {
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
        fill(&mut ring, 300);
        let now = at(299 * FRAME);
        let Turn::Frame(step) = ring.step(stand(5), Pick::Behind(second), now) else {
            panic!("one is due")
        };
        let age = now.since(step.frame.received_at);
        assert!(age >= second && age < second + Duration::from_micros(FRAME), "{age:?}");
        assert_eq!(step.dropped, step.frame.sequence - 5);
    }

    #[test]
    fn the_ring_is_as_long_as_its_viewers_need_and_no_longer() {
        let mut ring = Ring::default();
        let span = |ring: &Ring| {
            let [oldest, newest] = [ring.frames.front(), ring.frames.back()];
            newest.unwrap().received_at.since(oldest.unwrap().received_at)
        };
        ring.hold(Duration::from_secs(3600));
        fill(&mut ring, 600);
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
        (0..3).for_each(|n| assert!(heavy.push(frame(n, n, MAX_BYTES - 1))));
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
                    let Turn::Frame(step) = ring.step(stand(place), pick, at(n * FRAME)) else { break };
                    prop_assert!(last < Some(step.frame.sequence), "never an older one");
                    last = Some(step.frame.sequence);
                    (place, seen, dropped) = (step.place, seen + 1, dropped + step.dropped);
                    prop_assert_eq!(seen + dropped, place);
                }
            }
        }
    }
}
