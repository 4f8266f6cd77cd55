//! One-to-many in memory: every track's newest frames, and the viewers' places among them.
//!
//! - [`Frame`]: one encoded picture, shared by all who send it;
//! - [`ring`]: the frames a track holds, and the drop policy;
//! - [`Track`]: a ring that rings the waiters of those who wait for it;
//! - [`Stream`]: a name, its status and its tracks;
//! - [`Viewer`]: one subscription: a cursor at a track, and a second one while it changes to another rendition;
//! - [`lateness`]: whether frames are old when they arrive;
//! - [`pace`]: whether a viewer keeps up;
//! - [`Waker`] and [`ThreadDispatcher`]: how those who wait are woken.
//!
//! What does not belong here: axum, ZeroMQ, and what is inside a payload.

mod bitrate;
mod cursor;
#[cfg(test)]
pub mod fixture;
mod frame;
pub mod lateness;
#[cfg(test)]
mod model;
pub(crate) mod prefetch;
pub mod ring;
mod stream;
mod track;
pub mod viewer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fanlight_protocol::StreamName;
use tokio::sync::Notify;

use crate::wake::{Waiters, Waker};
pub use frame::Frame;
pub use stream::{Status, Stream};
pub use track::Track;
pub use viewer::{Newer, Next, SendStats, ViewOptions, Viewer};

/// All streams, by name.
///
/// The mutex guards a map of handles only: it is held for a look-up, never across a wait or a send.
#[derive(Debug)]
pub struct Hub {
    streams: Mutex<BTreeMap<StreamName, Arc<Stream>>>,
    /// Counts changes of what is listed: streams that came or went, or changed their state.
    changes: AtomicU64,
    /// Of those who show the list.
    listeners: Waiters,
    /// Woken when a track is wanted that was not until now.
    demand: Arc<Notify>,
}

impl Hub {
    /// An empty hub. `demand` is rung when a track is wanted that was not until then.
    pub fn new(demand: Arc<Notify>) -> Self {
        Self {
            streams: Mutex::default(),
            changes: AtomicU64::new(0),
            listeners: Waiters::default(),
            demand,
        }
    }

    /// The stream of this name, where it is known.
    pub fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.lock().get(name).cloned()
    }

    /// All known streams, by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.lock().values().cloned().collect()
    }

    /// The stream of this name, made where it is not known yet.
    pub fn open(&self, name: &StreamName, status: Status) -> Arc<Stream> {
        let make = || Arc::new(Stream::new(name.clone(), status, self.demand.clone()));
        let stream = self.lock().entry(name.clone()).or_insert_with(make).clone();
        self.changed();
        stream
    }

    /// Forgets a stream. Viewers that it may still have keep their place, and wait.
    pub fn close(&self, name: &str) {
        self.lock().remove(name);
        self.changed();
    }

    /// Says that what is listed has changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.listeners.ring();
    }

    /// How often what is listed has changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Rings this waker at every change of what is listed, until [`Self::stop_listening`].
    pub fn listen(&self, waker: Waker) {
        self.listeners.add(waker);
    }

    /// Rings it no more.
    pub fn stop_listening(&self, waker: &Waker) {
        self.listeners.remove(waker);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StreamName, Arc<Stream>>> {
        self.streams.lock().expect("no panic while the map is looked at")
    }
}
