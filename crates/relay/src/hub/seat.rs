//! A place in a track's ring, for as long as somebody has it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Track;
use super::bells::Bell;
use super::ring::{Pick, Place, Turn};

/// A place in a track's ring, and the right to be woken when there is more. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    track: Arc<Track>,
    place: Place,
    bell: Bell,
    /// How far behind whoever has it stays.
    behind: Duration,
    /// Whether it is watched from, and not only kept for later.
    shown: bool,
}

impl Seat {
    /// Takes a seat to watch from later: the track is asked for, but counts no viewer. It begins with the newest frame
    /// held. Also says whether the track was not asked for until now.
    pub(super) fn take(track: Arc<Track>, bell: Bell, behind: Duration) -> (Self, bool) {
        let (place, first) = track.join(bell.clone());
        if !behind.is_zero() {
            track.stay_behind(behind);
        }
        (Self { track, place, bell, behind, shown: false }, first)
    }

    /// Watches from it from now on.
    pub(super) fn show(mut self) -> Self {
        self.track.show();
        self.shown = true;
        self
    }

    pub(super) fn track(&self) -> &Arc<Track> {
        &self.track
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
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
        self.track.step(self.place, pick, now)
    }

    pub(super) fn move_to(&mut self, place: Place) {
        self.place = place;
    }

    /// Frames from here on that were captured before this moment.
    pub(super) fn before(&self, captured_at: Timestamp) -> u64 {
        self.track.before(self.place, captured_at)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.behind.is_zero() {
            self.track.catch_up(self.behind);
        }
        self.track.leave(&self.bell, self.shown);
    }
}
