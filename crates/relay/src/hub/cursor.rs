//! A position in a track's ring, held by a viewer or by its pending switch.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::hub::ring::{
    CursorState, Delivery, DeliveryMode, Index, MAX_GOP, MAX_LAG_FRAMES, NextFrame,
};
use crate::hub::track::Track;
use crate::wake::Waker;

/// Deltas that lag further than this behind the newest frame are dropped, and the viewer waits for the next keyframe:
/// the relay promises a frame age. A keyframe that takes a fifth of a second on a narrow link must pass.
const MAX_DELTA_LAG: Duration = Duration::from_millis(400);

/// Every track that capture encodes has a keyframe within this time, because it encodes one every two seconds. A
/// camera's own H.264 may have them up to 4.5 s apart.
pub(super) const KEYFRAME_WAIT: Duration = Duration::from_millis(2500);

/// Time in which a cursor that started with a held GOP must catch up.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

/// Before a viewer that fell behind drops deltas, the relay sends the backlog for this long, as fast as the link takes
/// it. After a short stall the link usually takes it whole, while waiting for a keyframe takes up to two seconds.
const BACKLOG_LIMIT: Duration = Duration::from_millis(300);

/// A position in a track's ring, and the registration for wake-ups. Dropping it releases both.
///
/// An *active* cursor counts as a viewer of its track. A *standby* cursor belongs to a pending switch: it counts as
/// demand only.
#[derive(Debug)]
pub(super) struct Cursor {
    track: Arc<Track>,
    /// The frame to send next.
    index: Index,
    decode: DecodeState,
    /// The time at which a frame was last sent from this cursor.
    sent_at: Timestamp,
    waker: Waker,
    /// The time between the arrival of a frame and its sending; zero for the newest frame.
    delay: Duration,
    active: bool,
}

/// The frames before the index that were sent, as far as decoding the next one depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecodeState {
    /// None so far. The cursor starts with the held GOP if that is no longer than this.
    Start(Duration),
    /// All since a keyframe. Until this moment, frames may lag by more than [`MAX_DELTA_LAG`]: they are sent to be
    /// decoded, not to be shown.
    CatchUp(Timestamp, CatchUpCause),
    /// All since a keyframe.
    Synced,
    /// A frame is missing.
    NeedsKeyframe,
}

/// The reason for which a viewer has to catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchUpCause {
    /// It started with a held GOP.
    Joined,
    /// Its link or its client held it up.
    HeldUp,
}

impl Cursor {
    /// Opens a standby cursor that starts with the newest GOP held. Also returns whether it is the track's first, which
    /// creates demand.
    pub(super) fn open(track: Arc<Track>, waker: Waker, delay: Duration) -> (Self, bool) {
        let (index, first) = track.join(waker.clone());
        if !delay.is_zero() {
            track.add_delay(delay);
        }
        let (decode, sent_at) = (DecodeState::Start(MAX_GOP), Timestamp::default());
        (Self { track, index, decode, sent_at, waker, delay, active: false }, first)
    }

    /// Makes the cursor start only with a GOP that is no longer than `span`.
    pub(super) fn with_max_gop(mut self, span: Duration) -> Self {
        self.decode = DecodeState::Start(span);
        self
    }

    /// Lets a cursor that has not started yet start with any held GOP.
    pub(super) fn accept_any_gop(&mut self) {
        if matches!(self.decode, DecodeState::Start(_)) {
            self.decode = DecodeState::Start(MAX_GOP);
        }
    }

    /// Counts the cursor as a viewer.
    pub(super) fn activate(mut self) -> Self {
        self.track.add_viewer();
        self.active = true;
        self
    }

    /// Counts the cursor as demand only.
    pub(super) fn deactivate(mut self) -> Self {
        if std::mem::take(&mut self.active) {
            self.track.remove_viewer();
        }
        self
    }

