//! Cameras, a relay's hub, and viewers on one simulated link, millisecond by millisecond: real viewers, real queue_estimate,
//! and no clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fanlight_protocol::{Codec, FrameFlags, FrameMeta, Timestamp, TrackEntry, TrackName};
use proptest::prelude::*;

use super::ladder::Room;
use super::{AdaptiveViewer, Auto, Fit, Link};
use crate::connection::queue_estimate::{QueueEstimator, Room as Turn};
use crate::connection::simulated::Connection;
use crate::hub::{Frame, Hub, NextSend, Stream, ViewOptions, Viewer, fixture};
use crate::stats::labels::{DropReason, Transport};
use crate::wake::Waker;

/// Milliseconds between two pictures.
const INTERVAL: u64 = 33;
/// Until a track that is wanted has its first frame, and for which it goes on when nobody wants it any more.
const BEGINS: u64 = 60;
const LINGERS: u64 = 5_000;
/// What the kernel takes of a viewer that keeps up, and of one that does not.
const QUICK: u64 = 128 * 1024;
const SLOW: u64 = 16 * 1024;

/// Rendition, width, and kbit a second.
const TRACKS: [(&str, u32, u64); 3] =
    [("full.jpeg", 1280, 14_400), ("half.jpeg", 640, 4_600), ("quarter.jpeg", 320, 1_400)];

/// The same in H.264, and how many deltas come between two keyframes, each of which has so many times their bytes.
const H264: [(&str, u32, u64); 3] =
    [("full.h264", 1280, 3_000), ("half.h264", 640, 900), ("quarter.h264", 320, 300)];
const DELTAS: u64 = 60;
const KEYFRAME: u64 = 8;

struct Camera {
    stream: Arc<Stream>,
    codec: Codec,
    /// Frames of each track since its keyframe.
    since_keyframe: [u64; 3],
    /// Since when each track has been wanted, and when it was last.
    wanted: [Option<(u64, u64)>; 3],
    /// A track that is listed and never comes.
    broken: Option<&'static str>,
    sequence: u64,
}

/// A picture as it was seen.
#[derive(Debug, Clone, Copy)]
struct Picture {
    tile: usize,
    width: u32,
    captured: u64,
    seen: u64,
}

#[derive(Debug, Default)]
struct Seen {
    pictures: Vec<Picture>,
    /// When which tile went on with another width.
    switches: Vec<(u64, usize, u32)>,
}

