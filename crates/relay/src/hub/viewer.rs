//! One subscription.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::bells::Bell;
use super::pace::Pace;
use super::ring::{Pick, Place, Step, Turn};
use super::{Frame, Stream, Track};
use crate::traffic::{Counters, Held, Outgoing, Transport};

/// So long without a picture, though there were newer ones, is a freeze: people see it.
const FREEZE: Duration = Duration::from_millis(200);

/// What a viewer gets.
#[derive(Debug)]
pub enum Next {
    /// This frame, now; and whether there are newer ones already.
    Frame(Arc<Frame>, Newer),
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing until its bell rings.
    Nothing,
}

/// Whether there are newer frames than one.
pub type Newer = bool;

/// How a viewer wants its stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Manner {
    /// At most so many frames a second; all where it is absent.
    pub fps: Option<f64>,
    /// Every frame, so long after it came; the newest where it is zero. At most [`MAX_BUFFER`](super::ring::MAX_BUFFER).
    pub behind: Duration,
}

/// One subscription: a place in a track's ring, and the right to be woken when there is more.
#[derive(Debug)]
pub struct Viewer {
    stream: Arc<Stream>,
    track: Arc<Track>,
    transport: Transport,
    place: Place,
    bell: Bell,
    pace: Pace,
    /// Every frame, so long after it came; zero: the newest.
    behind: Duration,
    /// The shortest time between two frames, in microseconds, where the viewer asked for fewer.
    interval: u64,
    next_due: Timestamp,
    /// When it was sent something last.
    last_sent: Option<Timestamp>,
    /// What it waited for since.
    held: Held,
}

impl Viewer {
    pub(super) fn new(
        stream: Arc<Stream>,
        track: Arc<Track>,
        transport: Transport,
        place: Place,
        bell: Bell,
        manner: Manner,
    ) -> Self {
        stream.traffic.over(transport).join();
        if !manner.behind.is_zero() {
            track.stay_behind(manner.behind);
        }
        Self {
            stream,
            track,
            transport,
            place,
            bell,
            pace: Pace::default(),
            behind: manner.behind,
            interval: manner.fps.map_or(0, |fps| (1_000_000.0 / fps) as u64),
            next_due: Timestamp::default(),
            last_sent: None,
            held: Held::Relay,
        }
    }

    /// Its stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Its track.
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Since when this viewer gets fewer frames than there are, because its link or machine is too slow.
    pub fn slow_since(&self) -> Option<Timestamp> {
        self.pace.slow_since()
    }

    /// What this viewer has to wait for: frames passed over meanwhile are counted under it.
    pub fn hold(&mut self, held: Held) {
        self.held = held;
    }

    /// What is sent next, at `now` by our clock. What it passes over is counted.
    pub fn next(&mut self, now: Timestamp) -> Next {
        loop {
            let step = match self.track.step(self.place, self.pick(), now) {
                Turn::Frame(step) => step,
                Turn::At(due) => return Next::At(due),
                Turn::Nothing => return Next::Nothing,
            };
            self.place = step.place;
            if self.is_thinned_out(&step.frame) {
                self.counters().drop_frames(Held::Wish, step.dropped + 1);
                continue;
            }
            self.count(&step, now);
            return Next::Frame(step.frame, step.behind > 0);
        }
    }

    fn pick(&self) -> Pick {
        match self.last_sent {
            // Whoever comes is shown a picture at once, also who wants to stay behind.
            None => Pick::Newest,
            Some(_) if !self.behind.is_zero() => Pick::Behind(self.behind),
            Some(_) if self.is_held_back() => Pick::Newest,
            Some(_) => Pick::InOrder,
        }
    }

    /// Slow, and not because this relay is: what lies before the newest would only make its pictures older.
    fn is_held_back(&self) -> bool {
        self.pace.slow_since().is_some() && self.held != Held::Relay
    }

    fn count(&mut self, step: &Step, now: Timestamp) {
        let counters = self.stream.traffic.over(self.transport);
        let age = now.since(step.frame.captured_at);
        let bytes = step.frame.payload.len();
        counters.send(Outgoing { bytes, age, places_behind: step.behind });
        // The frame that a late joiner begins with may be as old as it likes.
        if let Some(last_sent) = self.last_sent {
            let waited = now.since(step.frame.received_at).saturating_sub(self.behind);
            let dropped = if self.interval == 0 { step.dropped } else { 0 };
            if step.dropped > 0 {
                counters.drop_frames(self.held, step.dropped);
                if self.interval == 0 && now.since(last_sent) > FREEZE {
                    counters.freeze();
                }
            }
            self.pace.note(now, waited, dropped);
        }
        self.last_sent = Some(now);
        self.held = Held::Relay;
    }

    /// Whether a frame comes too soon for a viewer that asked for fewer. Due times advance by whole intervals, so that
    /// 10 of 30 frames a second are every third and not every fourth.
    fn is_thinned_out(&mut self, frame: &Frame) -> bool {
        if self.interval == 0 {
            return false;
        }
        // A clock that was set back would make everything early for as long.
        if frame.captured_at.offset(2 * self.interval as i64) < self.next_due {
            self.next_due = frame.captured_at;
        }
        // A frame may be a little early and still be the one that is due.
        let tolerance = (self.interval / 4) as i64;
        if frame.captured_at.offset(tolerance) < self.next_due {
            return true;
        }
        let due = self.next_due.offset(self.interval as i64);
        let from_here = frame.captured_at.offset(self.interval as i64 / 2);
        self.next_due = due.max(from_here);
        false
    }

    fn counters(&self) -> &Counters {
        self.stream.traffic.over(self.transport)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if !self.behind.is_zero() {
            self.track.catch_up(self.behind);
        }
        self.counters().leave();
        self.track.leave(&self.bell);
    }
}
