//! Cameras, a relay's hub, and viewers on one simulated link, in steps of a millisecond. Viewers and queue estimate are real, and
//! there is no clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fanlight_protocol::{Codec, Timestamp, TrackEntry, TrackName};
use proptest::prelude::*;

use super::ladder::DisplaySize;
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
    frame.flags = fixture::flags(is_keyframe);
    frame.payload = vec![0; (if is_keyframe { delta * KEYFRAME } else { delta }) as usize].into();
}

fn frame(now: u64, sequence: u64, width: u32, bytes: u64) -> Frame {
    let (height, payload) = (width * 9 / 16, vec![0; bytes as usize].into());
    Frame { width, height, payload, ..fixture::keyframe(sequence, at(now)) }
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
        if before.is_none_or(|(_, _, width)| *width != frame.width) {
            self.playback.switches.push((now, tile, frame.width));
        }
        self.written += frame.payload.len() as u64;
        self.connection.unsent += frame.payload.len() as u64;
        self.queue_estimate.note_sent(frame.payload.len());
        let captured = (frame.captured_at.micros() - 1_000_000_000) / 1000;
        let is_shown = !self.tiles[tile].viewer.is_catching_up(at(now));
        let width = if is_shown { frame.width } else { 0 };
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

/// Returns a wall of one camera whose tile needs the largest rendition.
fn one(mbit: u64, base_rtt: u64, fills_queue: bool) -> Wall {
    Wall::new(&[DisplaySize::default()], SimulatedConnection::new(mbit, base_rtt, fills_queue))
}

fn steady(_: u64, _: &mut SimulatedConnection) {}

#[test]
fn a_camera_that_the_link_sustains_is_never_switched() {
    for base_rtt in [1, 40, 100] {
        let playback = one(100, base_rtt, true).run(60, steady);
        assert_eq!(playback.switches_after(0), [], "{base_rtt}");
        assert!(playback.fps(2, 60) > 29.5, "{base_rtt}: {}", playback.fps(2, 60));
    }
}

#[test]
fn on_a_narrow_link_a_smaller_rendition_is_shown_within_two_seconds_and_does_not_flap() {
    for (base_rtt, fills_queue) in [(1, false), (1, true), (40, false), (40, true)] {
        let playback = one(4, base_rtt, fills_queue).run(120, steady);
        let settled = playback.switches_after(0)[0];
        assert!(settled.0 < 1_500 && settled.2 == 320, "{settled:?}");
        assert!(!playback.goes_back_in_time());
        assert!(playback.fps(2, 120) > 29.5, "{} fps", playback.fps(2, 120));
        let (usual, late) = (playback.age(2, 120, 0.5), playback.age(2, 120, 0.95));
        assert!(usual < 30 && late < 120, "{usual} {late}");
        // A probe every six or seven seconds, of less than a second, and each switches up and down once.
        let probes = playback.switches_after(settled.0 + 1);
        assert!(probes.len() <= 36, "{probes:?}");
        assert!(probes.iter().all(|(_, _, width)| *width < 1280), "{probes:?}");
        let probed = playback.between(2, 120).filter(|frame| frame.width > 320).count();
        assert!(probed * 7 < playback.between(2, 120).count(), "{probed}");
    }
}

#[test]
fn a_hiccup_switches_no_viewer() {
    for mbit in [16, 20, 100] {
        for begins in (5_000..5_330).step_by(60) {
            let playback = one(mbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + 300).contains(&now);
                connection.rate = if hiccup { 0 } else { mbit * 125 };
            });
            assert_eq!(playback.switches_after(0), [], "{mbit} {begins}");
        }
    }
}

#[test]
fn hiccups_of_a_busy_machine_do_not_keep_a_rendition_small() {
    const RECOVERED: u64 = 8_000;
    for (every, length) in [(600, 110), (600, 120), (900, 90), (900, 110)] {
        let playback = one(4, 20, true).run(18, |now, connection| {
            let mbit = if now < RECOVERED { 4 } else { 100 };
            let hiccup = now > RECOVERED && now % every < length;
            connection.rate = if hiccup { 0 } else { mbit * 125 };
        });
        assert_eq!(playback.at_the_end(), [1280], "{every} {length}: {:?}", playback.switches);
    }
}

#[test]
fn a_wall_shares_the_link_and_one_tile_at_a_time_is_probed() {
    for (mbit, smallest) in [(10, 320), (20, 320), (60, 640), (100, 640), (200, 1280)] {
        let wall =
            Wall::new(&[DisplaySize::default(); 9], SimulatedConnection::new(mbit, 20, true));
        let playback = wall.run(60, steady);
        let widths = playback.at_the_end();
        let (least, most) = (*widths.iter().min().unwrap(), *widths.iter().max().unwrap());
        assert!(least >= smallest && most <= least * 2, "{mbit}: {widths:?}");
        assert!(!playback.goes_back_in_time());
        let late = playback.switches_after(30_000);
        assert!(late.len() <= 12, "{mbit}: {late:?}");
        if mbit > 10 {
            assert!(playback.fps(10, 60) > 9.0 * 29.0, "{mbit}: {}", playback.fps(10, 60));
        }
    }
}

#[test]
fn a_small_tile_gets_what_it_needs_and_leaves_the_rest() {
    let small = DisplaySize { width: Some(320), height: Some(180) };
    let wall =
        Wall::new(&[small, small, DisplaySize::default()], SimulatedConnection::new(20, 20, true));
    let playback = wall.run(40, steady);
    assert_eq!(playback.at_the_end(), [320, 320, 1280]);
    assert!(playback.switches.iter().all(|(_, tile, width)| *tile == 2 || *width == 320));
}

