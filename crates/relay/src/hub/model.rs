//! Random cameras, losses and viewers, checked by a model: no viewer is ever sent what it cannot decode.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{Timestamp, TrackName};
use proptest::prelude::*;

use super::{Frame, Next, Stream, Track, ViewOptions, Viewer, fixture};
use crate::stats::counters::{DropReason, Transport};
use crate::wake::Waker;

const TRACKS: [&str; 3] = ["full.h264", "half.h264", "full.jpeg"];
/// Milliseconds between two pictures, and how many of them the end is calm.
const INTERVAL: u64 = 33;
const CALM: u64 = 150;

/// What happens between two pictures.
#[derive(Debug, Clone)]
enum Event {
    /// Somebody comes, to stay so many milliseconds behind.
    Join {
        track: usize,
        behind: u64,
    },
    Leave {
        who: usize,
    },
    /// So many turns are taken.
    Look {
        who: usize,
        turns: usize,
    },
    /// All others take theirs.
    LookAll,
    Hold {
        who: usize,
        held: DropReason,
    },
    Turn {
        who: usize,
        track: usize,
    },
    Fail {
        who: usize,
    },
    /// The next frames of a track do not come.
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

/// What a publisher makes of one track.
struct Source {
    track: Arc<Track>,
    run: u64,
    sequence: u64,
    to_keyframe: u64,
    to_lose: u64,
    /// All frames that could be decoded, in order.
    taken: Vec<(u64, u64)>,
    orphaned: u64,
    asked: u64,
}

/// A viewer, and what a decoder would make of what it was sent.
struct Watcher {
    viewer: Viewer,
    last: Option<(TrackName, Arc<Frame>)>,
    /// Nothing but a keyframe will do.
    failed: bool,
    newest_seen: Timestamp,
    /// One that turns to other tracks.
    turns: bool,
    /// How many frames were sent or dropped, as they must have been.
    passed: u64,
}

struct World {
    now: u64,
    gop: u64,
    stream: Arc<Stream>,
    sources: Vec<Source>,
    watchers: Vec<Watcher>,
    joined: u64,
    /// What those that left, and did not turn, were sent or not.
    passed: u64,
}

impl World {
    fn new(gop: u64) -> Self {
        let stream = fixture::stream(Vec::new());
        let source = |name: &str| Source {
            track: stream.track(&name.parse().unwrap()),
            run: 0,
            sequence: 0,
            to_keyframe: 0,
            to_lose: 0,
            taken: Vec::new(),
            orphaned: 0,
            asked: 0,
        };
        let sources = TRACKS.map(source).into();
        Self { now: 10_000, gop, stream, sources, watchers: Vec::new(), joined: 0, passed: 0 }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now * 1000)
    }

    /// One picture on all tracks.
    fn shoot(&mut self) {
        let (at, gop) = (self.at(), self.gop);
        self.sources.iter_mut().for_each(|source| source.shoot(at, gop));
        self.now += INTERVAL;
    }

    fn happen(&mut self, event: &Event) {
        let who = |who: &usize, world: &Self| who.checked_rem(world.watchers.len());
        match event {
            Event::Join { track, behind } => self.join(*track, *behind),
            Event::Leave { who: number } => {
                if let Some(at) = who(number, self) {
                    let left = self.watchers.swap_remove(at);
                    self.passed += if left.turns { 0 } else { left.passed };
                }
            }
            Event::Look { who: number, turns } => {
                if let Some(at) = who(number, self) {
                    self.look(at, *turns);
                }
            }
            Event::LookAll => (0..self.watchers.len()).for_each(|at| self.look(at, 200)),
            Event::Hold { who: number, held } => {
                if let Some(at) = who(number, self) {
                    self.watchers[at].viewer.hold(*held);
                }
            }
            Event::Turn { who: number, track } => {
                let (at, now) = (who(number, self), self.at());
                if let Some(watcher) = at.map(|at| &mut self.watchers[at]).filter(|w| w.turns) {
                    watcher.viewer.turn_to(&TRACKS[*track].parse().unwrap(), now);
                }
            }
            Event::Fail { who: number } => {
                let now = self.at();
                if let Some(at) = who(number, self) {
                    self.watchers[at].viewer.fail(now);
                    self.watchers[at].failed = true;
                }
            }
            Event::Lose { track, count } => self.sources[*track].to_lose += count,
            Event::Restart { track } => self.sources[*track].restart(),
            Event::Clear { track } => self.sources[*track].track.clear(),
            Event::Pause { millis } => self.now += millis,
        }
    }

    fn join(&mut self, track: usize, behind: u64) {
        self.joined += 1;
        let turns = self.joined.is_multiple_of(2);
        let transport = if turns { Transport::PlainWebSocket } else { Transport::V1 };
        let manner = ViewOptions { fps: None, behind: Duration::from_millis(behind) };
        let waker = Waker::new(Arc::default());
        let name = TRACKS[track].parse().unwrap();
        let mut viewer = self.stream.watch(&name, transport, manner, waker, self.at());
        if turns {
            viewer.begin_with(&TrackName::full_jpeg(), self.at());
        }
        self.watchers.push(Watcher {
            viewer,
            last: None,
            failed: false,
            newest_seen: Timestamp::default(),
            turns,
            passed: 0,
        });
    }

