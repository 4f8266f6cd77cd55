//! One sequence of frames, and those who wait for its next one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanlight_protocol::{Timestamp, Topic};

use super::Frame;
use super::bells::{Bell, Bells};
use super::ring::{Pick, Place, Ring, Turn};

/// A track. The mutex guards the ring only: it is held to push or to take a handle, never across a wait or a send, and
/// released before anybody is woken.
#[derive(Debug)]
pub struct Track {
    topic: Topic,
    ring: Mutex<Ring>,
    bells: Bells,
    viewers: AtomicU64,
    /// Seats taken: by its viewers, and by those who are about to be.
    seats: AtomicU64,
    /// How far behind those stay that stay behind. The mutex guards the list only.
    behind: Mutex<Vec<Duration>>,
    lost: AtomicU64,
    runs: AtomicU64,
}

impl Track {
    pub(super) fn new(topic: Topic) -> Self {
        Self {
            topic,
            ring: Mutex::default(),
            bells: Bells::default(),
            viewers: AtomicU64::new(0),
            seats: AtomicU64::new(0),
            behind: Mutex::default(),
            lost: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        }
    }

    /// The track's name on the bus.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes in a frame and wakes those who wait for it.
    pub fn push(&self, frame: Frame) {
        self.ring().push(Arc::new(frame));
        self.bells.ring();
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

    /// Frames lost between capture and this relay.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
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

    pub(super) fn step(&self, place: Place, pick: Pick, now: Timestamp) -> Turn {
        self.ring().step(place, pick, now)
    }

    /// Gives out a seat; returns its place, and whether it is the first. It begins with the newest frame held.
    pub(super) fn join(&self, bell: Bell) -> (Place, bool) {
        self.bells.add(bell);
        let first = self.seats.fetch_add(1, Ordering::Relaxed) == 0;
        (self.ring().head().saturating_sub(1), first)
    }

    /// A seat is watched from.
    pub(super) fn show(&self) {
        self.viewers.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a seat back, and a viewer with it where it was watched from.
    pub(super) fn leave(&self, bell: &Bell, shown: bool) {
        self.bells.remove(bell);
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
        self.bells.ring();
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().expect("no panic while a frame is pushed or taken")
    }
}