#[test]
fn a_rendition_without_frames_is_skipped() {
    let mut wall = one(4, 20, true);
    wall.cameras[0].broken = Some("quarter.jpeg");
    let playback = wall.run(25, steady);
    assert_eq!(playback.at_the_end(), [640]);
    let (at, _, width) = playback.switches_after(0)[0];
    assert!(width == 640 && at < 4_500, "{at}");
}

#[test]
fn a_wall_recovers_soon_after_its_link() {
    let wall = Wall::new(&[DisplaySize::default(); 9], SimulatedConnection::new(20, 20, true));
    let playback = wall.run(55, |now, connection| {
        connection.rate = if now < 30_000 { 2_500 } else { 25_000 };
    });
    assert_eq!(playback.at_the_end(), [1280; 9]);
}

#[test]
fn a_browser_that_is_busy_while_it_starts_keeps_its_size_and_one_that_stays_slow_does_not() {
    for (until, reduced) in [(3_000, false), (u64::MAX, true)] {
        let mut connection = SimulatedConnection::new(1000, 1, false);
        connection.max_window = 100_000;
        let playback =
            Wall::new(&[DisplaySize::default()], connection).run(12, |now, connection| {
                connection.read_rate = if now < until { 600 } else { u64::MAX / 2 };
            });
        assert_eq!(
            !playback.switches_after(0).is_empty(),
            reduced,
            "{:?}",
            playback.switches_after(0)
        );
    }
}

/// Returns the same for H.264.
fn one_of_h264(kbit: u64, base_rtt: u64, fills_queue: bool) -> Wall {
    let mut connection = SimulatedConnection::new(1, base_rtt, fills_queue);
    connection.rate = kbit / 8;
    Wall::of(Codec::H264, &[DisplaySize::default()], connection)
}

#[test]
fn h264_on_a_narrow_link_is_shown_in_time_and_rarely_switched() {
    for (kbit, fills_queue) in [(700, true), (1_000, true), (1_000, false), (2_000, false)] {
        let playback = one_of_h264(kbit, 40, fills_queue).run(120, steady);
        let (usual, late) = (playback.age(5, 120, 0.5), playback.age(5, 120, 0.95));
        assert!(playback.fps(5, 120) > 28.0, "{kbit}: {} fps", playback.fps(5, 120));
        assert!(usual < 50 && late < 450, "{kbit}: {usual} {late}");
        assert!(!playback.goes_back_in_time());
        // A probe every half minute, each of which switches up and down once.
        let settled = playback.switches_after(20_000);
        assert!(settled.len() <= 8, "{kbit}: {settled:?}");
    }
}

#[test]
fn h264_that_the_link_sustains_is_never_switched_however_much_its_keyframes_delay() {
    for kbit in [4_000, 6_000, 100_000] {
        for fills_queue in [false, true] {
            let playback = one_of_h264(kbit, 20, fills_queue).run(30, steady);
            assert_eq!(playback.switches_after(0), [], "{kbit}");
            assert!(playback.fps(2, 30) > 29.5, "{kbit}: {}", playback.fps(2, 30));
            assert!(playback.age(2, 30, 0.99) < 250, "{kbit}: {}", playback.age(2, 30, 0.99));
        }
    }
}

#[test]
fn a_hiccup_switches_no_viewer_of_h264_either() {
    for (kbit, length) in [(6_000, 300), (20_000, 300), (20_000, 450)] {
        for begins in (5_000..7_000).step_by(190) {
            let playback = one_of_h264(kbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + length).contains(&now);
                connection.rate = if hiccup { 0 } else { kbit / 8 };
            });
            assert_eq!(playback.switches_after(0), [], "{kbit} {length} {begins}");
            let frozen = playback.longest_freeze(2);
            assert!(frozen < length + 150, "{kbit} {length} {begins}: {frozen}");
        }
    }
}

#[test]
fn a_wall_in_h264_shares_a_narrow_link() {
    for (mbit, least) in [(2, 320), (6, 640), (20, 1280)] {
        let connection = SimulatedConnection::new(mbit, 20, true);
        let playback =
            Wall::of(Codec::H264, &[DisplaySize::default(); 4], connection).run(60, steady);
        assert!(
            playback.at_the_end().iter().all(|width| *width >= least),
            "{:?}",
            playback.at_the_end()
        );
        assert!(playback.fps(10, 60) > 4.0 * 26.0, "{mbit}: {} fps", playback.fps(10, 60));
        assert!(playback.age(10, 60, 0.95) < 400, "{mbit}: {}", playback.age(10, 60, 0.95));
        assert!(
            playback.switches_after(20_000).len() <= 6,
            "{:?}",
            playback.switches_after(20_000)
        );
        assert!(!playback.goes_back_in_time());
    }
}

#[test]
fn h264_on_a_recovered_link_is_at_full_size_within_half_a_minute() {
    let playback = one_of_h264(1_000, 20, true).run(60, |now, connection| {
        connection.rate = if now < 25_000 { 125 } else { 2_500 };
    });
    assert_eq!(playback.at_the_end(), [1280], "{:?}", playback.switches_after(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whenever_the_link_recovers_the_full_size_is_shown_within_ten_seconds(
        narrow in 5_000..20_000u64,
        fills_queue: bool,
        base_rtt in 1..60u64,
    ) {
        let playback = one(4, base_rtt, fills_queue).run(narrow / 1000 + 14, |now, connection| {
            connection.rate = if now < narrow { 500 } else { 12_500 };
        });
        let after = playback.switches_after(0);
        let last = after.last().unwrap();
        prop_assert!(last.2 == 1280 && last.0 < narrow + 10_000, "{} {:?}", narrow, after);
    }
}
