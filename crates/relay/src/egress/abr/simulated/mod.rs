//! Cameras, a relay's hub, and viewers on one simulated link, in steps of a millisecond. Viewers and queue estimate are
//! real, and there is no clock.

mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fanlight_protocol::{Codec, FrameFlags, FrameMeta, Timestamp, TrackEntry, TrackName};

use super::viewer_ladder::DisplaySize;
use super::{AbrController, AdaptiveViewer, AutoRendition, LinkState};
use crate::connection::queue_estimate::{QueueEstimator, SendDecision};
use crate::connection::simulated::SimulatedConnection;
use crate::hub::{Frame, Hub, NextSend, Stream, ViewOptions, Viewer, fixture};
use crate::stats::labels::{DropReason, Transport};
use crate::wake::Waker;

/// Milliseconds between two frames.
const INTERVAL: u64 = 33;
/// Milliseconds from the first demand for a track to its first frame.
const STARTS_AFTER: u64 = 60;
/// Milliseconds for which a track continues without demand.
const LINGERS: u64 = 5_000;
/// Bytes that the kernel holds unsent for a viewer that keeps up, and for one that does not.
const LOW_WATER: u64 = 128 * 1024;
const LOW_WATER_IF_QUEUED: u64 = 16 * 1024;

/// Track, width, and kbit a second.
const TRACKS: [(&str, u32, u64); 3] =
    [("full.jpeg", 1280, 14_400), ("half.jpeg", 640, 4_600), ("quarter.jpeg", 320, 1_400)];

/// The same in H.264; the number of deltas between two keyframes; the bytes of a keyframe as a multiple of a delta's.
const H264: [(&str, u32, u64); 3] =
    [("full.h264", 1280, 3_000), ("half.h264", 640, 900), ("quarter.h264", 320, 300)];
const DELTAS: u64 = 60;
const KEYFRAME: u64 = 8;

struct Camera {
    stream: Arc<Stream>,
    codec: Codec,
    /// Frames of each track since its keyframe.
    since_keyframe: [u64; 3],
    /// The first and the last moment of the present demand for each track.
    demand: [Option<(u64, u64)>; 3],
    /// A track that is listed but has no frames.
    broken: Option<&'static str>,
    sequence: u64,
}

/// A frame as it was shown.
#[derive(Debug, Clone, Copy)]
struct Shown {
    tile: usize,
    width: u32,
    captured: u64,
    shown: u64,
}

#[derive(Debug, Default)]
struct Playback {
    frames: Vec<Shown>,
    /// Switches to another width: the moment, the tile, the width.
    switches: Vec<(u64, usize, u32)>,
}

struct Wall {
    cameras: Vec<Camera>,
    tiles: Vec<AdaptiveViewer>,
    abr: AbrController,
    queue_estimate: QueueEstimator,
    connection: SimulatedConnection,
    next: usize,
    until: u64,
    written: u64,
    in_flight: VecDeque<(u64, Shown)>,
    playback: Playback,
}

impl Camera {
    fn new(number: usize, codec: Codec) -> Self {
        let tracks = tracks(codec).map(|(name, width, _)| TrackEntry {
            millifps: 30_303,
            ..fixture::entry(name, width, width * 9 / 16)
        });
        let name = format!("cam{number}").parse().unwrap();
        let stream = Hub::new(Arc::default()).open(&name, fixture::live(tracks.into()));
        let since_keyframe = [DELTAS; 3];
        Self { stream, codec, since_keyframe, demand: [None; 3], broken: None, sequence: 0 }
    }

