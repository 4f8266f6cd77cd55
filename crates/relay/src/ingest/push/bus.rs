//! Pushed streams on the bus, for the relays that share it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use fanlight_bus::{Endpoint, OutgoingFrame, Publisher, PublisherKeys, PublisherOptions};
use fanlight_bus::{TrackMonitor, TrackPublisher};
use fanlight_protocol::catalog::MAX_STREAMS;
use fanlight_protocol::{FrameMeta, StreamEntry, Topic};
use parking_lot::Mutex;

/// The name of the publisher in the folder and in catalogs.
const NAME: &str = "fanlight-relay";
/// Most tracks that are published in the lifetime of a relay. Subscriptions to a track are kept until the publisher ends.
const MAX_TOPICS: usize = 1024;

/// The endpoints at which the relay publishes the streams that are pushed into it.
#[derive(Debug, Default)]
pub struct BusSettings {
    /// The endpoints to bind; none: pushed streams are not published.
    pub endpoints: Vec<Endpoint>,
    /// Keys for TCP endpoints.
    pub keys: Option<PublisherKeys>,
}

/// The publisher of this relay. It binds its endpoints when the first stream is pushed.
#[derive(Debug)]
pub(super) struct PushBus {
    settings: BusSettings,
    started: Mutex<Option<Started>>,
}

#[derive(Debug)]
struct Started {
    publisher: Publisher,
    /// All tracks so far: the numbering of one continues when its stream is pushed again.
    tracks: HashMap<Topic, BusTrack>,
}

/// The sending end of one track on the bus.
#[derive(Clone)]
pub(super) struct BusTrack {
    track: Arc<Mutex<TrackPublisher>>,
    monitor: TrackMonitor,
}

impl fmt::Debug for BusTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.monitor.fmt(f)
    }
}

impl BusTrack {
    /// Sends a frame if another relay watches the track. Only then is the payload copied.
    pub(super) fn publish(&self, meta: FrameMeta, payload: &[u8]) {
        if self.monitor.is_watched() {
            self.track.lock().publish(OutgoingFrame { meta, payload: payload.to_vec() });
        }
    }
}

impl PushBus {
    pub(super) fn new(settings: BusSettings) -> Self {
        Self { settings, started: Mutex::new(None) }
    }

    /// Opens a track; `None` if it cannot be published. The relay shows the stream nevertheless.
    pub(super) fn track(&self, topic: &Topic) -> Option<BusTrack> {
        if self.settings.endpoints.is_empty() {
            return None;
        }
        let mut started = self.started.lock();
        let started = match &mut *started {
            Some(started) => started,
            none => none.insert(self.start()?),
        };
        if let Some(known) = started.tracks.get(topic) {
            return Some(known.clone());
        }
        if started.tracks.len() >= MAX_TOPICS {
            tracing::warn!(%topic, limit = MAX_TOPICS, "too many tracks: other relays do not get this one");
            return None;
        }
        // A keyframe cannot be requested of a client that only sends frames.
        let track = started.publisher.track(topic.clone(), |_| {});
        let monitor = track.monitor();
        let track = BusTrack { track: Arc::new(Mutex::new(track)), monitor };
        started.tracks.insert(topic.clone(), track.clone());
        Some(track)
    }

    fn start(&self) -> Option<Started> {
        let options = PublisherOptions {
            endpoints: self.settings.endpoints.clone(),
            name: NAME.into(),
            streams: MAX_STREAMS,
            keys: self.settings.keys.clone(),
        };
        match Publisher::start(options) {
            Ok(publisher) => {
                let endpoints: Vec<String> =
                    publisher.endpoints().iter().map(ToString::to_string).collect();
                tracing::info!(
                    endpoints = endpoints.join(", "),
                    "publishing pushed streams on the bus"
                );
                Some(Started { publisher, tracks: HashMap::new() })
            }
            Err(error) => {
                tracing::warn!(%error, "cannot publish pushed streams on the bus: only this relay shows them");
                None
            }
        }
    }

    /// Announces the streams that are pushed now.
    pub(super) fn announce(&self, mut entries: Vec<StreamEntry>) {
        if let Some(started) = &*self.started.lock() {
            // A catalog has no room for more, and a new stream must not displace one that is watched.
            entries.sort_by_key(|entry| entry.since);
            entries.truncate(MAX_STREAMS);
            started.publisher.announce(entries);
        }
    }
}
