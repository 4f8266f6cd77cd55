//! The newest frames of one track, and the drop policy that picks a cursor's next frame.
//!
//! A viewer's queue is an index into the ring: the ring stores nothing per viewer. The drop policy is one pure function
//! of the cursor's state, the ring and the current time.
//!
//! Frames are keyframes or deltas. The ring accepts a delta only directly after its predecessor, so every delta in the
//! ring follows the frame before it. A viewer receives a delta only after that predecessor. Neither rule affects tracks
//! that consist of keyframes only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::hub::arrival_gaps::ArrivalGaps;
use crate::hub::bitrate::BitrateEstimate;
use crate::hub::frame::Frame;

/// Frames a viewer may lag behind before it skips to the newest keyframe. Two outlast the jitter of a busy machine at
/// 30 frames a second; more would only add latency.
pub const MAX_LAG_FRAMES: u64 = 2;

/// Longest delay a viewer may ask for (`buffer`).
pub const MAX_BUFFER: Duration = Duration::from_secs(5);

/// The longest GOP that is held for late joiners, in time and in bytes. With a longer one, late joiners would decode
/// frames they do not show for longer than the wait until the next keyframe.
pub const MAX_GOP: Duration = Duration::from_secs(3);
const MAX_GOP_BYTES: usize = 4 * 1024 * 1024;

/// Deltas are held at least this long, even if their GOP is too long to be held whole. A viewer that was held up can
/// catch up from there, because it is allowed to lag by less than this.
const DELTA_RETENTION: Duration = Duration::from_secs(1);

/// Frames are held for this much longer than the longest delay. A delayed viewer that is held up for no longer than
/// this misses nothing.
const DELAY_MARGIN: Duration = Duration::from_secs(1);

/// Most bytes of payload one ring holds. It always holds its newest frame, whatever the size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Frames are held no longer than this after a newer one arrived, unless a viewer is delayed or they belong to the
/// newest GOP.
const MAX_SPAN: Duration = Duration::from_secs(2);

/// The position of a frame in its track, counted from 0 in order of arrival. It stays valid when the ring evicts the
/// frame.
pub type Index = u64;

/// The newest frames of a track.
///
/// It holds only what its viewers need: [`MAX_LAG_FRAMES`] frames and the newest GOP, or as much as the longest delay
/// among its viewers requires.
#[derive(Debug, Default)]
pub struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Index of the next frame to arrive.
    head: Index,
    /// Index of the newest keyframe, which the ring may have evicted.
    keyframe: Option<Index>,
    bytes: usize,
    /// Time for which frames are retained; zero if no viewer is delayed.
    retention: Duration,
    bitrate: BitrateEstimate,
    gaps: ArrivalGaps,
}

/// The part of a cursor that the drop policy depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorState {
    /// The frame to send next.
    pub index: Index,
    /// True if the frame before it was sent, so that a delta may follow.
    pub synced: bool,
    /// Once the cursor has fallen behind: how much older than the newest frame the next one may be.
    pub max_lag: Duration,
}

/// The rule that picks a viewer's next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The next frame in order, or the newest keyframe once the cursor has fallen further behind than
    /// [`MAX_LAG_FRAMES`].
    InOrder,
    /// The newest keyframe, whatever lies before it: for viewers whose link is too slow for every frame. Deltas come in
    /// order all the same.
    Newest,
    /// Every frame in order, each this long after it arrived.
    Delayed(Duration),
}

/// The drop policy's answer.
#[derive(Debug, Clone)]
pub enum NextFrame {
    /// Send this frame now.
    Ready(Delivery),
    /// The next frame is in the ring, but must not be sent before this moment.
    At(Timestamp),
    /// Nothing to send until another frame arrives.
    Nothing,
}

/// A frame to send, and the position it leads to.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The frame.
    pub frame: Arc<Frame>,
    /// The cursor's index after it.
    pub next: Index,
    /// Frames skipped before it: dropped for this viewer.
    pub dropped: u64,
    /// Frames in the ring that are newer than this one.
    pub newer: u64,
}

impl Ring {
    /// Adds the newest frame and evicts frames that are no longer needed. Returns false for a delta whose predecessor
    /// is missing: no viewer could decode it, so the ring rejects it.
    pub fn push(&mut self, frame: Arc<Frame>) -> bool {
        if frame.is_keyframe() {
            self.keyframe = Some(self.head);
        } else if !self.frames.back().is_some_and(|before| frame.follows(before)) {
            return false;
        }
        self.bytes += frame.payload.len();
        self.bitrate.note(&frame);
        self.gaps.note(frame.received_at);
        self.frames.push_back(frame);
        self.head += 1;
        self.evict();
        true
    }

    /// Sets the longest delay among the viewers; zero if none is delayed.
    pub fn set_longest_delay(&mut self, delay: Duration) {
        self.retention = if delay.is_zero() { delay } else { delay.min(MAX_BUFFER) + DELAY_MARGIN };
        self.evict();
    }

    fn evict(&mut self) {
        let Some(newest) = self.frames.back().map(|frame| frame.received_at) else { return };
        while self.frames.len() > 1 && self.exceeds(newest) {
            let oldest = self.frames.pop_front().expect("more than one");
            self.bytes -= oldest.payload.len();
        }
    }

