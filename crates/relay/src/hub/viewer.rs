//! One subscription.

use std::sync::Arc;

use fanlight_protocol::Timestamp;

use super::bells::Bell;
use super::pace::Pace;
use super::ring::Place;
use super::{Frame, Stream, Track};
use crate::traffic::Transport;

/// A frame that is this viewer's turn.
#[derive(Debug, Clone)]
pub struct Next {
    /// The frame.
    pub frame: Arc<Frame>,
    /// Whether this viewer has just become slow (true) or well again (false).
    pub slow_changed: Option<bool>,
}

/// One subscription: a place in a track's ring, and the right to be woken when there is more.
#[derive(Debug)]
pub struct Viewer {
    stream: Arc<Stream>,
    track: Arc<Track>,
    place: Place,
    bell: Bell,
    pace: Pace,
    /// The shortest time between two frames, in microseconds, where the viewer asked for fewer.
    interval: u64,
    next_due: Timestamp,
    begun: bool,
}

impl Viewer {
    pub(super) fn new(stream: Arc<Stream>, track: Arc<Track>, place: Place, bell: Bell) -> Self {
        let next_due = Timestamp::default();
        Self {
            stream,
            track,
            place,
            bell,
            pace: Pace::default(),
            interval: 0,
            next_due,
            begun: false,
        }
    }

    /// At most so many frames a second from now on; `None`: all.
    #[must_use]
    pub fn at_most(mut self, fps: Option<f64>) -> Self {
        self.interval = fps.map_or(0, |fps| (1_000_000.0 / fps) as u64);
        self
    }

    /// Its stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Its track.
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Whether this viewer gets fewer frames than there are, because its link or machine is too slow.
    pub fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    /// The next frame, where there is one; `now` by our clock. What it passes over is counted as dropped for this viewer, unless it asked
    /// for fewer.
    pub fn try_next(&mut self, transport: Transport, now: Timestamp) -> Option<Next> {
        loop {
            let step = self.track.step(self.place)?;
            self.place = step.place;
            if self.is_thinned_out(&step.frame) {
                continue;
            }
            // The frame that a late joiner begins with may be as old as it likes.
            let waited =
                if self.begun { now.since(step.frame.received_at) } else { Default::default() };
            let dropped = if self.interval == 0 && self.begun { step.dropped } else { 0 };
            self.begun = true;
            self.stream.traffic.count(transport, step.frame.payload.len(), dropped);
            let slow_changed = self.pace.note(now, waited, dropped);
            return Some(Next { frame: step.frame, slow_changed });
        }
    }

    /// Whether a frame comes too soon for a viewer that asked for fewer. Due times advance by whole intervals, so that
    /// 10 of 30 frames a second are every third and not every fourth.
    fn is_thinned_out(&mut self, frame: &Frame) -> bool {
        if self.interval == 0 {
            return false;
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
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.track.leave(&self.bell);
    }
}
