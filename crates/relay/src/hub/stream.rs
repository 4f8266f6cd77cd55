//! A name, how it is, and its tracks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanlight_protocol::{
    Rendition, StreamName, StreamState, Timestamp, Topic, TrackEntry, TrackName,
};
use tokio::sync::Notify;

use super::cursor::Cursor;
use super::lateness::Late;
use super::{Track, ViewOptions, Viewer};
use crate::stats::counters::{Switches, Traffic, Transport};
use crate::wake::Waker;

/// How a stream is, as its publisher says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Live, idle, offline or ended.
    pub state: StreamState,
    /// Why, in words; empty where there is nothing to say.
    pub reason: String,
    /// Since when, by our clock.
    pub since: Timestamp,
    /// The source, with user and password masked.
    pub source: String,
    /// What the publisher says of its tracks.
    pub tracks: Vec<TrackEntry>,
}

impl Status {
    /// Whether the same would be shown to somebody who waits for changes: numbers that always move are left out.
    pub fn looks_like(&self, other: &Self) -> bool {
        let sizes = |status: &Self| -> Vec<_> {
            status.tracks.iter().map(|t| (t.name.clone(), t.width, t.height)).collect()
        };
        (self.state, &self.reason, &self.source) == (other.state, &other.reason, &other.source)
            && sizes(self) == sizes(other)
    }
}

/// A stream. Its mutexes guard small values and are never held across a wait.
#[derive(Debug)]
pub struct Stream {
    name: StreamName,
    status: Mutex<Arc<Status>>,
    /// Counts the changes of the status that anybody sees.
    changes: AtomicU64,
    tracks: Mutex<BTreeMap<TrackName, Arc<Track>>>,
    demand: Arc<Notify>,
    /// What went out to viewers.
    pub traffic: Traffic,
    /// How often viewers went on with another rendition.
    pub switches: Switches,
}

impl Stream {
    pub(super) fn new(name: StreamName, status: Status, demand: Arc<Notify>) -> Self {
        Self {
            name,
            status: Mutex::new(Arc::new(status)),
            changes: AtomicU64::new(0),
            tracks: Mutex::default(),
            demand,
            traffic: Traffic::default(),
            switches: Switches::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// How it is.
    pub fn status(&self) -> Arc<Status> {
        self.status.lock().expect("no panic while the status is replaced").clone()
    }

    /// How often it has changed as far as anybody sees it: a cheap way to find out whether there is news.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Replaces the status and wakes all viewers where it looks different; returns whether it does.
    pub fn set_status(&self, status: Status) -> bool {
        let status = Arc::new(status);
        let before = std::mem::replace(
            &mut *self.status.lock().expect("no panic while the status is replaced"),
            status.clone(),
        );
        let changed = !before.looks_like(&status);
        if changed {
            self.show_change();
        }
        changed
    }

    /// Wakes all viewers, because what is shown of the stream has changed.
    pub fn show_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.tracks().iter().for_each(|track| track.ring_bells());
    }

    /// Returns how late the latest of its tracks is; `None` where none is late.
    pub fn late(&self) -> Option<Late> {
        let runs = matches!(self.status().state, StreamState::Live | StreamState::Idle);
        let tracks = self.tracks();
        let late = tracks.iter().filter(|_| runs).filter_map(|track| track.late());
        late.max_by_key(|late| late.age)
    }

    /// The renditions there are, the full one first.
    pub fn renditions(&self) -> Vec<Rendition> {
        let mut tracks = self.status().tracks.clone();
        tracks.sort_by_key(|track| {
            std::cmp::Reverse(u64::from(track.width) * u64::from(track.height))
        });
        let mut renditions: Vec<Rendition> = Vec::new();
        for track in tracks {
            if !renditions.contains(&track.name.rendition) {
                renditions.push(track.name.rendition);
            }
        }
        renditions
    }

    /// All tracks that are or were watched.
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.lock_tracks().values().cloned().collect()
    }

    /// A track that is or was watched.
    pub fn known_track(&self, name: &TrackName) -> Option<Arc<Track>> {
        self.lock_tracks().get(name).cloned()
    }

    /// A track, made where nobody watched it so far.
    pub fn track(&self, name: &TrackName) -> Arc<Track> {
        let topic = || Topic::new(self.name.clone(), name.clone());
        let make = || Arc::new(Track::new(topic(), self.demand.clone()));
        self.lock_tracks().entry(name.clone()).or_insert_with(make).clone()
    }

    /// Wakes the viewers of tracks that are silent.
    pub fn remind(&self, now: Timestamp) {
        self.tracks().iter().filter(|track| track.is_wanted()).for_each(|track| track.remind(now));
    }

    /// Viewers of all tracks.
    pub fn viewers(&self) -> u64 {
        self.tracks().iter().map(|track| track.viewers()).sum()
    }

    /// Begins to watch a track: `waker` rings when there is a frame or the status changes.
    pub fn watch(
        self: &Arc<Self>,
        name: &TrackName,
        transport: Transport,
        manner: ViewOptions,
        waker: Waker,
        now: Timestamp,
    ) -> Viewer {
        let cursor = self.cursor(name, waker, manner.behind).show();
        if !cursor.track().can_be_joined() {
            cursor.track().wish_for_keyframe();
        }
        Viewer::new(self.clone(), cursor, transport, manner, now)
    }

    /// A cursor at a track, which is asked for where nobody wanted it so far.
    pub(super) fn cursor(&self, name: &TrackName, waker: Waker, behind: Duration) -> Cursor {
        let (cursor, first) = Cursor::take(self.track(name), waker, behind);
        if first {
            self.demand.notify_one();
        }
        cursor
    }

    fn lock_tracks(&self) -> std::sync::MutexGuard<'_, BTreeMap<TrackName, Arc<Track>>> {
        self.tracks.lock().expect("no panic while the map is looked at")
    }
}
