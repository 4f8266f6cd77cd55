//! One sequence of frames, and those who wait for its next one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanlight_protocol::{Codec, Timestamp, Topic};
use tokio::sync::Notify;

use super::Frame;
use super::lateness::{Arrival, Late, Lateness};
use super::ring::{CursorState, Pick, Place, Ring, Turn};
use crate::wake::{Waiters, Waker};

/// A keyframe is asked for no more often than this, for all viewers together: each takes as many bytes as many deltas.
const KEYFRAME_EVERY: Duration = Duration::from_secs(1);

/// A track of which no frame has come for this long is silent. A new viewer is shown another one that runs, if it may be.
const RECENT: Duration = Duration::from_secs(2);

/// A track. The mutex guards the ring only: it is held to push or to take a handle, never across a wait or a send, and
/// released before anybody is woken.
#[derive(Debug)]
pub struct Track {
    topic: Topic,
    ring: Mutex<Ring>,
    waiters: Waiters,
    viewers: AtomicU64,
    /// Seats taken: by its viewers, and by those who are about to be.
    seats: AtomicU64,
    /// How far behind those stay that stay behind. The mutex guards the list only.
    behind: Mutex<Vec<Duration>>,
    lost: AtomicU64,
    orphaned: AtomicU64,
    /// When the last one came that was not taken in, in microseconds; zero where none was.
    orphaned_at: AtomicU64,
    runs: AtomicU64,
    keyframe: Wish,
    /// The mutex guards it only.
    lateness: Mutex<Lateness>,
    /// Since when it is late, in microseconds; zero where it is not. A viewer looks at it with every frame.
    late_since: AtomicU64,
}

/// A wish for a keyframe, for whoever asks publishers.
#[derive(Debug)]
struct Wish {
    open: AtomicBool,
    /// When one was asked for last, in microseconds.
    asked_at: AtomicU64,
    /// Rung when the wish comes up.
    waker: Arc<Notify>,
}

impl Track {
    pub(super) fn new(topic: Topic, demand: Arc<Notify>) -> Self {
        Self {
            topic,
            ring: Mutex::default(),
            waiters: Waiters::default(),
            viewers: AtomicU64::new(0),
            seats: AtomicU64::new(0),
            behind: Mutex::default(),
            lost: AtomicU64::new(0),
            orphaned: AtomicU64::new(0),
            orphaned_at: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            keyframe: Wish {
                open: AtomicBool::new(false),
                asked_at: AtomicU64::new(0),
                waker: demand,
            },
            lateness: Mutex::default(),
            late_since: AtomicU64::new(0),
        }
    }

    /// The track's name on the bus.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes in a frame and wakes those who wait for it. One that cannot be decoded, as the one before it is missing, is
    /// counted, and a keyframe is wished for: until that comes, there is nothing to be seen.
    pub fn push(&self, frame: Frame) {
        let (is_keyframe, received_at) = (frame.flags.is_keyframe(), frame.received_at);
        if !self.ring().push(Arc::new(frame)) {
            self.orphaned.fetch_add(1, Ordering::Relaxed);
            self.orphaned_at.store(received_at.micros(), Ordering::Relaxed);
            self.wish_for_keyframe();
            return;
        }
        if is_keyframe && self.has_deltas() {
            self.keyframe.open.store(false, Ordering::Relaxed);
        }
        self.waiters.ring();
    }

    /// Whether its frames may be deltas. The hub knows nothing else of a codec.
    pub(super) fn has_deltas(&self) -> bool {
        self.topic.track.codec != Codec::Jpeg
    }

    /// A keyframe is needed sooner than it comes by itself.
    pub(super) fn wish_for_keyframe(&self) {
        if !self.keyframe.open.swap(true, Ordering::Relaxed) {
            self.keyframe.waker.notify_one();
        }
    }

    /// Whether to ask for a keyframe now. One that is wished for too soon is asked for when its time has come.
    pub fn asks_for_keyframe(&self, now: Timestamp) -> bool {
        let Wish { open, asked_at, .. } = &self.keyframe;
        let last = Timestamp::from_micros(asked_at.load(Ordering::Relaxed));
        if !open.load(Ordering::Relaxed) || now.since(last) < KEYFRAME_EVERY {
            return false;
        }
        asked_at.store(now.micros(), Ordering::Relaxed);
        open.store(false, Ordering::Relaxed);
        true
    }

    /// Takes in how a frame came here. Returns whether the track is late now and was not before, or the opposite, or its
    /// age changed.
    pub fn arrive(&self, arrival: Arrival) -> bool {
        let mut lateness = self.lateness();
        let changed = lateness.take(arrival);
        if changed {
            let since = lateness.late().map_or(0, |late| late.since.micros());
            self.late_since.store(since, Ordering::Relaxed);
        }
        changed
    }

    /// Returns how late its frames arrive; `None` where they are not late, or it is not watched.
    pub fn late(&self) -> Option<Late> {
        self.lateness().late().filter(|_| self.is_wanted())
    }

    /// Since when it is late: a cheap way to find out.
    pub(crate) fn late_since(&self) -> Option<Timestamp> {
        match self.late_since.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }

