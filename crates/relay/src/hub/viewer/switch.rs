//! A change to another track of the same stream: the new one is kept beside the old one until a frame comes there with which
//! the viewer can go on.

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{Timestamp, TrackName};

use super::{Viewer, pixels};
use crate::hub::cursor::{Cursor, NEXT_KEYFRAME};
use crate::hub::ring::{Pick, Turn};
use crate::hub::viewer::slow_detector::SlowDetector;
use crate::hub::{Frame, Track};
use crate::stats::counters::{Direction, DropReason};

/// Frames captured closer together than this are the same picture: two tracks of a stream have it from one clock, but it
/// may have been translated in between.
const SAME: Duration = Duration::from_millis(1);
/// So long a GOP may be that is sent at once to change to it: more bytes would come at the worst moment.
const SHORT_GOP: Duration = Duration::from_millis(700);
/// A picture that one track of a stream has, the other will have within this time: encoding takes that long at most.
const IN_STEP: Duration = Duration::from_millis(150);

/// A cursor that is kept for later.
#[derive(Debug)]
pub(super) struct PendingSwitch {
    pub(super) cursor: Cursor,
    since: Timestamp,
    /// The moment when the newest frame seen there was captured.
    reached: Timestamp,
}

impl Viewer {
    /// Until its track has something to begin with, it is shown another one, where that is not so now. To be said before
    /// anything is sent. A track that has brought nothing so far may be one that never will, or that is in the midst of a
    /// GOP.
    pub fn begin_with(&mut self, meanwhile: &TrackName, now: Timestamp) {
        if !is_waited_for(self.cursor.track(), now) {
            return;
        }
        let (waker, behind) = (self.cursor.waker().clone(), self.cursor.behind());
        let other = self.stream.cursor(meanwhile, waker, behind).show();
        let cursor = mem::replace(&mut self.cursor, other).hide();
        let reached = Timestamp::default();
        self.next_seat = Some(Box::new(PendingSwitch { cursor, since: now, reached }));
    }

    /// Goes on with another track of its stream, as soon as that has a newer frame than was sent last. Until then it is
    /// sent what it was sent before: a change shows neither a gap nor an older picture.
    pub fn turn_to(&mut self, track: &TrackName, now: Timestamp) {
        if self.cursor.track().topic().track == *track {
            self.next_seat = None;
            return;
        }
        if self.turns_to().is_some_and(|next| next.topic().track == *track) {
            return;
        }
        let cursor = self.stream.cursor(track, self.cursor.waker().clone(), self.cursor.behind());
        let cursor = match self.last_sent {
            // What it has may come sooner, or alone.
            None if is_waited_for(cursor.track(), now) => cursor,
            None => {
                (self.cursor, self.next_seat) = (cursor.show(), None);
                return;
            }
            Some(_) => cursor.begin_within(SHORT_GOP),
        };
        self.next_seat =
            Some(Box::new(PendingSwitch { cursor, since: now, reached: Timestamp::default() }));
    }

    /// The track with which it will go on.
    pub fn turns_to(&self) -> Option<&Arc<Track>> {
        self.next_seat.as_ref().map(|next| next.cursor.track())
    }

    /// Whether it has been about to go on with another track for no longer than until that track's next keyframe.
    pub fn is_turning(&self, now: Timestamp) -> bool {
        self.next_seat.as_ref().is_some_and(|next| now.since(next.since) <= NEXT_KEYFRAME)
    }

    /// Whether it is about to go on with another rendition, and not only with another codec.
    pub fn is_changing_size(&self) -> bool {
        let rendition = |track: &Arc<Track>| track.topic().track.rendition.clone();
        self.turns_to().is_some_and(|next| rendition(next) != rendition(self.cursor.track()))
    }

