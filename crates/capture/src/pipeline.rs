//! One stream, from its source to the bus: the only place that sees source, encode and publish together.
//!
//! Two threads: the source's, which may block in a driver or a network, and the encoder's. Between them is one place, in
//! which the newest picture wins.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fanlight_bus::{Publisher, TrackPublisher};
use fanlight_program::stop::Shutdown;
use fanlight_protocol::{StreamEntry, Topic, TrackEntry, TrackName};

use crate::bell::Bell;
use crate::crew::Crew;
use crate::encode::jpeg::JpegEncoder;
use crate::hand_over::HandOver;
use crate::meter::Meter;
use crate::options::StreamSettings;
use crate::publish::{Outlet, Tally};
use crate::source;
use crate::status::Status;
use crate::supervisor::{self, Audience};

/// One stream.
#[derive(Debug)]
pub struct Pipeline {
    settings: StreamSettings,
    shared: Arc<Shared>,
    meter: Meter,
}

/// What the stream's threads and the keeper of the catalog share.
#[derive(Debug)]
struct Shared {
    status: Status,
    watched: AtomicBool,
    tally: Arc<Tally>,
    place: HandOver,
}

/// Tells a stream whether anybody watches it.
#[derive(Debug, Clone)]
pub struct Demand {
    shared: Arc<Shared>,
    bell: Bell,
}

impl Demand {
    /// Somebody watches, or nobody any more.
    pub fn set(&self, watched: bool) {
        self.shared.watched.store(watched, Ordering::Relaxed);
        tracing::debug!(stream = %self.shared.status.name(), watched, "demand");
        self.bell.ring();
    }
}

impl Pipeline {
    /// A stream not started yet. `bell` is rung whenever its catalog entry changes.
    pub fn new(settings: StreamSettings, bell: &Bell) -> Self {
        let shared = Shared {
            status: Status::new(settings.name.clone(), &settings.source, bell.clone()),
            watched: AtomicBool::new(false),
            tally: Arc::default(),
            place: HandOver::default(),
        };
        Self { settings, shared: Arc::new(shared), meter: Meter::default() }
    }

    /// The stream's one track.
    pub fn topic(&self) -> Topic {
        Topic { stream: self.settings.name.clone(), track: TrackName::full_jpeg() }
    }

    /// How it learns whether anybody watches.
    pub fn demand(&self, bell: &Bell) -> Demand {
        Demand { shared: self.shared.clone(), bell: bell.clone() }
    }

    /// Starts its threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(&self, publisher: &Publisher, crew: &Crew, stop: &Shutdown) -> io::Result<()> {
        let (settings, shared, stop) = (self.settings.clone(), self.shared.clone(), stop.clone());
        let track = publisher.track(self.topic());
        crew.start(format!("{}:encode", settings.name), {
            let (shared, quality) = (shared.clone(), settings.quality);
            move || shared.encode(JpegEncoder::new(quality), track)
        })?;
        crew.start(format!("{}:source", settings.name), move || shared.read(&settings, &stop))
    }

    /// Lets the encoder's thread end. The source's ends when `stop` is requested.
    pub fn close(&self) {
        self.shared.place.close();
    }

    /// Says so where the source is stuck.
    pub fn check_stall(&self, now: Instant) {
        self.shared.status.check_stall(now);
    }

    /// What the catalog says of it.
    pub fn entry(&mut self, now: Instant) -> StreamEntry {
        let Shared { status, watched, tally, .. } = &*self.shared;
        let report = status.report(watched.load(Ordering::Relaxed));
        let (published, bytes) = (tally.published(), tally.bytes());
        let (millifps, bitrate) = self.meter.rates(now, published, bytes);
        let track = TrackEntry {
            name: TrackName::full_jpeg(),
            width: report.size.0,
            height: report.size.1,
            millifps,
            bitrate,
            published,
            dropped: tally.dropped(),
        };
        StreamEntry {
            name: self.settings.name.clone(),
            state: report.state,
            reason: report.reason,
            since: report.since,
            source: status.source().into(),
            tracks: vec![track],
        }
    }
}

impl Shared {
    /// The work of the source's thread.
    fn read(&self, settings: &StreamSettings, stop: &Shutdown) {
        let open = || source::open(&settings.source, &settings.name, stop);
        supervisor::run(open, &self.place, self, &self.status, stop);
    }

    /// The work of the encoder's thread.
    fn encode(&self, mut encoder: JpegEncoder, track: TrackPublisher) {
        let mut outlet = Outlet::new(track, self.tally.clone());
        while let Some(raw) = self.place.take() {
            match encoder.encode(&raw) {
                Ok(frame) => {
                    self.status.published((frame.width, frame.height));
                    outlet.publish(frame);
                }
                Err(error) => {
                    self.tally.drop_frames(1);
                    self.status.refused(&error.to_string());
                }
            }
            self.place.recycle(raw.pixels);
        }
    }
}

impl Audience for Shared {
    fn is_watching(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    fn dropped(&self, count: u64) {
        self.tally.drop_frames(count);
    }
}
