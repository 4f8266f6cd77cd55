//! A capture that publishes exactly the frames of a test.

use std::sync::mpsc;
use std::time::Duration;

use fanlight_bus::{Demand, Endpoint, OutgoingFrame, Publisher, PublisherOptions, TrackPublisher};
use fanlight_clock as clock;
use fanlight_protocol::{
    FrameFlags, FrameMeta, FrameTimes, StreamEntry, StreamName, StreamState, Timestamp, Topic,
    TrackEntry, TrackName,
};

use super::within_timeout;

/// The tracks of a stream with several renditions, with their widths and heights.
pub(crate) const RENDITIONS: [(&str, u32, u32); 3] =
    [("full.jpeg", 1280, 720), ("half.jpeg", 640, 360), ("quarter.jpeg", 320, 180)];

/// The tracks of a stream in both codecs.
pub(crate) const CODECS: [(&str, u32, u32); 4] = [
    ("full.jpeg", 1280, 720),
    ("full.h264", 1280, 720),
    ("half.jpeg", 640, 360),
    ("half.h264", 640, 360),
];

/// A capture with one stream, controlled by the test.
pub(crate) struct Camera {
    publisher: Option<Publisher>,
    tracks: Vec<(TrackEntry, TrackPublisher)>,
    demands: mpsc::Receiver<(TrackName, bool)>,
    /// Keyframe requests.
    pub(crate) keyframes: mpsc::Receiver<TrackName>,
    stream: StreamName,
}

impl Camera {
    pub(crate) fn start(stream: &str, endpoint: Endpoint, tracks: &[(&str, u32, u32)]) -> Self {
        let (demand, demands) = mpsc::channel();
        let (keyframe, keyframes) = mpsc::channel();
        let publisher = Publisher::start(PublisherOptions {
            endpoints: vec![endpoint],
            name: "test".into(),
            streams: 1,
            keys: None,
        })
        .unwrap();
        let stream: StreamName = stream.parse().unwrap();
        let open = |(name, width, height): &(&str, u32, u32)| {
            let entry = TrackEntry {
                name: name.parse().unwrap(),
                width: *width,
                height: *height,
                millifps: 30_000,
                bitrate: 1,
                published: 0,
                dropped: 0,
            };
            let topic = Topic::new(stream.clone(), entry.name.clone());
            let (demand, keyframe, name) = (demand.clone(), keyframe.clone(), entry.name.clone());
            // Sending fails only after the test has ended.
            let on_demand = move |change| match change {
                Demand::Watched => drop(demand.send((name.clone(), true))),
                Demand::Unwatched => drop(demand.send((name.clone(), false))),
                Demand::Keyframe => drop(keyframe.send(name.clone())),
            };
            (entry, publisher.track(topic, on_demand))
        };
        let tracks = tracks.iter().map(open).collect();
        let camera = Self { publisher: Some(publisher), tracks, demands, keyframes, stream };
        camera.announce(StreamState::Live, "");
        camera
    }

    /// Announces the state of the stream.
    pub(crate) fn announce(&self, state: StreamState, reason: &str) {
        let entry = StreamEntry {
            name: self.stream.clone(),
            state,
            reason: reason.into(),
            since: clock::now(),
            source: "test".into(),
            tracks: self.tracks.iter().map(|(entry, _)| entry.clone()).collect(),
        };
        self.publisher.as_ref().expect("not stopped").announce(vec![entry]);
    }

    /// Waits until the stream is watched (true) or no longer watched (false).
    pub(crate) async fn until_demand(&self, on: bool) {
        within_timeout("demand", async {
            while !self.demands.try_recv().is_ok_and(|(_, is)| is == on) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until a track is watched, and returns its rendition.
    pub(crate) async fn demanded_rendition(&self) -> String {
        within_timeout("demand for a track", async {
            loop {
                match self.demands.try_recv() {
                    Ok((track, true)) => break track.rendition.to_string(),
                    _ => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
        .await
    }

    /// Waits until this track is watched.
    pub(crate) async fn until_demand_for(&self, name: &str) {
        within_timeout("demand for a track", async {
            while !self.demands.try_recv().is_ok_and(|(track, on)| on && track.to_string() == name)
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Publishes a frame of the same picture on these tracks, each with the name of its rendition as payload.
    pub(crate) fn publish_renditions(&mut self, renditions: &[&str]) {
        let captured_at = clock::now();
        for (entry, track) in &mut self.tracks {
            let rendition = entry.name.rendition.as_str();
            if renditions.contains(&rendition) {
                let payload = rendition.as_bytes();
                let keyframe = FrameFlags::KEYFRAME;
                publish(track, captured_at, (entry.width, entry.height), keyframe, payload);
            }
        }
    }

    /// Publishes a keyframe or a delta on this track, with the track's name as payload.
    pub(crate) fn publish_on(&mut self, name: &str, is_keyframe: bool) {
        self.publish_payload(name, is_keyframe, name.as_bytes());
    }

    /// Publishes a keyframe or a delta of this many bytes.
    pub(crate) fn publish_large(&mut self, name: &str, is_keyframe: bool, bytes: usize) {
        self.publish_payload(name, is_keyframe, &vec![0; bytes]);
    }

    fn publish_payload(&mut self, name: &str, is_keyframe: bool, payload: &[u8]) {
        let flags = if is_keyframe { FrameFlags::KEYFRAME } else { FrameFlags::default() };
        let track = self.tracks.iter_mut().find(|(entry, _)| entry.name.to_string() == name);
        let (entry, track) = track.expect("a track of this camera");
        publish(track, clock::now(), (entry.width, entry.height), flags, payload);
    }

    /// Waits for a keyframe request, and returns its track.
    pub(crate) async fn keyframe_request(&self) -> String {
        within_timeout("a keyframe request", async {
            loop {
                match self.keyframes.try_recv() {
                    Ok(track) => break track.to_string(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
        .await
    }

    /// Publishes a keyframe with this payload on the first track.
    pub(crate) fn publish(&mut self, payload: &[u8]) {
        let (entry, track) = &mut self.tracks[0];
        let size = (entry.width, entry.height);
        publish(track, clock::now(), size, FrameFlags::KEYFRAME, payload);
    }

    /// Publishes a keyframe on the first track that was captured this long ago.
    pub(crate) fn publish_old(&mut self, payload: &[u8], age: Duration) {
        let (entry, track) = &mut self.tracks[0];
        let captured_at = clock::now().offset(-(age.as_micros() as i64));
        publish(track, captured_at, (entry.width, entry.height), FrameFlags::KEYFRAME, payload);
    }

    /// Stops the capture.
    pub(crate) fn stop(&mut self) {
        self.publisher.take().expect("stopped only once").stop();
    }
}

fn publish(
    track: &mut TrackPublisher,
    captured_at: Timestamp,
    (width, height): (u32, u32),
    flags: FrameFlags,
    payload: &[u8],
) {
    let times = FrameTimes::all_at(captured_at);
    let meta = FrameMeta { sequence: 0, times, flags, width, height };
    let accepted = track.publish(OutgoingFrame { meta, payload: payload.to_vec() });
    assert!(accepted, "the queue of the bus thread is full");
}
