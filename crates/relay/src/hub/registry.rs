//! All streams by name, and the listeners for changes of the list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_protocol::StreamName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hub::stream::{Stream, StreamStatus};
use crate::wake::{Waiters, Waker};

/// All streams, by name.
///
/// The mutex guards a map of handles. It is held for a look-up, never across a wait or a send.
#[derive(Debug)]
pub struct Hub {
    streams: Mutex<BTreeMap<StreamName, Arc<Stream>>>,
    /// Counts changes of the list: streams that appeared, disappeared or changed their state.
    changes: AtomicU64,
    listeners: Waiters,
    /// Notified when a track gets its first cursor or needs a keyframe.
    demand_changed: Arc<Notify>,
}

impl Hub {
    /// Creates an empty hub. It notifies `demand_changed` when a track gets its first cursor or needs a keyframe.
    pub fn new(demand_changed: Arc<Notify>) -> Self {
        Self {
            streams: Mutex::default(),
            changes: AtomicU64::new(0),
            listeners: Waiters::default(),
            demand_changed,
        }
    }

    /// Returns a stream by its name.
    pub fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.streams.lock().get(name).cloned()
    }

    /// Returns all streams, sorted by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.streams.lock().values().cloned().collect()
    }

    /// Returns the stream of this name; creates it with `status` if it is unknown.
    pub fn open(&self, name: &StreamName, status: StreamStatus) -> Arc<Stream> {
        let make = || Arc::new(Stream::new(name.clone(), status, self.demand_changed.clone()));
        let stream = self.streams.lock().entry(name.clone()).or_insert_with(make).clone();
        self.notify_change();
        stream
    }

    /// Removes a stream from the list. Its remaining viewers keep their cursors, and receive nothing.
    pub fn remove(&self, name: &str) {
        self.streams.lock().remove(name);
        self.notify_change();
    }

    /// Wakes the listeners, because the list has changed.
    pub fn notify_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.listeners.notify();
    }

    /// Returns how often the list has changed.
    pub fn change_count(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

/// Wakes its waker at every change of the list of streams, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    waker: Waker,
}

impl Listener {
    /// Registers `waker` for changes of the list.
    pub fn new(hub: Arc<Hub>, waker: Waker) -> Self {
        hub.listeners.add(waker.clone());
        Self { hub, waker }
    }

    /// Returns the registered waker.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.listeners.remove(&self.waker);
    }
}
