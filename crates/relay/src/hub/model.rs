//! Random cameras, losses and viewers, checked against a model decoder: no viewer is sent a frame that it cannot
//! decode.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{Timestamp, TrackName};
use proptest::prelude::*;

use super::{Frame, NextSend, Stream, Track, ViewOptions, Viewer, fixture};
use crate::stats::labels::{DropReason, Transport};
use crate::wake::Waker;

const TRACKS: [&str; 3] = ["full.h264", "half.h264", "full.jpeg"];
/// Milliseconds between two frames, and the number of calm frames at the end.
const INTERVAL: u64 = 33;
const CALM: u64 = 150;

/// An event between two frames.
#[derive(Debug, Clone)]
enum Event {
    /// A viewer joins, with this delay in milliseconds.
    Join {
        track: usize,
        delay: u64,
    },
    Leave {
        who: usize,
    },
    /// A viewer is sent up to this many frames.
    Send {
        who: usize,
        frames: usize,
    },
    /// All viewers are sent every frame that is due.
    SendAll,
    SetDropReason {
        who: usize,
        reason: DropReason,
    },
    Switch {
        who: usize,
        track: usize,
    },
    Fail {
        who: usize,
    },
    /// The next frames of a track are lost.
    Lose {
        track: usize,
        count: u64,
    },
    Restart {
        track: usize,
    },
    Clear {
        track: usize,
    },
    Pause {
        millis: u64,
    },
}

/// The publisher of one track.
struct Source {
    track: Arc<Track>,
    generation: u64,
    sequence: u64,
    to_keyframe: u64,
    to_lose: u64,
    /// The generation and sequence of all frames that the track accepted, in order.
    accepted: Vec<(u64, u64)>,
    orphaned: u64,
    asked: u64,
}

/// A viewer and a model of its decoder.
struct Watcher {
    viewer: Viewer,
    last: Option<(TrackName, Arc<Frame>)>,
    /// The decoder failed and needs a keyframe.
    failed: bool,
    newest_seen: Timestamp,
    /// True if the viewer switches tracks.
    switches: bool,
    /// The expected number of frames sent or dropped.
    counted: u64,
}

struct World {
    now: u64,
    gop: u64,
    stream: Arc<Stream>,
    sources: Vec<Source>,
    watchers: Vec<Watcher>,
    joined: u64,
    /// The expected number for viewers that left and did not switch.
    counted: u64,
}

impl World {
    fn new(gop: u64) -> Self {
        let stream = fixture::stream(Vec::new());
        let source = |name: &str| Source {
            track: stream.track(&name.parse().unwrap()),
            generation: 0,
            sequence: 0,
            to_keyframe: 0,
            to_lose: 0,
            accepted: Vec::new(),
            orphaned: 0,
            asked: 0,
        };
        let sources = TRACKS.map(source).into();
        Self { now: 10_000, gop, stream, sources, watchers: Vec::new(), joined: 0, counted: 0 }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now * 1000)
    }

    /// Publishes one frame on every track.
    fn shoot(&mut self) {
        let (at, gop) = (self.at(), self.gop);
        self.sources.iter_mut().for_each(|source| source.shoot(at, gop));
        self.now += INTERVAL;
    }

    fn happen(&mut self, event: &Event) {
        let who = |who: &usize, world: &Self| who.checked_rem(world.watchers.len());
        match event {
            Event::Join { track, delay } => self.join(*track, *delay),
            Event::Leave { who: number } => {
                if let Some(at) = who(number, self) {
                    let left = self.watchers.swap_remove(at);
                    self.counted += if left.switches { 0 } else { left.counted };
                }
            }
            Event::Send { who: number, frames } => {
                if let Some(at) = who(number, self) {
                    self.send(at, *frames);
                }
            }
            Event::SendAll => (0..self.watchers.len()).for_each(|at| self.send(at, 200)),
            Event::SetDropReason { who: number, reason } => {
                if let Some(at) = who(number, self) {
                    self.watchers[at].viewer.set_drop_reason(*reason);
                }
            }
            Event::Switch { who: number, track } => {
                let (at, now) = (who(number, self), self.at());
                if let Some(watcher) = at.map(|at| &mut self.watchers[at]).filter(|w| w.switches) {
                    watcher.viewer.switch_to(&TRACKS[*track].parse().unwrap(), now);
                }
            }
            Event::Fail { who: number } => {
                let now = self.at();
                if let Some(at) = who(number, self) {
                    self.watchers[at].viewer.decode_failed(now);
                    self.watchers[at].failed = true;
                }
            }
            Event::Lose { track, count } => self.sources[*track].to_lose += count,
            Event::Restart { track } => self.sources[*track].restart(),
            Event::Clear { track } => self.sources[*track].track.clear(),
            Event::Pause { millis } => self.now += millis,
        }
    }

    fn join(&mut self, track: usize, delay: u64) {
        self.joined += 1;
        let switches = self.joined.is_multiple_of(2);
        let transport = if switches { Transport::PlainWebSocket } else { Transport::V1 };
        let options = ViewOptions { max_fps: None, delay: Duration::from_millis(delay) };
        let waker = Waker::new(Arc::default());
        let name = TRACKS[track].parse().unwrap();
        let mut viewer = Viewer::watch(&self.stream, &name, transport, options, waker, self.at());
        if switches {
            viewer.start_with_fallback(&TrackName::full_jpeg(), self.at());
        }
        self.watchers.push(Watcher {
            viewer,
            last: None,
            failed: false,
            newest_seen: Timestamp::default(),
            switches,
            counted: 0,
        });
    }

    fn send(&mut self, at: usize, frames: usize) {
        let now = self.at();
        let Self { watchers, sources, .. } = self;
        for _ in 0..frames {
            match watchers[at].viewer.next(now) {
                NextSend::Frame { frame, .. } => watchers[at].decode(&frame, sources, now),
                NextSend::At(_) | NextSend::Nothing => return,
            }
        }
    }

    /// Every viewer keeps up for a while. Then all have been sent the newest frame, whatever happened before.
    fn settle(&mut self) {
        self.sources.iter_mut().for_each(|source| source.to_lose = 0);
        for _ in 0..CALM {
            self.shoot();
            self.happen(&Event::SendAll);
        }
        for Watcher { viewer, last, .. } in &self.watchers {
            let (track, frame) = last.as_ref().expect("frames were sent");
            let source = self.sources.iter().find(|s| s.track.topic().track == *track).unwrap();
            if source.last() != Some((frame.generation, frame.sequence())) {
                // The viewer has a delay of 600 ms at most.
                assert!(self.at().since(frame.captured_at()) < Duration::from_millis(700));
            }
            assert!(viewer.pending_track().is_none(), "no switch is pending");
        }
    }

    fn count(&self) {
        let sent = self.stream.counters.of(Transport::V1).read();
        let staying = self.watchers.iter().filter(|watcher| !watcher.switches);
        let counted: u64 = staying.map(|watcher| watcher.counted).sum();
        assert_eq!(sent.frames + sent.dropped.iter().sum::<u64>(), counted + self.counted);
        for source in &self.sources {
            assert_eq!(source.track.orphaned(), source.orphaned);
            assert!(source.asked <= self.now / 1000, "at most one keyframe a second");
        }
    }
}