    fn look(&mut self, at: usize, turns: usize) {
        let now = self.at();
        let Self { watchers, sources, .. } = self;
        for _ in 0..turns {
            match watchers[at].viewer.next(now) {
                Next::Frame(frame, _) => watchers[at].decode(&frame, sources, now),
                Next::At(_) | Next::Nothing => return,
            }
        }
    }

    /// Everybody keeps up for a while. Then everybody has seen the newest picture, whatever was before.
    fn end_well(&mut self) {
        self.sources.iter_mut().for_each(|source| source.to_lose = 0);
        for _ in 0..CALM {
            self.shoot();
            self.happen(&Event::LookAll);
        }
        for Watcher { viewer, last, .. } in &self.watchers {
            let (track, frame) = last.as_ref().expect("something was sent");
            let source = self.sources.iter().find(|s| s.track.topic().track == *track).unwrap();
            if source.last() != Some((frame.run, frame.sequence)) {
                // It stays behind, by 600 ms at most.
                assert!(self.at().since(frame.captured_at) < Duration::from_millis(700));
            }
            assert!(viewer.turns_to().is_none(), "nobody waits for another track any more");
        }
    }

    fn count(&self) {
        let sent = self.stream.traffic.over(Transport::V1).read();
        let staying = self.watchers.iter().filter(|watcher| !watcher.turns);
        let passed: u64 = staying.map(|watcher| watcher.passed).sum();
        assert_eq!(sent.frames + sent.dropped.iter().sum::<u64>(), passed + self.passed);
        for source in &self.sources {
            assert_eq!(source.track.orphaned(), source.orphaned);
            assert!(source.asked <= self.now / 1000, "a keyframe a second at most");
        }
    }
}

impl Source {
    fn last(&self) -> Option<(u64, u64)> {
        self.taken.last().copied()
    }

    fn restart(&mut self) {
        (self.run, self.sequence, self.to_keyframe) = (self.track.begin_run(), 0, 0);
    }

    fn shoot(&mut self, at: Timestamp, gop: u64) {
        if self.track.asks_for_keyframe(at) {
            (self.to_keyframe, self.asked) = (0, self.asked + 1);
        }
        let is_keyframe = self.to_keyframe == 0 || !self.track.has_deltas();
        self.to_keyframe = if is_keyframe { gop - 1 } else { self.to_keyframe - 1 };
        let name = (self.run, self.sequence);
        self.sequence += 1;
        if self.to_lose > 0 {
            self.to_lose -= 1;
            return;
        }
        let newest = self.track.newest().map(|frame| (frame.run, frame.sequence + 1));
        if is_keyframe || newest == Some(name) {
            self.taken.push(name);
        } else {
            self.orphaned += 1;
        }
        let flags = fixture::flags(is_keyframe);
        self.track.push(Frame { run: name.0, flags, ..fixture::picture(name.1, at) });
    }
}

impl Watcher {
    fn decode(&mut self, frame: &Arc<Frame>, sources: &[Source], now: Timestamp) {
        let track = self.viewer.track().topic().track.clone();
        let before = self.last.as_ref().filter(|(of, _)| *of == track).map(|(_, before)| before);
        if !frame.flags.is_keyframe() {
            assert!(!self.failed, "after a failure comes a keyframe");
            let before = before.expect("a track begins with a keyframe");
            assert!(frame.follows(before), "{frame:?} after {before:?}");
        }
        self.failed = false;
        let source = sources.iter().find(|source| source.track.topic().track == track).unwrap();
        let at = |frame: &Frame| {
            let name = (frame.run, frame.sequence);
            source.taken.iter().position(|taken| *taken == name).expect("it was taken in")
        };
        self.passed += before.map_or(1, |before| (at(frame) - at(before)) as u64);
        let is_newest = source.last() == Some((frame.run, frame.sequence));
        if !self.viewer.is_catching_up(now) && (is_newest || !self.turns) {
            assert!(frame.captured_at >= self.newest_seen, "nobody goes back in time");
            self.newest_seen = frame.captured_at;
        }
        self.last = Some((track, frame.clone()));
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let (who, track) = (0..100usize, 0..TRACKS.len());
    let behind = prop_oneof![4 => Just(0), 1 => 1..600u64];
    let held =
        prop_oneof![Just(DropReason::Relay), Just(DropReason::Link), Just(DropReason::Viewer)];
    prop_oneof![
        2 => (track.clone(), behind).prop_map(|(track, behind)| Event::Join { track, behind }),
        1 => who.clone().prop_map(|who| Event::Leave { who }),
        6 => (who.clone(), 1..5usize).prop_map(|(who, turns)| Event::Look { who, turns }),
        12 => Just(Event::LookAll),
        3 => (who.clone(), held).prop_map(|(who, held)| Event::Hold { who, held }),
        3 => (who.clone(), track.clone()).prop_map(|(who, track)| Event::Turn { who, track }),
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
    fn no_viewer_is_ever_sent_what_it_cannot_decode_and_all_are_well_in_the_end(
        gop in prop_oneof![Just(1u64), Just(2), Just(60), Just(120)],
        // So many pictures come after each event.
        events in proptest::collection::vec((any_event(), 0..12u64), 1..150),
    ) {
        let mut world = World::new(gop);
        for (event, pictures) in &events {
            world.happen(event);
            (0..*pictures).for_each(|_| world.shoot());
        }
        world.end_well();
        world.count();
    }
}
