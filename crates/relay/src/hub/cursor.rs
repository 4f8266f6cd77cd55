//! A place in a track's ring, for as long as somebody has it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Track;
use super::ring::{CAPACITY, CursorState, MAX_GOP, Pick, Place, Step, Turn};
use crate::wake::Waker;

/// Deltas that are this much older than the newest are given up, and the next keyframe is waited for: frame age is the
/// promise. A keyframe that takes a fifth of a second on a narrow link must pass.
const PATIENCE: Duration = Duration::from_millis(400);

/// Within this time a keyframe comes on any track that runs: capture makes one every two seconds.
pub(super) const NEXT_KEYFRAME: Duration = Duration::from_millis(2500);

/// So long it may take until one that began with a GOP held has caught up.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Before deltas are given up, so long is tried whether the link carries them all at once, as it does after a hiccup: to
/// wait for a keyframe takes up to two seconds.
const HICCUP: Duration = Duration::from_millis(300);

/// A place in a track's ring, and the right to be woken when there is more. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Cursor {
    track: Arc<Track>,
    place: Place,
    chain: DecodeState,
    /// The moment when a frame was last sent from here.
    sent_at: Timestamp,
    waker: Waker,
    /// How far behind whoever has it stays.
    behind: Duration,
    /// Whether it is watched from, and not only kept for later.
    shown: bool,
}

/// What was sent of the frames before the place, for those that can be decoded only after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecodeState {
    /// Nothing yet. It begins with the GOP held where that is no longer than this.
    Begins(Duration),
    /// All since a keyframe, and until this moment older ones than there is patience for: they are for decoding, not to
    /// be seen. It had begun with a GOP held, or was held up.
    CatchUp(Timestamp, Cause),
    /// All since a keyframe.
    Synced,
    /// Something is missing.
    NeedsKeyframe,
}

/// Why somebody has to catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Began,
    WasHeldUp,
}

impl Cursor {
    /// Takes a cursor to watch from later: the track is asked for, but counts no viewer. It begins with the newest GOP
    /// held. Also says whether the track was not asked for until now.
    pub(super) fn take(track: Arc<Track>, waker: Waker, behind: Duration) -> (Self, bool) {
        let (place, first) = track.join(waker.clone());
        if !behind.is_zero() {
            track.stay_behind(behind);
        }
        let (chain, sent_at) = (DecodeState::Begins(MAX_GOP), Timestamp::default());
        (Self { track, place, chain, sent_at, waker, behind, shown: false }, first)
    }

    /// Begins only with a GOP that is no longer than this.
    pub(super) fn begin_within(mut self, span: Duration) -> Self {
        self.chain = DecodeState::Begins(span);
        self
    }

    /// Begins with any GOP that is held.
    pub(super) fn begin_with_any(&mut self) {
        if matches!(self.chain, DecodeState::Begins(_)) {
            self.chain = DecodeState::Begins(MAX_GOP);
        }
    }

    /// Watches from it from now on.
    pub(super) fn show(mut self) -> Self {
        self.track.show();
        self.shown = true;
        self
    }

    /// Keeps it for later.
    pub(super) fn hide(mut self) -> Self {
        if std::mem::take(&mut self.shown) {
            self.track.hide();
        }
        self
    }