    fn tick(&mut self, now: u64) {
        let captures = now.is_multiple_of(INTERVAL);
        self.sequence += u64::from(captures);
        // The smallest is encoded soonest.
        for (at, (name, width, kbit)) in tracks(self.codec).into_iter().enumerate().rev() {
            let captures = captures && self.broken != Some(name);
            let name: TrackName = name.parse().unwrap();
            let Some(track) = self.stream.known_track(&name) else { continue };
            let demand = &mut self.demand[at];
            if track.has_demand() {
                *demand = Some((demand.map_or(now, |(since, _)| since), now));
            }
            match *demand {
                Some((_, last)) if now - last > LINGERS => {
                    *demand = None;
                    self.since_keyframe[at] = DELTAS;
                    track.clear();
                }
                Some((since, _)) if captures && now - since > STARTS_AFTER => {
                    let mut frame = frame(now, self.sequence, width, kbit * INTERVAL / 8);
                    if self.codec == Codec::H264 {
                        let count = &mut self.since_keyframe[at];
                        *count = if *count == DELTAS { 0 } else { *count + 1 };
                        gop(&mut frame, *count);
                    }
                    track.push(frame);
                }
                _ => {}
            }
        }
    }
}

fn tracks(codec: Codec) -> [(&'static str, u32, u64); 3] {
    match codec {
        Codec::Jpeg => TRACKS,
        Codec::H264 => H264,
    }
}

/// Turns a frame into the one with this index in its GOP.
fn gop(frame: &mut Frame, index: u64) {
    let delta = frame.payload.len() as u64 * (DELTAS + 1) / (DELTAS + KEYFRAME);
    let is_keyframe = index == 0;
    frame.meta.flags = FrameFlags::keyframe(is_keyframe);
    frame.payload = vec![0; (if is_keyframe { delta * KEYFRAME } else { delta }) as usize].into();
}

fn frame(now: u64, sequence: u64, width: u32, bytes: u64) -> Frame {
    let (height, payload) = (width * 9 / 16, vec![0; bytes as usize].into());
    let keyframe = fixture::keyframe(sequence, at(now));
    Frame { meta: FrameMeta { width, height, ..keyframe.meta }, payload, ..keyframe }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000 + millis * 1000)
}

impl Wall {
    fn new(displays: &[DisplaySize], connection: SimulatedConnection) -> Self {
        Self::of(Codec::Jpeg, displays, connection)
    }

    fn of(codec: Codec, displays: &[DisplaySize], connection: SimulatedConnection) -> Self {
        let cameras: Vec<Camera> = (0..displays.len()).map(|n| Camera::new(n, codec)).collect();
        let tiles = cameras.iter().zip(displays).map(|(camera, display)| {
            let auto = AutoRendition::new(&camera.stream, codec, *display);
            let waker = Waker::new(Arc::default());
            let track = auto.track().clone();
            let viewer = Viewer::watch(
                &camera.stream,
                &track,
                Transport::V1,
                ViewOptions::default(),
                waker,
                at(0),
            );
            AdaptiveViewer::new(viewer, Some(auto))
        });
        Self {
            tiles: tiles.collect(),
            cameras,
            abr: AbrController::default(),
            queue_estimate: QueueEstimator::default(),
            connection,
            next: 0,
            until: 0,
            written: 0,
            in_flight: VecDeque::new(),
            playback: Playback::default(),
        }
    }

    fn run(mut self, seconds: u64, change: impl Fn(u64, &mut SimulatedConnection)) -> Playback {
        for now in 0..seconds * 1000 {
            change(now, &mut self.connection);
            self.connection.tick(now);
            self.cameras.iter_mut().for_each(|camera| camera.tick(now));
            self.show(now);
            while self.send_next(now) {}
        }
        self.playback
    }

    fn show(&mut self, now: u64) {
        while self.in_flight.front().is_some_and(|(end, _)| *end <= self.connection.read) {
            let (_, frame) = self.in_flight.pop_front().unwrap();
            // Of a GOP that a viewer joins with, only the last frame is painted.
            let newest = self.playback.frames.iter().rfind(|shown| shown.tile == frame.tile);
            if frame.width > 0 && newest.is_none_or(|newest| newest.captured < frame.captured) {
                self.playback.frames.push(Shown { shown: now, ..frame });
            }
        }
    }

