//! One stream: its name, its status and its tracks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::catalog::is_frozen;
use fanlight_protocol::{
    RenditionName, StreamName, StreamState, Timestamp, Topic, TrackEntry, TrackName,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hub::cursor::Cursor;
use crate::hub::lateness::Late;
use crate::hub::track::Track;
use crate::stats::counters::{StreamCounters, SwitchCounters};
use crate::wake::Waker;

/// A stream's status, as its publisher announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// Live, idle, offline or ended.
    pub state: StreamState,
    /// The reason for the state, for people; empty if there is nothing to say.
    pub reason: String,
    /// The time of the last change of state, by the relay's clock.
    pub since: Timestamp,
    /// True if no publisher has the stream any more.
    pub gone: bool,
    /// The source, with user and password masked.
    pub source: String,
    /// The tracks that the publisher announces.
    pub tracks: Vec<TrackEntry>,
}

impl StreamStatus {
    /// Returns since when the source repeats the same picture; `None` if it does not.
    pub fn frozen_since(&self) -> Option<Timestamp> {
        is_frozen(self.state, &self.reason).then_some(self.since)
    }

    /// Returns whether viewers would see the same. Ignores numbers that always move, such as rates.
    pub fn looks_like(&self, other: &Self) -> bool {
        let sizes = |status: &Self| -> Vec<_> {
            status.tracks.iter().map(|t| (t.name.clone(), t.width, t.height)).collect()
        };
        let said = |status: &Self| (status.state, status.reason.clone(), status.gone);
        said(self) == said(other) && self.source == other.source && sizes(self) == sizes(other)
    }
}

/// A stream. Its mutexes guard small values and are never held across a wait.
#[derive(Debug)]
pub struct Stream {
    name: StreamName,
    status: Mutex<Arc<StreamStatus>>,
    /// Counts the visible changes of the status.
    changes: AtomicU64,
    tracks: Mutex<BTreeMap<TrackName, Arc<Track>>>,
    /// Notified when a track gets its first cursor or needs a keyframe.
    demand_changed: Arc<Notify>,
    /// Counters of frames and viewers, by transport.
    pub counters: StreamCounters,
    /// Counts viewers that switched to a track of another size.
    pub switches: SwitchCounters,
}

impl Stream {
    pub(super) fn new(name: StreamName, status: StreamStatus, demand_changed: Arc<Notify>) -> Self {
        Self {
            name,
            status: Mutex::new(Arc::new(status)),
            changes: AtomicU64::new(0),
            tracks: Mutex::default(),
            demand_changed,
            counters: StreamCounters::default(),
            switches: SwitchCounters::default(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// Returns the current status.
    pub fn status(&self) -> Arc<StreamStatus> {
        self.status.lock().clone()
    }

    /// Returns how often the stream has visibly changed: a cheap check for news.
    pub fn change_count(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Replaces the status. Wakes all viewers if it looks different, and returns whether it does.
    pub fn set_status(&self, status: StreamStatus) -> bool {
        let status = Arc::new(status);
        let before = std::mem::replace(&mut *self.status.lock(), status.clone());
        let changed = !before.looks_like(&status);
        if changed {
            self.notify_change();
        }
        changed
    }

    /// Wakes all viewers, because the stream has visibly changed.
    pub fn notify_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.tracks().iter().for_each(|track| track.wake());
    }

    /// Returns the lateness of the track that is most late; `None` if none is late.
    pub fn late(&self) -> Option<Late> {
        let runs = matches!(self.status().state, StreamState::Live | StreamState::Idle);
        let tracks = self.tracks();
        let late = tracks.iter().filter(|_| runs).filter_map(|track| track.late());
        late.max_by_key(|late| late.age)
    }

    /// Returns the announced renditions, the largest first.
    pub fn renditions(&self) -> Vec<RenditionName> {
        let mut tracks = self.status().tracks.clone();
        tracks.sort_by_key(|track| {
            std::cmp::Reverse(u64::from(track.width) * u64::from(track.height))
        });
        let mut renditions: Vec<RenditionName> = Vec::new();
        for track in tracks {
            if !renditions.contains(&track.name.rendition) {
                renditions.push(track.name.rendition);
            }
        }
        renditions
    }

    /// Drops the frames of tracks without viewers, so that a stream without a publisher takes no memory for them.
    pub fn forget_frames(&self) {
        let tracks = self.tracks();
        tracks.iter().filter(|track| !track.has_demand()).for_each(|track| track.clear());
    }

    /// Returns all tracks that are or were watched.
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.tracks.lock().values().cloned().collect()
    }

    /// Returns a track that is or was watched.
    pub fn known_track(&self, name: &TrackName) -> Option<Arc<Track>> {
        self.tracks.lock().get(name).cloned()
    }

    /// Returns a track; creates it if it was never watched.
    pub fn track(&self, name: &TrackName) -> Arc<Track> {
        let topic = || Topic::new(self.name.clone(), name.clone());
        let make = || Arc::new(Track::new(topic(), self.demand_changed.clone()));
        self.tracks.lock().entry(name.clone()).or_insert_with(make).clone()
    }

    /// Wakes the viewers of silent tracks.
    pub fn wake_silent_tracks(&self, now: Timestamp) {
        let tracks = self.tracks();
        tracks
            .iter()
            .filter(|track| track.has_demand())
            .for_each(|track| track.wake_if_silent(now));
    }

    /// Returns the number of viewers of all tracks.
    pub fn viewers(&self) -> u64 {
        self.tracks().iter().map(|track| track.viewers()).sum()
    }

    /// Opens a standby cursor on a track, and creates demand for the track if there was none.
    pub(super) fn open_cursor(&self, name: &TrackName, waker: Waker, delay: Duration) -> Cursor {
        let (cursor, first) = Cursor::open(self.track(name), waker, delay);
        if first {
            self.demand_changed.notify_one();
        }
        cursor
    }
}
