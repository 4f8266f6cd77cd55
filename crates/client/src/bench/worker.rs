//! A thread with its share of the viewers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::meter::{FREEZE, Meter};
use super::settings::Settings;
use super::viewer::{Gone, Hands, Kind, READ_ROOM, Viewer, group};

/// Handshakes under way at once, of all threads: many servers let 128 connections wait to be accepted.
const MAX_HANDSHAKES: usize = 100;
/// How long a server may take to answer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a closed viewer waits before it connects anew.
const RECONNECT: Duration = Duration::from_secs(1);
/// How often viewers that are not woken are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How many events are taken at once.
const EVENTS: usize = 1024;
/// How much is thrown away at once. The memory is never touched, and so costs nothing.
const SCRATCH: usize = 1024 * 1024;

/// What the threads and the one that watches over them tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// Viewers whose first handshake is over, one way or the other.
    pub settled: AtomicUsize,
    /// Viewers that watch now.
    pub watching: AtomicUsize,
    /// Whether this is the time that counts.
    pub measuring: AtomicBool,
    /// Whether it is over.
    pub over: AtomicBool,
    /// Frames received since the beginning.
    pub frames: AtomicU64,
}

/// How the viewer with this number reads: those that read badly are spread evenly among the others.
fn kind_of(number: usize, viewers: usize, stalled: usize, trickling: usize) -> Kind {
    let bad = stalled + trickling;
    // Of so many in all, so many few have come before this one.
    let before = |number: usize, few: usize, all: usize| number * few / all;
    let is = |number, few, all| before(number, few, all) != before(number + 1, few, all);
    match () {
        () if !is(number, bad, viewers) => Kind::Normal,
        () if is(before(number, bad, viewers), stalled, bad) => Kind::Stalled,
        () => Kind::Trickling,
    }
}

/// One thread's viewers.
pub struct Worker<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    server: SocketAddr,
    epoll: OwnedFd,
    viewers: Vec<Viewer>,
    /// Who connects next, and not before when.
    waiting: VecDeque<(usize, Instant)>,
    /// Handshakes under way.
    asking: usize,
    /// When the next one may connect.
    next_connect: Instant,
    last_tick: Instant,
    /// Frames that the one who watches over the threads knows of.
    told_frames: u64,
    /// First handshakes that are over.
    settled: Vec<bool>,
    /// Handshakes that went well.
    ever_watched: Vec<bool>,
    meter: Meter,
    small: Vec<u8>,
    scratch: Vec<u8>,
    outgoing: Vec<u8>,
}

impl std::fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("viewers", &self.viewers.len()).finish_non_exhaustive()
    }
}

impl<'a> Worker<'a> {
    /// The thread with this index, and its share of the viewers.
    ///
    /// # Errors
    /// When the system has no epoll left.
    pub fn new(
        settings: &'a Settings,
        shared: &'a Shared,
        server: SocketAddr,
        index: usize,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let numbers = (index..settings.viewers).step_by(settings.threads);
        let viewers: Vec<_> = numbers
            .map(|number| {
                let (stalled, trickling) = (settings.stalled, settings.trickling);
                Viewer::new(kind_of(number, settings.viewers, stalled, trickling), now)
            })
            .collect();
        Ok(Self {
            settings,
            shared,
            server,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            waiting: (0..viewers.len()).map(|at| (at, now)).collect(),
            settled: vec![false; viewers.len()],
            ever_watched: vec![false; viewers.len()],
            viewers,
            asking: 0,
            next_connect: now,
            last_tick: now,
            told_frames: 0,
            meter: Meter::default(),
            small: vec![0; READ_ROOM],
            scratch: vec![0; SCRATCH],
            outgoing: Vec::new(),
        })
    }