impl Source {
    fn last(&self) -> Option<(u64, u64)> {
        self.accepted.last().copied()
    }

    fn restart(&mut self) {
        (self.generation, self.sequence, self.to_keyframe) = (self.track.start_generation(), 0, 0);
    }

    fn shoot(&mut self, at: Timestamp, gop: u64) {
        if self.track.take_keyframe_request(at) {
            (self.to_keyframe, self.asked) = (0, self.asked + 1);
        }
        let is_keyframe = self.to_keyframe == 0 || !self.track.has_deltas();
        self.to_keyframe = if is_keyframe { gop - 1 } else { self.to_keyframe - 1 };
        let name = (self.generation, self.sequence);
        self.sequence += 1;
        if self.to_lose > 0 {
            self.to_lose -= 1;
            return;
        }
        let newest = self.track.newest().map(|frame| (frame.generation, frame.sequence() + 1));
        if is_keyframe || newest == Some(name) {
            self.accepted.push(name);
        } else {
            self.orphaned += 1;
        }
        let frame = fixture::frame(name.1, at, is_keyframe);
        self.track.push(Frame { generation: name.0, ..frame });
    }
}

impl Watcher {
    fn decode(&mut self, frame: &Arc<Frame>, sources: &[Source], now: Timestamp) {
        let track = self.viewer.track().topic().track.clone();
        let before = self.last.as_ref().filter(|(of, _)| *of == track).map(|(_, before)| before);
        if !frame.is_keyframe() {
            assert!(!self.failed, "a failed decoder is sent a keyframe");
            let before = before.expect("a track starts with a keyframe");
            assert!(frame.follows(before), "{frame:?} after {before:?}");
        }
        self.failed = false;
        let source = sources.iter().find(|source| source.track.topic().track == track).unwrap();
        let at = |frame: &Frame| {
            let name = (frame.generation, frame.sequence());
            source
                .accepted
                .iter()
                .position(|accepted| *accepted == name)
                .expect("the track accepted it")
        };
        self.counted += before.map_or(1, |before| (at(frame) - at(before)) as u64);
        let is_newest = source.last() == Some((frame.generation, frame.sequence()));
        if !self.viewer.is_catching_up(now) && (is_newest || !self.switches) {
            assert!(frame.captured_at() >= self.newest_seen, "no viewer goes back in time");
            self.newest_seen = frame.captured_at();
        }
        self.last = Some((track, frame.clone()));
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let (who, track) = (0..100usize, 0..TRACKS.len());
    let delay = prop_oneof![4 => Just(0), 1 => 1..600u64];
    let reason =
        prop_oneof![Just(DropReason::Relay), Just(DropReason::Link), Just(DropReason::Viewer)];
    prop_oneof![
        2 => (track.clone(), delay).prop_map(|(track, delay)| Event::Join { track, delay }),
        1 => who.clone().prop_map(|who| Event::Leave { who }),
        6 => (who.clone(), 1..5usize).prop_map(|(who, frames)| Event::Send { who, frames }),
        12 => Just(Event::SendAll),
        3 => (who.clone(), reason).prop_map(|(who, reason)| Event::SetDropReason { who, reason }),
        3 => (who.clone(), track.clone()).prop_map(|(who, track)| Event::Switch { who, track }),
        1 => who.prop_map(|who| Event::Fail { who }),
        1 => (track.clone(), 1..20u64).prop_map(|(track, count)| Event::Lose { track, count }),
        1 => track.clone().prop_map(|track| Event::Restart { track }),
        1 => track.prop_map(|track| Event::Clear { track }),
        1 => (1..1500u64).prop_map(|millis| Event::Pause { millis }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_viewer_is_sent_a_frame_it_cannot_decode_and_all_see_the_newest_in_the_end(
        gop in prop_oneof![Just(1u64), Just(2), Just(60), Just(120)],
        // Each event, and the number of frames published after it.
        events in proptest::collection::vec((any_event(), 0..12u64), 1..150),
    ) {
        let mut world = World::new(gop);
        for (event, frames) in &events {
            world.happen(event);
            (0..*frames).for_each(|_| world.shoot());
        }
        world.settle();
        world.count();
    }
}