    fn exceeds(&self, newest: Timestamp) -> bool {
        let span =
            self.frames.front().map_or(Duration::ZERO, |oldest| newest.since(oldest.received_at));
        let are_deltas = self.frames.back().is_some_and(|newest| !newest.is_keyframe());
        let retention =
            if are_deltas { self.retention.max(DELTA_RETENTION) } else { self.retention };
        let too_many = self.frames.len() as u64 > MAX_LAG_FRAMES && span > retention;
        let is_short_gop = || {
            self.keyframe == Some(self.oldest()) && self.bytes <= MAX_GOP_BYTES && span <= MAX_GOP
        };
        (too_many || self.bytes > MAX_BYTES || span > MAX_SPAN.max(self.retention))
            && !is_short_gop()
    }

    /// Drops all frames. Indices stay valid.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.keyframe = None;
        self.bytes = 0;
    }

    /// Returns the newest frame.
    pub fn newest(&self) -> Option<&Arc<Frame>> {
        self.frames.back()
    }

    /// Returns the newest of the frames that had arrived by `received_at`.
    pub fn newest_until(&self, received_at: Timestamp) -> Option<&Arc<Frame>> {
        self.frames.iter().rev().find(|frame| frame.received_at <= received_at)
    }

    /// Returns the index of the next frame to arrive, which is also the index of a cursor that was sent everything.
    pub fn head(&self) -> Index {
        self.head
    }

    /// Returns the index at which a late joiner starts: the keyframe of the newest GOP, which is the newest frame on
    /// tracks of keyframes. Returns `None` if the ring holds frames, but none to start with.
    pub fn entry_point(&self) -> Option<Index> {
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

    /// Returns the bitrate of the arriving frames in bits a second; `None` while unknown.
    pub fn bitrate(&self, now: Timestamp) -> Option<u64> {
        self.bitrate.bits_per_second(now)
    }

    /// Returns the usual time between two frames; `None` while unknown.
    pub fn usual_gap(&self) -> Option<Duration> {
        self.gaps.usual()
    }

    /// Counts the frames from `index` on that were captured before `captured_at`. Evicted frames count as earlier.
    pub fn count_before(&self, index: Index, captured_at: Timestamp) -> u64 {
        let oldest = self.oldest();
        let held = self.frames.iter().skip(index.saturating_sub(oldest) as usize);
        let earlier = held.filter(|frame| frame.captured_at() < captured_at).count() as u64;
        oldest.saturating_sub(index) + earlier
    }

    /// The drop policy: returns the next frame for a cursor in this state, and when to send it.
    ///
    /// - A cursor that missed nothing continues in order while it is within [`MAX_LAG_FRAMES`].
    /// - A cursor that has fallen further behind continues at the newest keyframe if one is ahead. Otherwise it
    ///   continues in order, as long as the next frame lags by no more than `max_lag`.
    /// - A cursor that missed a frame or exceeds `max_lag` waits for the next keyframe.
    pub fn next_frame(&self, state: CursorState, mode: DeliveryMode, now: Timestamp) -> NextFrame {
        let next = match mode {
            DeliveryMode::InOrder
                if state.index + MAX_LAG_FRAMES >= self.head && self.can_continue(state) =>
            {
                Some(state.index)
            }
            DeliveryMode::InOrder | DeliveryMode::Newest => self.skip(state),
            DeliveryMode::Delayed(_) if self.can_continue(state) => Some(state.index),
            DeliveryMode::Delayed(delay) => self.due_keyframe(delay, now, state.index),
        };
        let Some((next, frame)) = next.and_then(|next| Some((next, self.at(next)?))) else {
            return NextFrame::Nothing;
        };
        match mode {
            DeliveryMode::Delayed(delay) if frame.received_at + delay > now => {
                NextFrame::At(frame.received_at + delay)
            }
            _ => NextFrame::Ready(Delivery {
                frame: frame.clone(),
                next: next + 1,
                dropped: next - state.index,
                newer: self.head - 1 - next,
            }),
        }
    }

    /// Returns whether the ring holds the cursor's next frame, and the viewer can decode it.
    fn can_continue(&self, state: CursorState) -> bool {
        self.at(state.index).is_some_and(|frame| state.synced || frame.is_keyframe())
    }

    /// Returns the newest keyframe, or else the next frame in order, if it is recent enough.
    fn skip(&self, state: CursorState) -> Option<Index> {
        let keyframe = self.keyframe.filter(|at| *at >= state.index);
        let next = keyframe.or_else(|| self.can_continue(state).then_some(state.index))?;
        (self.lag(next)? <= state.max_lag).then_some(next)
    }

    /// Returns where a delayed cursor continues after it missed a frame: at the newest keyframe that is due, or else at
    /// the first that will be.
    fn due_keyframe(&self, delay: Duration, now: Timestamp, index: Index) -> Option<Index> {
        let oldest = self.oldest();
        let due = self.frames.partition_point(|frame| frame.received_at + delay <= now) as u64;
        let is_keyframe = |at: &Index| self.at(*at).is_some_and(|frame| frame.is_keyframe());
        let from = index.max(oldest);
        let newest_due = (from..oldest + due).rev().find(is_keyframe);
        newest_due.or_else(|| (from.max(oldest + due)..self.head).find(is_keyframe))
    }

    /// Returns how much older than the newest frame a frame is; `None` if it was evicted or has not arrived.
    fn lag(&self, at: Index) -> Option<Duration> {
        let frame = self.at(at)?;
        Some(self.newest()?.received_at.since(frame.received_at))
    }

    fn at(&self, index: Index) -> Option<&Arc<Frame>> {
        self.frames.get(index.checked_sub(self.oldest())? as usize)
    }

    fn oldest(&self) -> Index {
        self.head - self.frames.len() as u64
    }
}

#[cfg(test)]
mod tests;