    /// Sends one frame of the next tile, as a session does. Returns whether there may be more.
    fn send_next(&mut self, now: u64) -> bool {
        let low_water =
            if self.queue_estimate.has_queue() { LOW_WATER_IF_QUEUED } else { LOW_WATER };
        if self.connection.unsent > low_water {
            self.queue_estimate.note_backpressure(at(now));
            self.hold();
            return false;
        }
        let link = LinkState {
            acked: self.queue_estimate.acked(),
            min_rtt: self.queue_estimate.min_rtt(),
            receiver_limited: self.queue_estimate.is_receiver_limited(at(now)),
            lossy: self.queue_estimate.is_lossy(at(now)),
        };
        if self.abr.bandwidth.is_due(at(now)) {
            self.abr.adapt_to(&mut self.tiles, link, at(now));
        }
        if now < self.until || !self.may_send(now) {
            self.hold();
            return false;
        }
        let count = self.tiles.len();
        for tile in (0..count).map(|offset| (self.next + offset) % count) {
            if let NextSend::Frame { frame, .. } = self.tiles[tile].viewer.next(at(now)) {
                self.next = tile + 1;
                self.send(tile, &frame, now);
                return true;
            }
        }
        false
    }

    fn may_send(&mut self, now: u64) -> bool {
        if !self.queue_estimate.needs_reading(at(now)) {
            return true;
        }
        match self.queue_estimate.update(at(now), self.connection.reading(now)) {
            SendDecision::Send => true,
            SendDecision::RetryAt(then) => {
                self.until = (then.micros() - 1_000_000_000) / 1000;
                false
            }
            SendDecision::Stalled => panic!("nothing was read for the stall timeout"),
        }
    }

    fn hold(&mut self) {
        self.tiles.iter_mut().for_each(|tile| tile.viewer.set_drop_reason(DropReason::Link));
    }

    fn send(&mut self, tile: usize, frame: &Frame, now: u64) {
        let before = self.playback.switches.iter().rfind(|(_, of, _)| *of == tile);
        if before.is_none_or(|(_, _, width)| *width != frame.meta.width) {
            self.playback.switches.push((now, tile, frame.meta.width));
        }
        self.written += frame.payload.len() as u64;
        self.connection.unsent += frame.payload.len() as u64;
        self.queue_estimate.note_sent(frame.payload.len());
        let captured = (frame.captured_at().micros() - 1_000_000_000) / 1000;
        let is_shown = !self.tiles[tile].viewer.is_catching_up(at(now));
        let width = if is_shown { frame.meta.width } else { 0 };
        self.in_flight.push_back((self.written, Shown { tile, width, captured, shown: 0 }));
    }
}

impl Playback {
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Shown> {
        self.frames.iter().filter(move |frame| (from * 1000..to * 1000).contains(&frame.shown))
    }

    fn fps(&self, from: u64, to: u64) -> f64 {
        self.between(from, to).count() as f64 / (to - from) as f64
    }

    fn age(&self, from: u64, to: u64, share: f64) -> u64 {
        let ages = self.between(from, to).map(|frame| frame.shown - frame.captured);
        let mut ages: Vec<u64> = ages.collect();
        ages.sort_unstable();
        ages[(ages.len() as f64 * share) as usize]
    }

    /// Returns the longest time without a frame, in milliseconds, after the first seconds.
    fn longest_freeze(&self, from: u64) -> u64 {
        let shown: Vec<u64> =
            self.between(from, u64::MAX / 1000).map(|frame| frame.shown).collect();
        shown.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(u64::MAX)
    }

    /// Returns the switches after the first frame of each tile.
    fn switches_after(&self, millis: u64) -> Vec<(u64, usize, u32)> {
        let mut started = BTreeMap::new();
        let after_first =
            self.switches.iter().filter(|(_, tile, _)| started.insert(*tile, ()).is_some());
        after_first.filter(|(at, _, _)| *at >= millis).copied().collect()
    }

    /// Returns the width of each tile at the end.
    fn at_the_end(&self) -> Vec<u32> {
        let mut widths = BTreeMap::new();
        self.switches.iter().for_each(|(_, tile, width)| {
            widths.insert(*tile, *width);
        });
        widths.into_values().collect()
    }

    fn goes_back_in_time(&self) -> bool {
        let mut newest = BTreeMap::new();
        self.frames.iter().any(|f| newest.insert(f.tile, f.captured) >= Some(f.captured))
    }
}