    /// What arrives from now on has another way, or is of another time. Returns whether the track was late.
    pub fn restart_arrivals(&self) -> bool {
        *self.lateness() = Lateness::default();
        self.late_since.swap(0, Ordering::Relaxed) != 0
    }

    fn lateness(&self) -> std::sync::MutexGuard<'_, Lateness> {
        self.lateness.lock().expect("no panic while a frame is looked at")
    }

    /// Counts frames that were lost before they came here.
    pub fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// The publisher's count begins anew. Returns the number of the new run.
    pub fn begin_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the present run.
    pub fn run(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// The newest frame held.
    pub fn newest(&self) -> Option<Arc<Frame>> {
        self.ring().newest().cloned()
    }

    /// When a frame came last, be it one that cannot be decoded.
    pub(super) fn came_at(&self) -> Option<Timestamp> {
        let orphaned_at = Timestamp::from_micros(self.orphaned_at.load(Ordering::Relaxed));
        let orphaned_at = (self.orphaned() > 0).then_some(orphaned_at);
        self.newest().map(|frame| frame.received_at).max(orphaned_at)
    }

    /// When the newest of the frames that had come by then was captured.
    pub(super) fn newest_until(&self, received_at: Timestamp) -> Option<Timestamp> {
        self.ring().newest_until(received_at).map(|frame| frame.captured_at)
    }

    /// Frames lost between capture and this relay.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Frames that came, but not the one before them that they need.
    pub fn orphaned(&self) -> u64 {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// Viewers watching now.
    pub fn viewers(&self) -> u64 {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Whether anybody watches it or is about to.
    pub fn is_wanted(&self) -> bool {
        self.seats.load(Ordering::Relaxed) > 0
    }

    /// Bits a second, by the frames that came; `None` while unknown.
    pub fn bits(&self, now: Timestamp) -> Option<u64> {
        self.ring().bits(now)
    }

    pub(super) fn before(&self, place: Place, captured_at: Timestamp) -> u64 {
        self.ring().before(place, captured_at)
    }

    pub(super) fn step(&self, stand: CursorState, pick: Pick, now: Timestamp) -> Turn {
        self.ring().step(stand, pick, now)
    }

    /// Frames from this place on.
    pub(super) fn ahead(&self, place: Place) -> u64 {
        self.ring().head().saturating_sub(place)
    }

    /// Gives out a cursor; returns its place, and whether it is the first. It begins with the newest GOP held; where that is
    /// too long, the next one is waited for.
    pub(super) fn join(&self, waker: Waker) -> (Place, bool) {
        self.waiters.add(waker);
        let first = self.seats.fetch_add(1, Ordering::Relaxed) == 0;
        let (entry, head) = {
            let ring = self.ring();
            (ring.entry(), ring.head())
        };
        (entry.unwrap_or(head), first)
    }

    /// Whether somebody who comes now has something to begin with, or will have it as soon as there is anything.
    pub(super) fn can_be_joined(&self) -> bool {
        self.ring().entry().is_some()
    }

    /// Whether a new viewer has something recent to begin with.
    pub(super) fn can_be_begun_with(&self, now: Timestamp) -> bool {
        let ring = self.ring();
        let is_recent = |frame: &Arc<Frame>| now.since(frame.received_at) <= RECENT;
        ring.newest().is_some_and(is_recent) && ring.entry().is_some()
    }

    /// Wakes the viewers of a track that is silent, so that they can take another one.
    pub fn remind(&self, now: Timestamp) {
        if self.came_at().is_none_or(|at| now.since(at) > RECENT) {
            self.waiters.ring();
        }
    }

    /// A cursor is watched from.
    pub(super) fn show(&self) {
        self.viewers.fetch_add(1, Ordering::Relaxed);
    }

    /// It is kept for later.
    pub(super) fn hide(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a cursor back, and a viewer with it where it was watched from.
    pub(super) fn leave(&self, waker: &Waker, shown: bool) {
        self.waiters.remove(waker);
        self.seats.fetch_sub(1, Ordering::Relaxed);
        self.viewers.fetch_sub(shown.into(), Ordering::Relaxed);
    }

    /// A viewer stays so far behind from now on.
    pub(super) fn stay_behind(&self, by: Duration) {
        self.reach(|behind| behind.push(by));
    }

    /// One that stayed so far behind does so no more.
    pub(super) fn catch_up(&self, by: Duration) {
        self.reach(|behind| {
            if let Some(at) = behind.iter().position(|known| *known == by) {
                behind.swap_remove(at);
            }
        });
    }

    fn reach(&self, change: impl FnOnce(&mut Vec<Duration>)) {
        let mut behind = self.behind.lock().expect("no panic while the list is changed");
        change(&mut behind);
        self.ring().hold(behind.iter().max().copied().unwrap_or_default());
    }

    /// Lets go of all frames, so that whoever comes later does not begin with an old one.
    pub fn clear(&self) {
        self.ring().clear();
    }

    pub(super) fn ring_bells(&self) {
        self.waiters.ring();
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().expect("no panic while a frame is pushed or taken")
    }
}
