//! A capture without a camera: frames of any size and rate. Each is new, and none is decodable.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::ensure;
use fanlight_bus::{Endpoint, OutgoingFrame, Publisher, PublisherOptions, TrackPublisher};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{
    Codec, FrameFlags, Rendition, StreamEntry, StreamName, StreamState, Timestamp, Topic,
    TrackEntry, TrackName,
};

use crate::{pacing, payload};

/// Frame sizes that the tracks claim, by rendition. Nothing decodes the frames, but a relay that selects a rendition
/// compares sizes.
const SIZES: [(&str, (u32, u32)); 2] = [("half", (640, 360)), ("quarter", (320, 180))];
const FULL_SIZE: (u32, u32) = (1280, 720);

/// Two seconds at 30 frames per second, as in a capture.
const KEYFRAME_EVERY: u64 = 60;
/// Least time between a keyframe and a requested one: a capture makes at most one a second.
const KEYFRAME_AFTER: u64 = 30;

/// Most tracks of a camera: more than a capture has renditions and codecs by default.
const MAX_TRACKS: usize = 16;

/// A track and the size of its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTrack {
    /// Its rendition and codec.
    pub name: TrackName,
    /// Length of a payload.
    pub bytes: usize,
    /// Length of a keyframe's payload, if other frames refer to it.
    pub keyframe_bytes: usize,
}

impl MadeTrack {
    /// Returns the full rendition in one codec, with frames of one length.
    pub fn full(codec: Codec, bytes: usize) -> Self {
        let name = TrackName { rendition: Rendition::full(), codec };
        Self { name, bytes, keyframe_bytes: bytes }
    }

    /// Returns the average number of bytes in this many seconds.
    fn bitrate(&self, fps: f64) -> u64 {
        let keyframes = match self.name.codec {
            Codec::Jpeg => 0.0,
            Codec::H264 => 1.0 / KEYFRAME_EVERY as f64,
        };
        let mean = self.bytes as f64 * (1.0 - keyframes) + self.keyframe_bytes as f64 * keyframes;
        (mean * 8.0 * fps) as u64
    }

    fn size(&self) -> (u32, u32) {
        let named = SIZES.iter().find(|(name, _)| *name == self.name.rendition.as_str());
        named.map_or(FULL_SIZE, |(_, size)| *size)
    }
}

/// Settings of a camera.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream's name.
    pub stream: StreamName,
    /// Frames per second.
    pub fps: f64,
    /// Its tracks. Tracks without viewers are not made.
    pub tracks: Vec<MadeTrack>,
    /// Endpoints to publish at; empty: one in the user's default folder, as for a capture.
    pub publish: Vec<Endpoint>,
}

/// A camera that is bound and can be found by relays.
#[derive(Debug)]
pub struct Camera {
    settings: Settings,
    publisher: Publisher,
    tracks: Vec<Track>,
    asked: Asked,
    since: Timestamp,
}

#[derive(Debug)]
struct Track {
    made: MadeTrack,
    publisher: TrackPublisher,
    /// The number of the last keyframe.
    keyframe: Option<u64>,
}

/// Tracks with a requested keyframe.
type Asked = Arc<Mutex<HashSet<TrackName>>>;

impl Camera {
    /// Binds the endpoints.
    ///
    /// # Errors
    /// Fails if an endpoint is in use or cannot be bound, or there are too many tracks or one twice.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let count = settings.tracks.len();
        ensure!(count <= MAX_TRACKS, "{count} tracks are too many: at most {MAX_TRACKS}");
        let names: HashSet<_> = settings.tracks.iter().map(|track| &track.name).collect();
        ensure!(names.len() == count, "a track is named twice");
        let asked = Asked::default();
        let publisher = Publisher::start(PublisherOptions {
            endpoints: settings.publish.clone(),
            name: "yardstick".into(),
            streams: 1,
            keys: None,
            // Each track checks for viewers of its own.
            on_demand: Box::new(|_, _| {}),
            on_keyframe: Box::new({
                let asked = asked.clone();
                move |topic| {
                    lock(&asked).insert(topic.track.clone());
                }
            }),
        })?;
        let track = |made: &MadeTrack| {
            let topic = Topic::new(settings.stream.clone(), made.name.clone());
            Track { made: made.clone(), publisher: publisher.track(topic), keyframe: None }
        };
        let tracks = settings.tracks.iter().map(track).collect();
        Ok(Self { settings, publisher, tracks, asked, since: clock::now() })
    }

    /// Returns its endpoints.
    pub fn endpoints(&self) -> &[Endpoint] {
        self.publisher.endpoints()
    }

    /// Publishes tracks that have viewers, until `stop` is requested.
    ///
    /// # Errors
    /// Fails if the bus fails.
    pub fn run(mut self, stop: &Shutdown) -> anyhow::Result<()> {
        let mut announced: Option<Instant> = None;
        pacing::keep(self.settings.fps, stop, |number| {
            if announced.is_none_or(|at| at.elapsed().as_secs() >= 1) {
                announced = Some(Instant::now());
                self.publisher.announce(vec![self.entry()]);
            }
            // All renditions of a frame have one capture time, as in a capture.
            let now = clock::now();
            for track in self.tracks.iter_mut().filter(|track| track.publisher.is_watched()) {
                track.shoot(number, now, &self.asked);
            }
            if !self.publisher.is_alive() {
                stop.request();
            }
        });
        ensure!(self.publisher.is_alive(), "the bus thread failed");
        Ok(())
    }

    fn entry(&self) -> StreamEntry {
        StreamEntry {
            name: self.settings.stream.clone(),
            state: StreamState::Live,
            reason: String::new(),
            since: self.since,
            source: "yardstick: not a picture".into(),
            tracks: self.tracks.iter().map(|track| track.entry(self.settings.fps)).collect(),
        }
    }
}

