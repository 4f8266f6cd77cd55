//! A capture without a camera: frames of any size and pace, of which every one is fresh and none is a picture.

use std::time::Instant;

use anyhow::ensure;
use fanlight_bus::{Endpoint, OutgoingFrame, Publisher, PublisherOptions, TrackPublisher, clock};
use fanlight_program::stop::Shutdown;
use fanlight_protocol::{
    Codec, FrameFlags, Rendition, StreamEntry, StreamName, StreamState, Timestamp, Topic,
    TrackEntry, TrackName,
};

use crate::payload::Made;
use crate::{pacing, payload};

/// What the frames claim to be. Nobody decodes them, so any size will do.
const SIZE: (u32, u32) = (1280, 720);

/// Two seconds at 30 a second, as a capture has it.
const KEYFRAME_EVERY: u64 = 60;

fn name(codec: Codec) -> TrackName {
    TrackName { rendition: Rendition::full(), codec }
}

/// What to publish, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream's name.
    pub stream: StreamName,
    /// How many frames, and of what size.
    pub made: Made,
    /// What they claim to be encoded as.
    pub codec: Codec,
    /// Where to publish; empty: in the default folder of the user, as a capture.
    pub publish: Vec<Endpoint>,
}

/// A camera that is bound, and can be found by relays.
#[derive(Debug)]
pub struct Camera {
    settings: Settings,
    publisher: Publisher,
    track: TrackPublisher,
    since: Timestamp,
}

impl Camera {
    /// Binds.
    ///
    /// # Errors
    /// When an endpoint is in use or cannot be bound.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let publisher = Publisher::start(PublisherOptions {
            endpoints: settings.publish.clone(),
            name: "yardstick".into(),
            streams: 1,
            // The track knows by itself whether it is watched.
            on_demand: Box::new(|_, _| {}),
            on_keyframe: Box::new(|_| {}),
        })?;
        let track = publisher.track(Topic::new(settings.stream.clone(), name(settings.codec)));
        Ok(Self { settings, publisher, track, since: clock::now() })
    }

    /// Where it is bound.
    pub fn endpoints(&self) -> &[Endpoint] {
        self.publisher.endpoints()
    }

    /// Publishes while somebody watches, until `stop` is requested.
    ///
    /// # Errors
    /// When the bus failed.
    pub fn run(mut self, stop: &Shutdown) -> anyhow::Result<()> {
        let mut announced: Option<Instant> = None;
        pacing::keep(self.settings.made.fps, stop, |number| {
            if announced.is_none_or(|at| at.elapsed().as_secs() >= 1) {
                announced = Some(Instant::now());
                self.publisher.announce(vec![self.entry()]);
            }
            if self.track.is_watched() {
                self.shoot(number);
            }
            if !self.publisher.is_alive() {
                stop.request();
            }
        });
        ensure!(self.publisher.is_alive(), "the bus thread failed");
        Ok(())
    }

    fn shoot(&mut self, number: u64) {
        let now = clock::now();
        let payload = payload::jpeg_like(self.settings.made.bytes, number, now);
        // What is not taken is counted, and told in the catalog.
        self.track.publish(OutgoingFrame {
            captured_at: now,
            read_at: now,
            flags: self.flags(number),
            width: SIZE.0,
            height: SIZE.1,
            payload,
        });
    }

    fn flags(&self, number: u64) -> FrameFlags {
        // Asks for keyframes are not heard: whoever measures is there from the beginning, or waits.
        let alone = self.settings.codec == Codec::Jpeg || number.is_multiple_of(KEYFRAME_EVERY);
        if alone { FrameFlags::KEYFRAME } else { FrameFlags::default() }
    }

    fn entry(&self) -> StreamEntry {
        let (published, dropped) = self.track.counts();
        let track = TrackEntry {
            name: name(self.settings.codec),
            width: SIZE.0,
            height: SIZE.1,
            millifps: (self.settings.made.fps * 1000.0) as u32,
            bitrate: (self.settings.made.bytes as f64 * 8.0 * self.settings.made.fps) as u64,
            published,
            dropped,
        };
        StreamEntry {
            name: self.settings.stream.clone(),
            state: StreamState::Live,
            reason: String::new(),
            since: self.since,
            source: "yardstick: not a picture".into(),
            tracks: vec![track],
        }
    }
}
