//! A capture without a camera: frames of any size and rate, all of them new and none of them an image.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::ensure;
use fanlight_bus::{
    Demand, Endpoint, OutgoingFrame, Publisher, PublisherOptions, TrackCounts, TrackPublisher,
};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{
    Codec, FrameFlags, FrameMeta, FrameTimes, RenditionName, StreamEntry, StreamName, StreamState,
    Timestamp, Topic, TrackEntry, TrackName,
};

use crate::{pacing, payload};

/// The size that frames claim to have, by rendition. No program decodes them, but a relay with adaptive bitrate compares sizes.
const SIZES: [(&str, (u32, u32)); 2] = [("half", (640, 360)), ("quarter", (320, 180))];
const FULL_SIZE: (u32, u32) = (1280, 720);

/// Frames from keyframe to keyframe: two seconds at 30 frames per second, as a capture has it.
const KEYFRAME_EVERY: u64 = 60;
/// Least number of frames from a keyframe to a requested one: a second at 30 frames per second, as in a capture.
const KEYFRAME_AFTER: u64 = 30;

/// Most tracks of a camera: more than the renditions and codecs that a capture has by default.
const MAX_TRACKS: usize = 16;

/// A track and the size of its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTrack {
    /// Its rendition and codec.
    pub name: TrackName,
    /// Length of a delta's payload, in bytes. The bitrate of a JPEG track is computed from it.
    pub bytes: usize,
    /// Length of a keyframe's payload, in bytes. Every JPEG is a keyframe, so a JPEG track must have the same in
    /// `bytes`.
    pub keyframe_bytes: usize,
}

impl MadeTrack {
    /// Returns the full rendition in one codec, with frames of equal length.
    pub fn full(codec: Codec, bytes: usize) -> Self {
        let name = TrackName { rendition: RenditionName::full(), codec };
        Self { name, bytes, keyframe_bytes: bytes }
    }

    /// Returns the average bitrate, in bits per second.
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

/// Settings of a camera: what to publish, and at which endpoints.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream's name.
    pub stream: StreamName,
    /// Frames per second.
    pub fps: f64,
    /// Its tracks. Only watched tracks are published.
    pub tracks: Vec<MadeTrack>,
    /// Endpoints to bind; empty: in the user's default folder, as a capture.
    pub publish: Vec<Endpoint>,
}

/// A camera that is bound to its endpoints, where relays find it.
#[derive(Debug)]
pub struct Camera {
    settings: Settings,
    publisher: Publisher,
    tracks: Vec<CameraTrack>,
    since: Timestamp,
}

#[derive(Debug)]
struct CameraTrack {
    made: MadeTrack,
    publisher: TrackPublisher,
    /// The number of the last keyframe.
    keyframe: Option<u64>,
    /// A subscriber needs a keyframe.
    requested: Arc<AtomicBool>,
}

impl Camera {
    /// Binds the endpoints.
    ///
    /// # Errors
    /// Fails if an endpoint is in use or cannot be bound, or if there are too many tracks or two of one name.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let count = settings.tracks.len();
        ensure!(count <= MAX_TRACKS, "too many tracks ({count}): at most {MAX_TRACKS}");
        let names: HashSet<_> = settings.tracks.iter().map(|track| &track.name).collect();
        ensure!(names.len() == count, "two tracks have the same name");
        let publisher = Publisher::start(PublisherOptions {
            endpoints: settings.publish.clone(),
            name: "yardstick".into(),
            streams: 1,
            keys: None,
        })?;
        let track = |made: &MadeTrack| {
            let topic = Topic::new(settings.stream.clone(), made.name.clone());
            let requested = Arc::<AtomicBool>::default();
            let on_demand = {
                let requested = requested.clone();
                move |demand| {
                    if demand == Demand::Keyframe {
                        requested.store(true, Ordering::Relaxed);
                    }
                }
            };
            let publisher = publisher.track(topic, on_demand);
            CameraTrack { made: made.clone(), publisher, keyframe: None, requested }
        };
        let tracks = settings.tracks.iter().map(track).collect();
        Ok(Self { settings, publisher, tracks, since: clock::now() })
    }

    /// Returns the endpoints that are bound.
    pub fn endpoints(&self) -> &[Endpoint] {
        self.publisher.endpoints()
    }

    /// Publishes the watched tracks until `stop` is requested.
    ///
    /// # Errors
    /// Fails if the bus has failed.
    pub fn run(mut self, stop: &Shutdown) -> anyhow::Result<()> {
        let mut announced: Option<Instant> = None;
        pacing::keep(self.settings.fps, stop, |number| {
            if announced.is_none_or(|at| at.elapsed().as_secs() >= 1) {
                announced = Some(Instant::now());
                self.publisher.announce(vec![self.entry()]);
            }
            // The renditions of one image have the same time, as in a capture.
            let now = clock::now();
            for track in self.tracks.iter_mut().filter(|track| track.publisher.is_watched()) {
                track.shoot(number, now);
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
            source: "yardstick: no image".into(),
            tracks: self.tracks.iter().map(|track| track.entry(self.settings.fps)).collect(),
        }
    }
}

impl CameraTrack {
    fn shoot(&mut self, number: u64, now: Timestamp) {
        let is_keyframe = self.is_keyframe(number);
        let bytes = if is_keyframe { self.made.keyframe_bytes } else { self.made.bytes };
        let (width, height) = self.made.size();
        // A frame that is not sent is counted and reported in the catalog.
        self.publisher.publish(OutgoingFrame {
            meta: FrameMeta {
                sequence: number,
                times: FrameTimes::all_at(now),
                flags: FrameFlags::keyframe(is_keyframe),
                width,
                height,
            },
            payload: payload::jpeg_like(bytes, number, now),
        });
    }

    fn is_keyframe(&mut self, number: u64) -> bool {
        if self.made.name.codec == Codec::Jpeg {
            return true;
        }
        let since = self.keyframe.map_or(u64::MAX, |last| number - last);
        let due = number.is_multiple_of(KEYFRAME_EVERY) || since >= KEYFRAME_EVERY;
        let requested = since >= KEYFRAME_AFTER && self.requested.load(Ordering::Relaxed);
        if due || requested {
            self.requested.store(false, Ordering::Relaxed);
            self.keyframe = Some(number);
        }
        due || requested
    }

    fn entry(&self, fps: f64) -> TrackEntry {
        let TrackCounts { published, dropped, .. } = self.publisher.counts();
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
    fn keyframes(camera: &mut Camera, requested_before: &[u64]) -> Vec<u64> {
        let track = &mut camera.tracks[0];
        let mut keyframes = Vec::new();
        for number in 0..150 {
            if requested_before.contains(&number) {
                track.requested.store(true, Ordering::Relaxed);
            }
            if track.is_keyframe(number) {
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
    fn a_requested_keyframe_follows_the_last_one_after_a_second_at_the_earliest() {
        assert_eq!(keyframes(&mut track("full.h264"), &[40, 70]), [0, 40, 60, 90, 120]);
        assert_eq!(keyframes(&mut track("full.h264"), &[5, 6, 7]), [0, 30, 60, 120]);
    }

    #[test]
    fn tracks_have_the_size_and_bitrate_of_their_rendition_and_codec() {
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