impl Track {
    fn shoot(&mut self, number: u64, now: Timestamp, asked: &Asked) {
        let is_keyframe = self.is_keyframe(number, asked);
        let bytes = if is_keyframe { self.made.keyframe_bytes } else { self.made.bytes };
        let (width, height) = self.made.size();
        // Frames that the bus drops are counted, and reported in the catalog.
        self.publisher.publish(OutgoingFrame {
            captured_at: now,
            read_at: now,
            flags: if is_keyframe { FrameFlags::KEYFRAME } else { FrameFlags::default() },
            width,
            height,
            payload: payload::jpeg_like(bytes, number, now),
        });
    }

    fn is_keyframe(&mut self, number: u64, asked: &Asked) -> bool {
        if self.made.name.codec == Codec::Jpeg {
            return true;
        }
        let since = self.keyframe.map_or(u64::MAX, |last| number - last);
        let due = number.is_multiple_of(KEYFRAME_EVERY) || since >= KEYFRAME_EVERY;
        let wanted = since >= KEYFRAME_AFTER && lock(asked).contains(&self.made.name);
        if due || wanted {
            lock(asked).remove(&self.made.name);
            self.keyframe = Some(number);
        }
        due || wanted
    }

    fn entry(&self, fps: f64) -> TrackEntry {
        let (published, dropped) = self.publisher.counts();
        let (width, height) = self.made.size();
        TrackEntry {
            name: self.made.name.clone(),
            width,
            height,
            millifps: (fps * 1000.0) as u32,
            bitrate: self.made.bitrate(fps),
            published,
            dropped,
        }
    }
}

fn lock(asked: &Asked) -> MutexGuard<'_, HashSet<TrackName>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(name: &str) -> Camera {
        let folder = tempfile::tempdir().unwrap();
        let made = MadeTrack { name: name.parse().unwrap(), bytes: 100, keyframe_bytes: 300 };
        let endpoint = format!("ipc://{}", folder.path().join("camera.ipc").display());
        Camera::start(Settings {
            stream: "cam".parse().unwrap(),
            fps: 30.0,
            tracks: vec![made],
            publish: vec![endpoint.parse().unwrap()],
        })
        .unwrap()
    }

    /// Returns the numbers of keyframes among the first 150 frames, if one is requested before these numbers.
    fn keyframes(camera: &mut Camera, asked_before: &[u64]) -> Vec<u64> {
        let name = camera.tracks[0].made.name.clone();
        let mut keyframes = Vec::new();
        for number in 0..150 {
            if asked_before.contains(&number) {
                lock(&camera.asked).insert(name.clone());
            }
            if camera.tracks[0].is_keyframe(number, &camera.asked) {
                keyframes.push(number);
            }
        }
        keyframes
    }

    #[test]
    fn every_sixtieth_frame_of_h264_is_a_keyframe_and_every_jpeg() {
        assert_eq!(keyframes(&mut track("full.h264"), &[]), [0, 60, 120]);
        assert_eq!(keyframes(&mut track("full.jpeg"), &[]).len(), 150);
    }

    #[test]
    fn a_keyframe_that_is_asked_for_comes_a_second_after_the_last_one_at_the_earliest() {
        assert_eq!(keyframes(&mut track("full.h264"), &[40, 70]), [0, 40, 60, 90, 120]);
        assert_eq!(keyframes(&mut track("full.h264"), &[5, 6, 7]), [0, 30, 60, 120]);
    }

    #[test]
    fn the_sizes_and_rates_of_tracks_are_told_apart() {
        let made = |name: &str| MadeTrack {
            name: name.parse().unwrap(),
            bytes: 1000,
            keyframe_bytes: 61_000,
        };
        assert_eq!(made("full.jpeg").size(), (1280, 720));
        assert_eq!(made("half.h264").size(), (640, 360));
        assert_eq!(made("full.jpeg").bitrate(30.0), 240_000);
        assert_eq!(made("full.h264").bitrate(30.0), 480_000);
    }
}