    pub(super) fn track(&self) -> &Arc<Track> {
        &self.track
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn behind(&self) -> Duration {
        self.behind
    }

    /// Stays so far behind from now on.
    pub(super) fn stay_behind(&mut self, by: Duration) {
        if by == self.behind {
            return;
        }
        if !by.is_zero() {
            self.track.stay_behind(by);
        }
        if !self.behind.is_zero() {
            self.track.catch_up(self.behind);
        }
        self.behind = by;
    }

    pub(super) fn step(&self, pick: Pick, now: Timestamp) -> Turn {
        let patience = match self.chain {
            DecodeState::Begins(span) => span,
            _ if self.is_catching_up(now) => MAX_GOP,
            // Its turns may fall such that each keyframe is too old by then.
            DecodeState::NeedsKeyframe if now.since(self.sent_at) > NEXT_KEYFRAME => MAX_GOP,
            DecodeState::CatchUp(..) | DecodeState::Synced | DecodeState::NeedsKeyframe => PATIENCE,
        };
        let intact = matches!(self.chain, DecodeState::CatchUp(..) | DecodeState::Synced);
        self.track.step(CursorState { place: self.place, intact, patience }, pick, now)
    }

    /// A frame is sent from here.
    pub(super) fn go_on(&mut self, step: &Step, now: Timestamp) {
        (self.place, self.sent_at) = (step.place, now);
        self.chain = match self.chain {
            DecodeState::Begins(_) | DecodeState::NeedsKeyframe if self.hurries(step, now) => {
                DecodeState::CatchUp(now + CATCHING_UP, Cause::Began)
            }
            DecodeState::CatchUp(..) if step.behind > CAPACITY => self.chain,
            _ => DecodeState::Synced,
        };
    }

    /// Whether a frame is sent only so that those after it can be decoded, as fast as the link carries them.
    pub(super) fn hurries(&self, step: &Step, now: Timestamp) -> bool {
        let begins = matches!(self.chain, DecodeState::Begins(_) | DecodeState::NeedsKeyframe);
        begins && self.track.has_deltas() && step.behind > CAPACITY || self.is_catching_up(now)
    }

    /// A frame is passed over.
    pub(super) fn pass(&mut self, place: Place) {
        self.place = place;
        self.break_off();
    }

    /// All that was due is sent.
    pub(super) fn rest(&mut self) {
        if matches!(self.chain, DecodeState::CatchUp(..)) {
            self.chain = DecodeState::Synced;
        }
    }

    /// There is nothing to be sent. Where that is for lack of patience, it is tried to catch up; returns whether there is
    /// something now. What cannot be caught up is given up.
    pub(super) fn hurry(&mut self, now: Timestamp) -> bool {
        let has_fallen_behind = self.has_fallen_behind();
        self.chain = match self.chain {
            DecodeState::Synced if has_fallen_behind => {
                DecodeState::CatchUp(now + HICCUP, Cause::WasHeldUp)
            }
            DecodeState::CatchUp(..) if has_fallen_behind => DecodeState::NeedsKeyframe,
            DecodeState::CatchUp(..) => DecodeState::Synced,
            chain => chain,
        };
        self.is_catching_up(now)
    }

    /// There is nothing to be sent. Where that is for lack of patience, it is not tried to catch up.
    pub(super) fn give_up(&mut self) {
        if self.has_fallen_behind() {
            self.break_off();
        }
    }

    fn has_fallen_behind(&self) -> bool {
        self.track.has_deltas() && self.track.ahead(self.place) > CAPACITY
    }

    /// What was sent cannot be decoded: only a keyframe will do. Where there is nothing else, nothing is missing.
    pub(super) fn break_off(&mut self) {
        if self.track.has_deltas() && !matches!(self.chain, DecodeState::Begins(_)) {
            self.chain = DecodeState::NeedsKeyframe;
        }
    }

    /// When the picture was taken that would be the last to be seen, if this were sent now and all that may follow it.
    pub(super) fn shows(&self, step: &Step, now: Timestamp) -> Timestamp {
        let due = now.offset(-(self.behind.as_micros() as i64));
        let last = self.track.newest_until(due).filter(|_| self.track.has_deltas());
        last.map_or(step.frame.captured_at, |last| last.max(step.frame.captured_at))
    }

    /// Whether what is sent is for decoding, and not to be seen.
    pub(super) fn is_catching_up(&self, now: Timestamp) -> bool {
        matches!(self.chain, DecodeState::CatchUp(until, _) if now <= until)
    }

    /// Whether nothing but a keyframe will do.
    pub(super) fn is_broken(&self) -> bool {
        self.chain == DecodeState::NeedsKeyframe
    }

    /// Whether it has to catch up because it was held up.
    pub(super) fn was_held_up(&self) -> bool {
        matches!(self.chain, DecodeState::CatchUp(_, Cause::WasHeldUp))
    }

    /// Frames that are here and cannot be sent, as a keyframe is waited for.
    pub(super) fn forgone(&self, pick: Pick, now: Timestamp) -> u64 {
        match self.chain {
            DecodeState::NeedsKeyframe if matches!(self.step(pick, now), Turn::Nothing) => {
                self.track.ahead(self.place)
            }
            _ => 0,
        }
    }

    /// Frames from here on that were captured before this moment.
    pub(super) fn before(&self, captured_at: Timestamp) -> u64 {
        self.track.before(self.place, captured_at)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if !self.behind.is_zero() {
            self.track.catch_up(self.behind);
        }
        self.track.leave(&self.waker, self.shown);
    }
}
