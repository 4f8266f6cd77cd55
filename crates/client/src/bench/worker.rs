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
use super::viewer::{Context, Gone, Kind, READ_ROOM, Viewer, group};

/// Concurrent handshakes of all threads: many servers let 128 connections wait to be accepted.
const MAX_HANDSHAKES: usize = 100;
/// Longest wait for a server's answer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Wait before a closed viewer reconnects.
const RECONNECT: Duration = Duration::from_secs(1);
/// Interval at which viewers without events are handled.
const TICK: Duration = Duration::from_millis(50);
/// Most events per poll.
const EVENTS: usize = 1024;
/// Bytes discarded per call. The memory is never touched, so it costs nothing.
const SCRATCH: usize = 1024 * 1024;

/// State that the threads share with their supervisor.
#[derive(Debug, Default)]
pub struct Shared {
    /// Viewers whose first handshake succeeded or failed.
    pub settled: AtomicUsize,
    /// Viewers that are watching now.
    pub watching: AtomicUsize,
    /// The measurement is running.
    pub measuring: AtomicBool,
    /// The run is over.
    pub over: AtomicBool,
    /// Frames received since the start.
    pub frames: AtomicU64,
}

/// Returns the kind of the viewer with this number. Stalled and trickling viewers are spread evenly among the others.
fn kind_of(number: usize, viewers: usize, stalled: usize, trickling: usize) -> Kind {
    let bad = stalled + trickling;
    // Number of viewers before this one that would be of a kind with `few` of `all` viewers.
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
    /// Viewers that will connect next, and the earliest time for each.
    waiting: VecDeque<(usize, Instant)>,
    /// Handshakes in progress.
    asking: usize,
    /// Earliest time for the next connection.
    next_connect: Instant,
    last_tick: Instant,
    /// Frames already reported to the supervisor.
    reported_frames: u64,
    /// Viewers whose first handshake succeeded or failed.
    settled: Vec<bool>,
    /// Viewers that had a successful handshake.
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
    /// Returns the work of the thread with this index: its share of the viewers.
    ///
    /// # Errors
    /// Fails if the system cannot create an epoll instance.
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
            reported_frames: 0,
            meter: Meter::default(),
            small: vec![0; READ_ROOM],
            scratch: vec![0; SCRATCH],
            outgoing: Vec::new(),
        })
    }

    /// Returns the state that all threads share.
    pub fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// Runs until the run is over. Returns the counts.
    ///
    /// # Errors
    /// Fails if the system's epoll fails.
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

    /// Returns how long the thread can wait for events.
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
                // A time without viewers to connect must not allow a burst later.
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

    /// Runs `act` for a viewer, then updates the events it polls for.
    fn turn(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Viewer, &mut Context<'_>) -> Result<(), Gone>,
    ) {
        let mut context = Context {
            settings: self.settings,
            meter: &mut self.meter,
            measuring: self.shared.measuring.load(Ordering::Relaxed),
            small: &mut self.small,
            scratch: &mut self.scratch,
            outgoing: &mut self.outgoing,
        };
        let viewer = &mut self.viewers[at];
        let (before, was_asking) = (viewer.interest(), viewer.asking_since().is_some());
        let result = act(viewer, &mut context);
        if was_asking && viewer.is_watching() {
            self.asking -= 1;
            self.shared.watching.fetch_add(1, Ordering::Relaxed);
            self.meter.reconnects += u64::from(std::mem::replace(&mut self.ever_watched[at], true));
            self.settle(at);
        }
        match result.and_then(|()| self.update_interest(at, before)) {
            Ok(()) => {}
            Err(gone) => self.gone(at, &gone, Instant::now()),
        }
    }

    fn update_interest(&self, at: usize, before: Option<EventFlags>) -> Result<(), Gone> {
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
            // A viewer that watched before and fails to reconnect was not refused.
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
            // A thread that sees this viewer as settled also sees it as watching.
            self.shared.settled.fetch_add(1, Ordering::Release);
        }
    }

    /// Handles the viewers that get no events.
    fn tick(&mut self, now: Instant) {
        let passed = now.duration_since(self.last_tick);
        if passed < TICK {
            return;
        }
        self.last_tick = now;
        if self.asking > 0 {
            self.drop_silent(now);
        }
        if self.settings.trickling > 0 {
            let rate = self.settings.trickle_rate as f64;
            let (more, most) = (rate * passed.as_secs_f64(), rate * 2.0 * TICK.as_secs_f64());
            for at in 0..self.viewers.len() {
                if self.viewers[at].kind() == Kind::Trickling && self.viewers[at].is_watching() {
                    self.turn(at, |viewer, context| viewer.trickle(context, more, most));
                }
            }
        }
    }

    fn drop_silent(&mut self, now: Instant) {
        for at in 0..self.viewers.len() {
            let since = self.viewers[at].asking_since();
            if since.is_some_and(|since| now.duration_since(since) > HANDSHAKE) {
                let why = format!("the server did not answer within {} s", HANDSHAKE.as_secs());
                self.gone(at, &Gone::Refused(why), now);
            }
        }
    }

    /// Returns the number of frames since the last call.
    fn fresh_frames(&mut self) -> u64 {
        let ever = self.meter.frames_ever;
        ever - std::mem::replace(&mut self.reported_frames, ever)
    }

    /// Records the open gaps at the end of the run, and the number of frames of each viewer.
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

/// Records a gap that no frame has ended. A short one does not count yet.
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
        fn each_kind_has_the_requested_number_of_viewers(normal in 0usize..50, stalled in 0usize..50, trickling in 0usize..50) {
            let viewers = normal + stalled + trickling;
            let kinds: Vec<_> = (0..viewers).map(|number| kind_of(number, viewers, stalled, trickling)).collect();
            let count = |kind| kinds.iter().filter(|is| **is == kind).count();
            prop_assert_eq!(count(Kind::Normal), normal);
            prop_assert_eq!(count(Kind::Stalled), stalled);
            prop_assert_eq!(count(Kind::Trickling), trickling);
        }
    }
}
