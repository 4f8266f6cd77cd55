//! The state of one published track: counters and whether it is watched.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fanlight_protocol::Topic;

/// Shared by the thread that publishes on a track, which counts, and the bus thread, which knows the demand.
#[derive(Debug)]
pub(crate) struct TrackState {
    topic: Topic,
    topic_bytes: Vec<u8>,
    watched: AtomicBool,
    published: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl TrackState {
    pub(crate) fn new(topic: Topic) -> Self {
        Self {
            topic_bytes: topic.to_string().into_bytes(),
            topic,
            watched: AtomicBool::new(false),
            published: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    pub(crate) fn topic_bytes(&self) -> &[u8] {
        &self.topic_bytes
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub(crate) fn set_watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    /// Returns the number of frames published: the sequence number of the next one.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_published(&self, bytes: usize) {
        self.published.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