    pub(super) fn track(&self) -> &Arc<Track> {
        &self.track
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn set_delay(&mut self, delay: Duration) {
        if delay == self.delay {
            return;
        }
        if !delay.is_zero() {
            self.track.add_delay(delay);
        }
        if !self.delay.is_zero() {
            self.track.remove_delay(self.delay);
        }
        self.delay = delay;
    }

    pub(super) fn next_frame(&self, mode: DeliveryMode, now: Timestamp) -> NextFrame {
        let max_lag = match self.decode {
            DecodeState::Start(span) => span,
            _ if self.is_catching_up(now) => MAX_GOP,
            // The viewer may look at moments when each keyframe already lags too far.
            DecodeState::NeedsKeyframe if now.since(self.sent_at) > KEYFRAME_WAIT => MAX_GOP,
            DecodeState::CatchUp(..) | DecodeState::Synced | DecodeState::NeedsKeyframe => {
                MAX_DELTA_LAG
            }
        };
        let synced = matches!(self.decode, DecodeState::CatchUp(..) | DecodeState::Synced);
        self.track.next_frame(CursorState { index: self.index, synced, max_lag }, mode, now)
    }

    /// Moves past a frame that is sent.
    pub(super) fn advance(&mut self, delivery: &Delivery, now: Timestamp) {
        (self.index, self.sent_at) = (delivery.next, now);
        self.decode = match self.decode {
            DecodeState::Start(_) | DecodeState::NeedsKeyframe
                if self.is_for_decoding_only(delivery, now) =>
            {
                DecodeState::CatchUp(now + CATCH_UP_LIMIT, CatchUpCause::Joined)
            }
            DecodeState::CatchUp(..) if delivery.newer > MAX_LAG_FRAMES => self.decode,
            _ => DecodeState::Synced,
        };
    }

    /// Returns whether a frame is sent only so that the frames after it can be decoded, as fast as the link takes it.
    pub(super) fn is_for_decoding_only(&self, delivery: &Delivery, now: Timestamp) -> bool {
        let starts = matches!(self.decode, DecodeState::Start(_) | DecodeState::NeedsKeyframe);
        starts && self.track.has_deltas() && delivery.newer > MAX_LAG_FRAMES
            || self.is_catching_up(now)
    }

    /// Moves to `index` without sending the frames before it.
    pub(super) fn skip_to(&mut self, index: Index) {
        self.index = index;
        self.require_keyframe();
    }

    /// Ends catching up: every frame that was due is sent.
    pub(super) fn finish_catch_up(&mut self) {
        if matches!(self.decode, DecodeState::CatchUp(..)) {
            self.decode = DecodeState::Synced;
        }
    }

    /// Called when there is nothing to send. If that is because the cursor lags too far, it starts to catch up; if it
    /// was catching up already, it gives up and needs a keyframe. Returns whether it is catching up, so that there may
    /// be something to send now.
    pub(super) fn try_catch_up(&mut self, now: Timestamp) -> bool {
        let has_fallen_behind = self.has_fallen_behind();
        self.decode = match self.decode {
            DecodeState::Synced if has_fallen_behind => {
                DecodeState::CatchUp(now + BACKLOG_LIMIT, CatchUpCause::HeldUp)
            }
            DecodeState::CatchUp(..) if has_fallen_behind => DecodeState::NeedsKeyframe,
            DecodeState::CatchUp(..) => DecodeState::Synced,
            decode => decode,
        };
        self.is_catching_up(now)
    }

    /// Called when there is nothing to send. If that is because the cursor lags too far, it needs a keyframe from now
    /// on, without an attempt to catch up.
    pub(super) fn abandon_backlog(&mut self) {
        if self.has_fallen_behind() {
            self.require_keyframe();
        }
    }

    fn has_fallen_behind(&self) -> bool {
        self.track.has_deltas() && self.track.frames_from(self.index) > MAX_LAG_FRAMES
    }

    /// Makes the cursor continue at a keyframe, because the viewer could not decode a delta. Does nothing on tracks of
    /// keyframes, and before the first frame.
    pub(super) fn require_keyframe(&mut self) {
        if self.track.has_deltas() && !matches!(self.decode, DecodeState::Start(_)) {
            self.decode = DecodeState::NeedsKeyframe;
        }
    }

    /// Returns the capture time of the last picture that the viewer would see, if `delivery` and every frame due after
    /// it were sent now.
    pub(super) fn visible_at(&self, delivery: &Delivery, now: Timestamp) -> Timestamp {
        let due = now.offset(-(self.delay.as_micros() as i64));
        let last = self.track.newest_until(due).filter(|_| self.track.has_deltas());
        last.map_or(delivery.frame.captured_at(), |last| last.max(delivery.frame.captured_at()))
    }

    /// Returns whether frames are sent to be decoded, not to be shown.
    pub(super) fn is_catching_up(&self, now: Timestamp) -> bool {
        matches!(self.decode, DecodeState::CatchUp(until, _) if now <= until)
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.decode == DecodeState::NeedsKeyframe
    }

    /// Returns whether the cursor has to catch up because it was held up.
    pub(super) fn was_held_up(&self) -> bool {
        matches!(self.decode, DecodeState::CatchUp(_, CatchUpCause::HeldUp))
    }

    /// Counts the frames that are here and cannot be sent, because the cursor waits for a keyframe.
    pub(super) fn undecodable(&self, mode: DeliveryMode, now: Timestamp) -> u64 {
        match self.decode {
            DecodeState::NeedsKeyframe
                if matches!(self.next_frame(mode, now), NextFrame::Nothing) =>
            {
                self.track.frames_from(self.index)
            }
            _ => 0,
        }
    }

    /// Counts the frames from the index on that were captured before `captured_at`.
    pub(super) fn count_before(&self, captured_at: Timestamp) -> u64 {
        self.track.count_before(self.index, captured_at)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if !self.delay.is_zero() {
            self.track.remove_delay(self.delay);
        }
        self.track.leave(&self.waker, self.active);
    }
}
