//! A switch to another track of the same stream: a standby cursor waits on the new track until the viewer can continue
//! there.

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{Timestamp, TrackName};

use super::Viewer;
use super::accounting::pixels;
use super::slow_detector::SlowDetector;
use crate::hub::cursor::{Cursor, KEYFRAME_WAIT};
use crate::hub::frame::Frame;
use crate::hub::ring::{DeliveryMode, NextFrame};
use crate::hub::track::Track;
use crate::stats::labels::{DropReason, SwitchDirection};

/// Frames captured closer together than this show the same picture. Two tracks of a stream share one clock, but its
/// times may have been converted in between.
const SAME_PICTURE: Duration = Duration::from_millis(1);
/// The longest GOP that is sent in one burst for a switch: more bytes would come at the worst moment.
const SHORT_GOP: Duration = Duration::from_millis(700);
/// The longest time between the arrivals of the same picture on two tracks of a stream: encoding takes no longer.
const TRACK_SKEW: Duration = Duration::from_millis(150);

/// A switch that waits for the new track.
#[derive(Debug)]
pub(super) struct PendingSwitch {
    pub(super) cursor: Cursor,
    since: Timestamp,
    /// The capture time of the newest frame seen on the new track.
    reached: Timestamp,
}

impl PendingSwitch {
    fn new(cursor: Cursor, since: Timestamp) -> Box<Self> {
        Box::new(Self { cursor, since, reached: Timestamp::default() })
    }
}

impl Viewer {
    /// Shows `fallback` until the viewer's own track has a frame to start with, if it has none now. Must be called
    /// before the first frame is sent. A track without frames may be one that never has any, or one in the middle of a
    /// GOP.
    pub fn start_with_fallback(&mut self, fallback: &TrackName, now: Timestamp) {
        if !must_wait_for(self.cursor.track(), now) {
            return;
        }
        let (waker, delay) = (self.cursor.waker().clone(), self.cursor.delay());
        let fallback = self.stream.open_cursor(fallback, waker, delay).activate();
        let cursor = mem::replace(&mut self.cursor, fallback).deactivate();
        self.pending_switch = Some(PendingSwitch::new(cursor, now));
    }

    /// Switches to another track of the stream as soon as it has a newer frame than was sent last. Until then the
    /// viewer stays on its track, so that a switch shows neither a gap nor an older picture.
    pub fn switch_to(&mut self, track: &TrackName, now: Timestamp) {
        if self.cursor.track().topic().track == *track {
            self.pending_switch = None;
            return;
        }
        if self.pending_track().is_some_and(|next| next.topic().track == *track) {
            return;
        }
        let (waker, delay) = (self.cursor.waker().clone(), self.cursor.delay());
        let cursor = self.stream.open_cursor(track, waker, delay);
        let cursor = match self.last_sent_at {
            // The current track may have a frame sooner, or be the only one that ever has.
            None if must_wait_for(cursor.track(), now) => cursor,
            None => {
                (self.cursor, self.pending_switch) = (cursor.activate(), None);
                return;
            }
            Some(_) => cursor.with_max_gop(SHORT_GOP),
        };
        self.pending_switch = Some(PendingSwitch::new(cursor, now));
    }

    /// Returns the track that the viewer is about to switch to.
    pub fn pending_track(&self) -> Option<&Arc<Track>> {
        self.pending_switch.as_ref().map(|next| next.cursor.track())
    }

    /// Returns whether a switch is pending for no longer than the new track needs for its next keyframe.
    pub fn is_switching(&self, now: Timestamp) -> bool {
        self.pending_switch.as_ref().is_some_and(|next| now.since(next.since) <= KEYFRAME_WAIT)
    }

    /// Returns whether a switch to another rendition is pending, and not only one to another codec.
    pub fn is_switching_size(&self) -> bool {
        let rendition = |track: &Arc<Track>| track.topic().track.rendition.clone();
        self.pending_track().is_some_and(|next| rendition(next) != rendition(self.cursor.track()))
    }

    /// Returns whether the track of a pending switch has received no frame for longer than `timeout`. If frames arrive,
    /// a keyframe will too, even if they are orphaned.
    pub fn is_switch_stalled(&self, now: Timestamp, timeout: Duration) -> bool {
        self.pending_switch.as_ref().is_some_and(|next| {
            let track = next.cursor.track();
            let arrived = track.has_deltas().then(|| track.last_arrival()).flatten();
            now.since(arrived.map_or(next.since, |at| at.max(next.since))) > timeout
        })
    }

