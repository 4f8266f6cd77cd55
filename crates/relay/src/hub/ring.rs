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
use super::bitrate::BitrateEstimate;

/// Frames a viewer may lag behind before it skips to the newest keyframe. Two outlast the jitter of a busy machine at 30
/// frames a second; more would only be age.
pub const CAPACITY: u64 = 2;

/// Furthest that a viewer may wish to stay behind.
pub const MAX_BUFFER: Duration = Duration::from_secs(5);

/// The longest GOP that is held for late joiners, in time and in bytes. A longer one would keep them decoding what
/// nobody sees for longer than it takes until the next keyframe.
pub const MAX_GOP: Duration = Duration::from_secs(3);
const MAX_GOP_BYTES: usize = 4 * 1024 * 1024;

/// Deltas are held for this long in any case, also of a GOP that is too long to be held whole: a viewer that was held up
/// may be behind by as much as it has patience for, and catches up from there.
const DELTAS: Duration = Duration::from_secs(1);

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
    weight: BitrateEstimate,
}

/// Where a viewer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorState {
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
        let are_deltas = self.frames.back().is_some_and(|newest| !newest.flags.is_keyframe());
        let reach = if are_deltas { self.reach.max(DELTAS) } else { self.reach };
        let too_many = self.frames.len() as u64 > CAPACITY && span > reach;
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
    pub fn step(&self, stand: CursorState, pick: Pick, now: Timestamp) -> Turn {
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
    fn can_go_on(&self, stand: CursorState) -> bool {
        self.at(stand.place).is_some_and(|frame| stand.intact || frame.flags.is_keyframe())
    }

    /// The newest keyframe, or what comes next, if either is young enough.
    fn skip(&self, stand: CursorState) -> Option<Place> {
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
mod tests;