    /// What all threads share.
    pub fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// Watches until it is over. What was counted.
    ///
    /// # Errors
    /// When the system's epoll fails.
    pub fn run(mut self) -> io::Result<Meter> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        while !self.shared.over.load(Ordering::Relaxed) {
            let now = Instant::now();
            self.connect_some(now);
            self.tick(now);
            let wait = Timespec::try_from(self.wait(Instant::now())).expect("a short time");
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait))
            {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.wake(event.data.u64() as usize);
            }
            self.shared.frames.fetch_add(self.fresh_frames(), Ordering::Relaxed);
        }
        self.finish(Instant::now());
        Ok(self.meter)
    }

    /// How long nothing is to be done but for what the system tells.
    fn wait(&self, now: Instant) -> Duration {
        let connect = self.waiting.front().filter(|_| self.asking < self.handshakes());
        let connect = connect.map(|(_, not_before)| (*not_before).max(self.next_connect));
        let tick = self.last_tick + TICK;
        connect.map_or(tick, |connect| connect.min(tick)).saturating_duration_since(now)
    }

    fn handshakes(&self) -> usize {
        (MAX_HANDSHAKES / self.settings.threads).max(1)
    }

    fn connect_some(&mut self, now: Instant) {
        let between = self.settings.threads as f64 / self.settings.connect_rate;
        while self.asking < self.handshakes() && self.next_connect <= now {
            let Some((at, _)) = self.waiting.pop_front_if(|(_, not_before)| *not_before <= now)
            else {
                // Time in which nobody wanted to connect is not saved up.
                self.next_connect = now;
                return;
            };
            self.next_connect += Duration::from_secs_f64(between);
            self.connect(at, now);
        }
    }

    fn connect(&mut self, at: usize, now: Instant) {
        let added = self.viewers[at].connect(self.server, self.settings, now).and_then(|socket| {
            let added = epoll::add(&self.epoll, socket, data(at), EventFlags::OUT);
            added.map_err(|errno| Gone::Broken(errno.into()))
        });
        self.asking += 1;
        if let Err(gone) = added {
            self.gone(at, &gone, now);
        }
    }

    fn wake(&mut self, at: usize) {
        self.turn(at, Viewer::wake);
    }

    /// Gives a viewer a turn, and sees to what it waits for afterwards.
    fn turn(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Viewer, &mut Hands<'_>) -> Result<(), Gone>,
    ) {
        let mut hands = Hands {
            settings: self.settings,
            meter: &mut self.meter,
            measuring: self.shared.measuring.load(Ordering::Relaxed),
            small: &mut self.small,
            scratch: &mut self.scratch,
            outgoing: &mut self.outgoing,
        };
        let viewer = &mut self.viewers[at];
        let (before, was_asking) = (viewer.interest(), viewer.asking_since().is_some());
        let result = act(viewer, &mut hands);
        if was_asking && viewer.is_watching() {
            self.asking -= 1;
            self.shared.watching.fetch_add(1, Ordering::Relaxed);
            self.meter.reconnects += u64::from(std::mem::replace(&mut self.ever_watched[at], true));
            self.settle(at);
        }
        match result.and_then(|()| self.heed_interest(at, before)) {
            Ok(()) => {}
            Err(gone) => self.gone(at, &gone, Instant::now()),
        }
    }

    fn heed_interest(&self, at: usize, before: Option<EventFlags>) -> Result<(), Gone> {
        let viewer = &self.viewers[at];
        let Some(socket) = viewer.socket() else { return Ok(()) };
        let changed = match (before, viewer.interest()) {
            (before, after) if before == after => Ok(()),
            (_, Some(flags)) => epoll::modify(&self.epoll, socket, data(at), flags),
            (_, None) => epoll::delete(&self.epoll, socket),
        };
        changed.map_err(|errno| Gone::Broken(errno.into()))
    }

    fn gone(&mut self, at: usize, gone: &Gone, now: Instant) {
        let viewer = &mut self.viewers[at];
        let reason = gone.to_string();
        let was_watching = viewer.is_watching();
        let reasons = match (was_watching, viewer.kind()) {
            _ if matches!(gone, Gone::Denied(_)) => &mut self.meter.errors,
            // Who has watched before and cannot come back was not refused.
            (false, _) if self.ever_watched[at] => &mut self.meter.closed,
            (false, _) => &mut self.meter.refused,
            (true, Kind::Stalled) => &mut self.meter.stalled_closed,
            (true, _) => &mut self.meter.closed,
        };
        reasons.count(&reason);
        if let (true, Some(since)) =
            (self.shared.measuring.load(Ordering::Relaxed), viewer.silent_since())
        {
            open_gap(&mut self.meter, viewer.kind(), now.duration_since(since));
        }
        viewer.leave(now);
        if self.settings.reconnect && self.ever_watched[at] {
            self.waiting.push_back((at, now + RECONNECT));
        }
        if was_watching {
            self.shared.watching.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.asking -= 1;
            self.settle(at);
        }
    }

    fn settle(&mut self, at: usize) {
        if !std::mem::replace(&mut self.settled[at], true) {
            // Who sees it settled also sees it watching.
            self.shared.settled.fetch_add(1, Ordering::Release);
        }
    }

    /// Sees to those that are not woken.
    fn tick(&mut self, now: Instant) {
        let passed = now.duration_since(self.last_tick);
        if passed < TICK {
            return;
        }
        self.last_tick = now;
        if self.asking > 0 {
            self.give_up_on_the_silent(now);
        }
        if self.settings.trickling > 0 {
            let rate = self.settings.trickle_rate as f64;
            let (more, most) = (rate * passed.as_secs_f64(), rate * 2.0 * TICK.as_secs_f64());
            for at in 0..self.viewers.len() {
                if self.viewers[at].kind() == Kind::Trickling && self.viewers[at].is_watching() {
                    self.turn(at, |viewer, hands| viewer.trickle(hands, more, most));
                }
            }
        }
    }

    fn give_up_on_the_silent(&mut self, now: Instant) {
        for at in 0..self.viewers.len() {
            let since = self.viewers[at].asking_since();
            if since.is_some_and(|since| now.duration_since(since) > HANDSHAKE) {
                let why = format!("the server did not answer within {} s", HANDSHAKE.as_secs());
                self.gone(at, &Gone::Told(why), now);
            }
        }
    }

    /// Frames since it was last asked.
    fn fresh_frames(&mut self) -> u64 {
        let ever = self.meter.frames_ever;
        ever - std::mem::replace(&mut self.told_frames, ever)
    }

    /// Who has been without a frame up to now has had a gap, too.
    fn finish(&mut self, now: Instant) {
        let measuring = self.shared.measuring.load(Ordering::Relaxed);
        for viewer in &self.viewers {
            if viewer.kind() == Kind::Stalled {
                continue;
            }
            let silent_since = viewer.silent_since().filter(|_| measuring);
            if let Some(since) = silent_since {
                open_gap(&mut self.meter, viewer.kind(), now.duration_since(since));
            }
            group(&mut self.meter, viewer.kind()).frames_of_each.push(viewer.frames());
        }
    }
}

/// A gap that no frame has ended. A short one is none yet.
fn open_gap(meter: &mut Meter, kind: Kind, gap: Duration) {
    if kind != Kind::Stalled && gap > FREEZE {
        group(meter, kind).gap(gap);
    }
}

fn data(at: usize) -> EventData {
    EventData::new_u64(at as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn there_are_as_many_of_each_kind_as_were_wanted(normal in 0usize..50, stalled in 0usize..50, trickling in 0usize..50) {
            let viewers = normal + stalled + trickling;
            let kinds: Vec<_> = (0..viewers).map(|number| kind_of(number, viewers, stalled, trickling)).collect();
            let count = |kind| kinds.iter().filter(|is| **is == kind).count();
            prop_assert_eq!(count(Kind::Normal), normal);
            prop_assert_eq!(count(Kind::Stalled), stalled);
            prop_assert_eq!(count(Kind::Trickling), trickling);
        }
    }
}