    /// Returns whether the viewer's own track has received no frame for longer than `timeout`, though it was watched
    /// for as long and no switch is pending.
    pub fn is_starved(&self, now: Timestamp, timeout: Duration) -> bool {
        let last = self.cursor.track().last_arrival().max(Some(self.since)).unwrap_or_default();
        self.pending_switch.is_none() && now.since(last) > timeout
    }

    /// Stays on the current track.
    pub fn cancel_switch(&mut self) {
        self.pending_switch = None;
    }

    /// Completes the pending switch if the new track has a frame to continue with. Otherwise returns until when to wait
    /// for one that must arrive any moment: the tracks are in sync, and either may receive the next picture first.
    ///
    /// On a track with deltas, the viewer continues with a GOP from its keyframe, as soon as the newest picture of the
    /// GOP is newer than the last one shown.
    pub(super) fn try_switch(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut next = self.pending_switch.take()?;
        if now.since(next.since) > KEYFRAME_WAIT {
            // A short GOP would have been better, but it may never come.
            next.cursor.accept_any_gop();
        }
        let delay = next.cursor.delay();
        let mode =
            if delay.is_zero() { DeliveryMode::Newest } else { DeliveryMode::Delayed(delay) };
        let has_deltas = next.cursor.track().has_deltas();
        if has_deltas {
            next.reached = Timestamp::default();
        }
        while let NextFrame::Ready(delivery) = next.cursor.next_frame(mode, now) {
            let visible_at = next.cursor.visible_at(&delivery, now);
            if visible_at > self.last_frame.captured_at + SAME_PICTURE {
                next.cursor.skip_to(delivery.next - 1);
                self.complete_switch(next.cursor, &delivery.frame);
                return None;
            }
            next.reached = visible_at;
            if has_deltas {
                break;
            }
            next.cursor.skip_to(delivery.next);
        }
        let has_frame = next.reached > Timestamp::default();
        let in_sync = has_frame && next.reached + SAME_PICTURE >= self.last_frame.captured_at;
        self.pending_switch = Some(next);
        match self.cursor.next_frame(self.delivery_mode(), now) {
            NextFrame::Ready(delivery) if in_sync => {
                Some(delivery.frame.received_at + delay + TRACK_SKEW).filter(|until| *until > now)
            }
            _ => None,
        }
    }

    /// Returns whether to send nothing until the pending switch completes. The viewer needs a keyframe anyway, and one
    /// of the old track would hold up that of the new track on a narrow link.
    pub(super) fn awaits_switch(&self, now: Timestamp) -> bool {
        let is_recent = |next: &PendingSwitch| now.since(next.since) < KEYFRAME_WAIT;
        self.cursor.needs_keyframe()
            && self.pending_switch.as_ref().is_some_and(|next| is_recent(next))
    }

    fn complete_switch(&mut self, cursor: Cursor, first: &Frame) {
        let earlier = first.captured_at().offset(-(SAME_PICTURE.as_micros() as i64));
        let missed = self.cursor.count_before(earlier);
        let reason = if self.rate_limit.is_set() { DropReason::MaxFps } else { self.drop_reason };
        if missed > 0 {
            self.counters().record_dropped(reason, missed);
            self.stats.dropped += if reason.is_viewer_side() { missed } else { 0 };
        }
        self.cursor = cursor.activate();
        self.slow_detector = SlowDetector::default();
        self.switches += 1;
        if self.last_sent_at.is_none() {
            return;
        }
        // A switch of the codec alone keeps the number of pixels.
        match pixels(first).cmp(&self.last_frame.pixels) {
            Ordering::Less => self.stream.switches.count(SwitchDirection::Down),
            Ordering::Greater => self.stream.switches.count(SwitchDirection::Up),
            Ordering::Equal => {}
        }
    }
}

/// Returns whether it is unknown when a viewer could start on this track.
fn must_wait_for(track: &Track, now: Timestamp) -> bool {
    track.has_deltas() && !track.has_recent_entry_point(now)
}