    /// Whether no frame has come for so long of the track that it waits for. Where some came, a keyframe will, also where
    /// the one before them is missing.
    pub fn waits_in_vain(&self, now: Timestamp, patience: Duration) -> bool {
        self.next_seat.as_ref().is_some_and(|next| {
            let track = next.cursor.track();
            let came = track.has_deltas().then(|| track.came_at()).flatten();
            now.since(came.map_or(next.since, |came| came.max(next.since))) > patience
        })
    }

    /// Whether its own track has brought no frame for this long, though it has been watched for as long, and no other
    /// track is about to take its place.
    pub fn is_in_the_dark(&self, now: Timestamp, patience: Duration) -> bool {
        let heard = self.cursor.track().came_at().max(Some(self.since)).unwrap_or_default();
        self.next_seat.is_none() && now.since(heard) > patience
    }

    /// Stays with the track that it has.
    pub fn stay(&mut self) {
        self.next_seat = None;
    }

    /// Changes to the next cursor where there is a frame to go on with. Returns how long one is waited for that must come at
    /// any moment: where both tracks are in step, either may have the next picture first.
    ///
    /// Of a track with deltas, a GOP is gone on with from its keyframe, as soon as its newest picture is a new one.
    pub(super) fn change_seats(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut next = self.next_seat.take()?;
        if now.since(next.since) > NEXT_KEYFRAME {
            // A short GOP would have been better; to wait for one longer could go on for ever.
            next.cursor.begin_with_any();
        }
        let behind = next.cursor.behind();
        let pick = if behind.is_zero() { Pick::Newest } else { Pick::Behind(behind) };
        next.reached =
            if next.cursor.track().has_deltas() { Timestamp::default() } else { next.reached };
        while let Turn::Frame(step) = next.cursor.step(pick, now) {
            let shows = next.cursor.shows(&step, now);
            if shows > self.last.captured_at + SAME {
                next.cursor.pass(step.place - 1);
                self.go_on_at(next.cursor, &step.frame);
                return None;
            }
            next.reached = shows;
            if next.cursor.track().has_deltas() {
                break;
            }
            next.cursor.pass(step.place);
        }
        let has_one = next.reached > Timestamp::default();
        let in_step = has_one && next.reached + SAME >= self.last.captured_at;
        self.next_seat = Some(next);
        match self.cursor.step(self.pick(), now) {
            Turn::Frame(step) if in_step => {
                Some(step.frame.received_at + behind + IN_STEP).filter(|until| *until > now)
            }
            _ => None,
        }
    }

    /// A keyframe of the track that it turns away from would, on a link that is too narrow for that, hold up the one with
    /// which it is to go on.
    pub(super) fn waits_for_the_next_seat(&self, now: Timestamp) -> bool {
        let turns = |next: &PendingSwitch| now.since(next.since) < NEXT_KEYFRAME;
        self.cursor.is_broken() && self.next_seat.as_ref().is_some_and(|next| turns(next))
    }

    fn go_on_at(&mut self, cursor: Cursor, with: &Frame) {
        let missed = self.cursor.before(with.captured_at.offset(-(SAME.as_micros() as i64)));
        let held = if self.interval == 0 { self.held } else { DropReason::Wish };
        if missed > 0 {
            self.counters().drop_frames(held, missed);
            self.tally.dropped += if held.is_far_side() { missed } else { 0 };
        }
        self.cursor = cursor.show();
        self.pace = SlowDetector::default();
        self.switches += 1;
        if self.last_sent.is_none() {
            return;
        }
        // One that changes only the codec has as many.
        match pixels(with).cmp(&self.last.pixels) {
            Ordering::Less => self.stream.switches.count(Direction::Down),
            Ordering::Greater => self.stream.switches.count(Direction::Up),
            Ordering::Equal => {}
        }
    }
}

/// Whether it is not known when there will be something to begin with.
fn is_waited_for(track: &Track, now: Timestamp) -> bool {
    track.has_deltas() && !track.can_be_begun_with(now)
}