struct Wall {
    cameras: Vec<Camera>,
    tiles: Vec<AdaptiveViewer>,
    fit: Fit,
    queue_estimate: QueueEstimator,
    connection: Connection,
    turn: usize,
    until: u64,
    written: u64,
    under_way: VecDeque<(u64, Picture)>,
    seen: Seen,
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
        Self { stream, codec, since_keyframe, wanted: [None; 3], broken: None, sequence: 0 }
    }

    fn pass(&mut self, now: u64) {
        let shoots = now.is_multiple_of(INTERVAL);
        self.sequence += u64::from(shoots);
        // The smallest is encoded soonest.
        for (at, (name, width, kbit)) in tracks(self.codec).into_iter().enumerate().rev() {
            let shoots = shoots && self.broken != Some(name);
            let name: TrackName = name.parse().unwrap();
            let Some(track) = self.stream.known_track(&name) else { continue };
            let wanted = &mut self.wanted[at];
            if track.has_demand() {
                *wanted = Some((wanted.map_or(now, |(since, _)| since), now));
            }
            match *wanted {
                Some((_, last)) if now - last > LINGERS => {
                    *wanted = None;
                    self.since_keyframe[at] = DELTAS;
                    track.clear();
                }
                Some((since, _)) if shoots && now - since > BEGINS => {
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

/// Makes of a frame the one with this place in its GOP.
fn gop(frame: &mut Frame, place: u64) {
    let delta = frame.payload.len() as u64 * (DELTAS + 1) / (DELTAS + KEYFRAME);
    let is_keyframe = place == 0;
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
    fn new(rooms: &[Room], connection: Connection) -> Self {
        Self::of(Codec::Jpeg, rooms, connection)
    }

    fn of(codec: Codec, rooms: &[Room], connection: Connection) -> Self {
        let cameras: Vec<Camera> = (0..rooms.len()).map(|n| Camera::new(n, codec)).collect();
        let tiles = cameras.iter().zip(rooms).map(|(camera, room)| {
            let auto = Auto::new(&camera.stream, codec, *room);
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
            fit: Fit::default(),
            queue_estimate: QueueEstimator::default(),
            connection,
            turn: 0,
            until: 0,
            written: 0,
            under_way: VecDeque::new(),
            seen: Seen::default(),
        }
    }

    fn run(mut self, seconds: u64, change: impl Fn(u64, &mut Connection)) -> Seen {
        for now in 0..seconds * 1000 {
            change(now, &mut self.connection);
            self.connection.pass(now);
            self.cameras.iter_mut().for_each(|camera| camera.pass(now));
            self.show(now);
            while self.speak(now) {}
        }
        self.seen
    }

    fn show(&mut self, now: u64) {
        while self.under_way.front().is_some_and(|(end, _)| *end <= self.connection.read) {
            let (_, picture) = self.under_way.pop_front().unwrap();
            // Of a GOP that was begun with only the end is painted.
            let newest = self.seen.pictures.iter().rfind(|seen| seen.tile == picture.tile);
            if picture.width > 0 && newest.is_none_or(|newest| newest.captured < picture.captured) {
                self.seen.pictures.push(Picture { seen: now, ..picture });
            }
        }
    }

    /// As a session speaks: one frame of whoever's turn it is. Returns whether there may be more.
    fn speak(&mut self, now: u64) -> bool {
        let low_water = if self.queue_estimate.has_queue() { SLOW } else { QUICK };
        if self.connection.unsent > low_water {
            self.queue_estimate.suspect(at(now));
            self.hold();
            return false;
        }
        let link = Link {
            acked: self.queue_estimate.acked(),
            distance: self.queue_estimate.distance(),
            waited_for_receiver: self.queue_estimate.waited_for_receiver(at(now)),
            lossy: self.queue_estimate.is_lossy(at(now)),
        };
        if self.fit.budget.is_due(at(now)) {
            self.fit.choose(&mut self.tiles, link, at(now));
        }
        if now < self.until || !self.has_room(now) {
            self.hold();
            return false;
        }
        let count = self.tiles.len();
        for tile in (0..count).map(|offset| (self.turn + offset) % count) {
            if let NextSend::Frame { frame, .. } = self.tiles[tile].viewer.next(at(now)) {
                self.turn = tile + 1;
                self.send(tile, &frame, now);
                return true;
            }
        }
        false
    }

    fn has_room(&mut self, now: u64) -> bool {
        if !self.queue_estimate.wants_reading(at(now)) {
            return true;
        }
        match self.queue_estimate.take(at(now), self.connection.read_info(now)) {
            Turn::Now => true,
            Turn::At(then) => {
                self.until = (then.micros() - 1_000_000_000) / 1000;
                false
            }
            Turn::Stalled => panic!("nothing was taken for long"),
        }
    }

    fn hold(&mut self) {
        self.tiles.iter_mut().for_each(|tile| tile.viewer.set_drop_reason(DropReason::Link));
    }

    fn send(&mut self, tile: usize, frame: &Frame, now: u64) {
        let before = self.seen.switches.iter().rfind(|(_, of, _)| *of == tile);
        if before.is_none_or(|(_, _, width)| *width != frame.meta.width) {
            self.seen.switches.push((now, tile, frame.meta.width));
        }
        self.written += frame.payload.len() as u64;
        self.connection.unsent += frame.payload.len() as u64;
        self.queue_estimate.send(frame.payload.len());
        let captured = (frame.captured_at().micros() - 1_000_000_000) / 1000;
        let is_seen = !self.tiles[tile].viewer.is_catching_up(at(now));
        let width = if is_seen { frame.meta.width } else { 0 };
        let picture = Picture { tile, width, captured, seen: 0 };
        self.under_way.push_back((self.written, picture));
    }
}

impl Seen {
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Picture> {
        self.pictures.iter().filter(move |p| (from * 1000..to * 1000).contains(&p.seen))
    }

    fn fps(&self, from: u64, to: u64) -> f64 {
        self.between(from, to).count() as f64 / (to - from) as f64
    }

    fn age(&self, from: u64, to: u64, share: f64) -> u64 {
        let mut ages: Vec<u64> = self.between(from, to).map(|p| p.seen - p.captured).collect();
        ages.sort_unstable();
        ages[(ages.len() as f64 * share) as usize]
    }

    /// The longest time, in milliseconds, without a picture, after the first seconds.
    fn longest_freeze(&self, from: u64) -> u64 {
        let seen: Vec<u64> = self.between(from, u64::MAX / 1000).map(|p| p.seen).collect();
        seen.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(u64::MAX)
    }

    /// The switches after the first picture of each tile.
    fn switches_after(&self, millis: u64) -> Vec<(u64, usize, u32)> {
        let mut seen = BTreeMap::new();
        let after_first =
            self.switches.iter().filter(|(_, tile, _)| seen.insert(*tile, ()).is_some());
        after_first.filter(|(at, _, _)| *at >= millis).copied().collect()
    }

    /// The width that each tile has at the end.
    fn at_the_end(&self) -> Vec<u32> {
        let mut widths = BTreeMap::new();
        self.switches.iter().for_each(|(_, tile, width)| {
            widths.insert(*tile, *width);
        });
        widths.into_values().collect()
    }

    fn goes_back_in_time(&self) -> bool {
        let mut newest = BTreeMap::new();
        self.pictures.iter().any(|p| newest.insert(p.tile, p.captured) >= Some(p.captured))
    }
}

/// One camera that wants the most.
fn one(mbit: u64, distance: u64, fills: bool) -> Wall {
    Wall::new(&[Room::default()], Connection::new(mbit, distance, fills))
}

fn steady(_: u64, _: &mut Connection) {}

#[test]
fn a_camera_that_the_link_carries_is_never_touched() {
    for distance in [1, 40, 100] {
        let seen = one(100, distance, true).run(60, steady);
        assert_eq!(seen.switches_after(0), [], "{distance}");
        assert!(seen.fps(2, 60) > 29.5, "{distance}: {}", seen.fps(2, 60));
    }
}

#[test]
fn on_a_narrow_link_it_is_seen_smaller_within_two_seconds_and_does_not_flap() {
    for (distance, fills) in [(1, false), (1, true), (40, false), (40, true)] {
        let seen = one(4, distance, fills).run(120, steady);
        let settled = seen.switches_after(0)[0];
        assert!(settled.0 < 1_500 && settled.2 == 320, "{settled:?}");
        assert!(!seen.goes_back_in_time());
        assert!(seen.fps(2, 120) > 29.5, "{} fps", seen.fps(2, 120));
        let (usual, late) = (seen.age(2, 120, 0.5), seen.age(2, 120, 0.95));
        assert!(usual < 30 && late < 120, "{usual} {late}");
        // A trial every six or seven seconds, of less than a second, and each goes up and down once.
        let trials = seen.switches_after(settled.0 + 1);
        assert!(trials.len() <= 36, "{trials:?}");
        assert!(trials.iter().all(|(_, _, width)| *width < 1280), "{trials:?}");
        let tried = seen.between(2, 120).filter(|picture| picture.width > 320).count();
        assert!(tried * 7 < seen.between(2, 120).count(), "{tried}");
    }
}

#[test]
fn a_hiccup_moves_nobody() {
    for mbit in [16, 20, 100] {
        for begins in (5_000..5_330).step_by(60) {
            let seen = one(mbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + 300).contains(&now);
                connection.carries = if hiccup { 0 } else { mbit * 125 };
            });
            assert_eq!(seen.switches_after(0), [], "{mbit} {begins}");
        }
    }
}

#[test]
fn hiccups_of_a_busy_machine_do_not_keep_it_small() {
    const WELL_AGAIN: u64 = 8_000;
    for (every, length) in [(600, 110), (600, 120), (900, 90), (900, 110)] {
        let seen = one(4, 20, true).run(18, |now, connection| {
            let mbit = if now < WELL_AGAIN { 4 } else { 100 };
            let hiccup = now > WELL_AGAIN && now % every < length;
            connection.carries = if hiccup { 0 } else { mbit * 125 };
        });
        assert_eq!(seen.at_the_end(), [1280], "{every} {length}: {:?}", seen.switches);
    }
}

#[test]
fn a_wall_shares_what_there_is_and_one_tile_at_a_time_tries_for_more() {
    for (mbit, smallest) in [(10, 320), (20, 320), (60, 640), (100, 640), (200, 1280)] {
        let wall = Wall::new(&[Room::default(); 9], Connection::new(mbit, 20, true));
        let seen = wall.run(60, steady);
        let widths = seen.at_the_end();
        let (least, most) = (*widths.iter().min().unwrap(), *widths.iter().max().unwrap());
        assert!(least >= smallest && most <= least * 2, "{mbit}: {widths:?}");
        assert!(!seen.goes_back_in_time());
        let late = seen.switches_after(30_000);
        assert!(late.len() <= 12, "{mbit}: {late:?}");
        if mbit > 10 {
            assert!(seen.fps(10, 60) > 9.0 * 29.0, "{mbit}: {}", seen.fps(10, 60));
        }
    }
}

#[test]
fn a_small_tile_is_sent_what_it_needs_and_leaves_the_rest() {
    let small = Room { width: Some(320), height: Some(180) };
    let wall = Wall::new(&[small, small, Room::default()], Connection::new(20, 20, true));
    let seen = wall.run(40, steady);
    assert_eq!(seen.at_the_end(), [320, 320, 1280]);
    assert!(seen.switches.iter().all(|(_, tile, width)| *tile == 2 || *width == 320));
}

#[test]
fn a_rendition_that_never_comes_is_done_without() {
    let mut wall = one(4, 20, true);
    wall.cameras[0].broken = Some("quarter.jpeg");
    let seen = wall.run(25, steady);
    assert_eq!(seen.at_the_end(), [640]);
    let (at, _, width) = seen.switches_after(0)[0];
    assert!(width == 640 && at < 4_500, "{at}");
}

#[test]
fn a_wall_is_whole_again_soon_after_its_link() {
    let wall = Wall::new(&[Room::default(); 9], Connection::new(20, 20, true));
    let seen = wall.run(55, |now, connection| {
        connection.carries = if now < 30_000 { 2_500 } else { 25_000 };
    });
    assert_eq!(seen.at_the_end(), [1280; 9]);
}

#[test]
fn a_browser_that_is_busy_while_it_starts_keeps_its_size_and_one_that_stays_slow_does_not() {
    for (until, reduced) in [(3_000, false), (u64::MAX, true)] {
        let mut connection = Connection::new(1000, 1, false);
        connection.widest = 100_000;
        let seen = Wall::new(&[Room::default()], connection).run(12, |now, connection| {
            connection.reads = if now < until { 600 } else { u64::MAX / 2 };
        });
        assert_eq!(!seen.switches_after(0).is_empty(), reduced, "{:?}", seen.switches_after(0));
    }
}

/// The same of H.264.
fn one_of_h264(kbit: u64, distance: u64, fills: bool) -> Wall {
    let mut connection = Connection::new(1, distance, fills);
    connection.carries = kbit / 8;
    Wall::of(Codec::H264, &[Room::default()], connection)
}

#[test]
fn h264_on_a_narrow_link_is_seen_in_time_and_hardly_ever_moved() {
    for (kbit, fills) in [(700, true), (1_000, true), (1_000, false), (2_000, false)] {
        let seen = one_of_h264(kbit, 40, fills).run(120, steady);
        let (usual, late) = (seen.age(5, 120, 0.5), seen.age(5, 120, 0.95));
        assert!(seen.fps(5, 120) > 28.0, "{kbit}: {} fps", seen.fps(5, 120));
        assert!(usual < 50 && late < 450, "{kbit}: {usual} {late}");
        assert!(!seen.goes_back_in_time());
        // A trial every half minute, each of which goes up and down once.
        let settled = seen.switches_after(20_000);
        assert!(settled.len() <= 8, "{kbit}: {settled:?}");
    }
}

#[test]
fn h264_that_the_link_carries_is_never_touched_whatever_its_keyframes_hold_up() {
    for kbit in [4_000, 6_000, 100_000] {
        for fills in [false, true] {
            let seen = one_of_h264(kbit, 20, fills).run(30, steady);
            assert_eq!(seen.switches_after(0), [], "{kbit}");
            assert!(seen.fps(2, 30) > 29.5, "{kbit}: {}", seen.fps(2, 30));
            assert!(seen.age(2, 30, 0.99) < 250, "{kbit}: {}", seen.age(2, 30, 0.99));
        }
    }
}

#[test]
fn a_hiccup_moves_nobody_in_h264_either() {
    for (kbit, length) in [(6_000, 300), (20_000, 300), (20_000, 450)] {
        for begins in (5_000..7_000).step_by(190) {
            let seen = one_of_h264(kbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + length).contains(&now);
                connection.carries = if hiccup { 0 } else { kbit / 8 };
            });
            assert_eq!(seen.switches_after(0), [], "{kbit} {length} {begins}");
            let frozen = seen.longest_freeze(2);
            assert!(frozen < length + 150, "{kbit} {length} {begins}: {frozen}");
        }
    }
}

#[test]
fn a_wall_in_h264_shares_a_narrow_link() {
    for (mbit, least) in [(2, 320), (6, 640), (20, 1280)] {
        let connection = Connection::new(mbit, 20, true);
        let seen = Wall::of(Codec::H264, &[Room::default(); 4], connection).run(60, steady);
        assert!(seen.at_the_end().iter().all(|width| *width >= least), "{:?}", seen.at_the_end());
        assert!(seen.fps(10, 60) > 4.0 * 26.0, "{mbit}: {} fps", seen.fps(10, 60));
        assert!(seen.age(10, 60, 0.95) < 400, "{mbit}: {}", seen.age(10, 60, 0.95));
        assert!(seen.switches_after(20_000).len() <= 6, "{:?}", seen.switches_after(20_000));
        assert!(!seen.goes_back_in_time());
    }
}

#[test]
fn h264_on_a_link_that_is_well_again_is_whole_again_within_half_a_minute() {
    let seen = one_of_h264(1_000, 20, true).run(60, |now, connection| {
        connection.carries = if now < 25_000 { 125 } else { 2_500 };
    });
    assert_eq!(seen.at_the_end(), [1280], "{:?}", seen.switches_after(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whenever_the_link_recovers_everything_is_seen_again_within_ten_seconds(
        narrow in 5_000..20_000u64,
        fills: bool,
        distance in 1..60u64,
    ) {
        let seen = one(4, distance, fills).run(narrow / 1000 + 14, |now, connection| {
            connection.carries = if now < narrow { 500 } else { 12_500 };
        });
        let after = seen.switches_after(0);
        let last = after.last().unwrap();
        prop_assert!(last.2 == 1280 && last.0 < narrow + 10_000, "{} {:?}", narrow, after);
    }
}
