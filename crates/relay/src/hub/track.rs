//! One sequence of frames, its cursors, and the demand they create.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::{Codec, Timestamp, Topic};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::hub::frame::Frame;
use crate::hub::keyframe_request::KeyframeRequest;
use crate::hub::lateness::{Arrival, Late, Lateness};
use crate::hub::ring::{CursorState, DeliveryMode, Index, NextFrame, Ring};
use crate::wake::{Waiters, Waker};

/// A track that received no frame for this long is silent. New viewers are shown another track that runs, if the relay
/// may choose.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// A track.
///
/// Its mutexes guard small values. They are held to push a frame or to take a handle, never across a wait or a send,
/// and they are released before any viewer is woken.
#[derive(Debug)]
pub struct Track {
    topic: Topic,
    ring: Mutex<Ring>,
    waiters: Waiters,
    /// Active cursors.
    viewers: AtomicU64,
    /// All cursors, active and standby.
    cursors: AtomicU64,
    /// The delays of the cursors that have one.
    delays: Mutex<Vec<Duration>>,
    lost: AtomicU64,
    orphaned: AtomicU64,
    /// The arrival time of the last orphaned frame, in microseconds; zero if there was none.
    orphaned_at: AtomicU64,
    generations: AtomicU64,
    keyframe: KeyframeRequest,
    lateness: Mutex<Lateness>,
    /// The time at which the track became late, in microseconds; zero while it is in time. Viewers read it with every
    /// frame.
    late_since: AtomicU64,
}

impl Track {
    pub(super) fn new(topic: Topic, demand_changed: Arc<Notify>) -> Self {
        Self {
            topic,
            ring: Mutex::default(),
            waiters: Waiters::default(),
            viewers: AtomicU64::new(0),
            cursors: AtomicU64::new(0),
            delays: Mutex::default(),
            lost: AtomicU64::new(0),
            orphaned: AtomicU64::new(0),
            orphaned_at: AtomicU64::new(0),
            generations: AtomicU64::new(0),
            keyframe: KeyframeRequest::new(demand_changed),
            lateness: Mutex::default(),
            late_since: AtomicU64::new(0),
        }
    }

    /// Returns the track's name on the bus.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Adds a frame and wakes the viewers. A delta whose predecessor is missing cannot be decoded: it is counted as
    /// orphaned, and a keyframe is requested.
    pub fn push(&self, frame: Frame) {
        let (is_keyframe, received_at) = (frame.is_keyframe(), frame.received_at);
        if !self.ring().push(Arc::new(frame)) {
            self.orphaned.fetch_add(1, Ordering::Relaxed);
            self.orphaned_at.store(received_at.micros(), Ordering::Relaxed);
            self.request_keyframe();
            return;
        }
        if is_keyframe && self.has_deltas() {
            self.keyframe.fulfil();
        }
        self.waiters.notify();
    }

    /// Returns whether the track's frames may be deltas. The hub knows nothing else about a codec.
    pub(super) fn has_deltas(&self) -> bool {
        self.topic.track.codec != Codec::Jpeg
    }

    /// Requests a keyframe sooner than the publisher sends one by itself.
    pub(super) fn request_keyframe(&self) {
        self.keyframe.raise();
    }

    /// Returns whether to ask the publisher for a keyframe now, and if so, clears the request.
    pub fn take_keyframe_request(&self, now: Timestamp) -> bool {
        self.keyframe.take(now)
    }

    /// Records the arrival of a frame. Returns whether the displayed lateness changed: the track became late, is no
    /// longer late, or the reported age moved.
    pub fn note_arrival(&self, arrival: Arrival) -> bool {
        let mut lateness = self.lateness.lock();
        let changed = lateness.note(arrival);
        if changed {
            let since = lateness.late().map_or(0, |late| late.since.micros());
            self.late_since.store(since, Ordering::Relaxed);
        }
        changed
    }

    /// Returns how late the track's frames arrive; `None` while they are in time or the track has no demand.
    pub fn late(&self) -> Option<Late> {
        self.lateness.lock().late().filter(|_| self.has_demand())
    }

    /// Returns since when the track is late, without taking a lock.
    pub(crate) fn late_since(&self) -> Option<Timestamp> {
        match self.late_since.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }

    /// Forgets earlier arrivals, because the next frames take another path or follow a pause. Returns whether the track
    /// was late.
    pub fn reset_lateness(&self) -> bool {
        *self.lateness.lock() = Lateness::default();
        self.late_since.swap(0, Ordering::Relaxed) != 0
    }

    /// Counts frames that were lost between the publisher and this relay.
    pub fn count_lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// Starts a new generation, because the publisher's sequence starts again. Returns its number.
    pub fn start_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns the number of the current generation.
    pub fn generation(&self) -> u64 {
        self.generations.load(Ordering::Relaxed)
    }

    /// Returns the newest frame held.
    pub fn newest(&self) -> Option<Arc<Frame>> {
        self.ring().newest().cloned()
    }

    /// Returns when the last frame arrived, orphaned frames included.
    pub(super) fn last_arrival(&self) -> Option<Timestamp> {
        let orphaned_at = Timestamp::from_micros(self.orphaned_at.load(Ordering::Relaxed));
        let orphaned_at = (self.orphaned() > 0).then_some(orphaned_at);
        self.newest().map(|frame| frame.received_at).max(orphaned_at)
    }

    /// Returns the capture time of the newest frame that had arrived by `received_at`.
    pub(super) fn newest_until(&self, received_at: Timestamp) -> Option<Timestamp> {
        self.ring().newest_until(received_at).map(|frame| frame.captured_at())
    }

    /// Returns the number of frames lost between the publisher and this relay.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns the number of deltas that arrived without the frame before them.
    pub fn orphaned(&self) -> u64 {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// Returns the number of viewers.
    pub fn viewers(&self) -> u64 {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Returns whether a viewer watches the track or is about to.
    pub fn has_demand(&self) -> bool {
        self.cursors.load(Ordering::Relaxed) > 0
    }

    /// Returns the bitrate of the arriving frames in bits a second; `None` while unknown.
    pub fn bitrate(&self, now: Timestamp) -> Option<u64> {
        self.ring().bitrate(now)
    }

    /// Returns the usual time between two frames; `None` while unknown.
    pub fn usual_gap(&self) -> Option<Duration> {
        self.ring().usual_gap()
    }

    pub(super) fn count_before(&self, index: Index, captured_at: Timestamp) -> u64 {
        self.ring().count_before(index, captured_at)
    }

    pub(super) fn next_frame(
        &self,
        state: CursorState,
        mode: DeliveryMode,
        now: Timestamp,
    ) -> NextFrame {
        self.ring().next_frame(state, mode, now)
    }

    /// Counts the frames from `index` on.
    pub(super) fn frames_from(&self, index: Index) -> u64 {
        self.ring().head().saturating_sub(index)
    }

    /// Registers a cursor. Returns its index, and whether it is the first. The cursor starts with the newest GOP held;
    /// if that is too long, it waits for the next one.
    pub(super) fn join(&self, waker: Waker) -> (Index, bool) {
        self.waiters.add(waker);
        let first = self.cursors.fetch_add(1, Ordering::Relaxed) == 0;
        let (entry_point, head) = {
            let ring = self.ring();
            (ring.entry_point(), ring.head())
        };
        (entry_point.unwrap_or(head), first)
    }

    /// Returns whether a viewer that joins now has a frame to start with, or will have one as soon as any frame
    /// arrives.
    pub(super) fn has_entry_point(&self) -> bool {
        self.ring().entry_point().is_some()
    }

    /// Returns whether a viewer that joins now has a recent frame to start with.
    pub(super) fn has_recent_entry_point(&self, now: Timestamp) -> bool {
        let ring = self.ring();
        let is_recent = |frame: &Arc<Frame>| now.since(frame.received_at) <= SILENT_AFTER;
        ring.newest().is_some_and(is_recent) && ring.entry_point().is_some()
    }

    /// Wakes the viewers if the track is silent, so that they can switch to another one.
    pub(super) fn wake_if_silent(&self, now: Timestamp) {
        if self.last_arrival().is_none_or(|at| now.since(at) > SILENT_AFTER) {
            self.waiters.notify();
        }
    }

    /// Wakes the viewers.
    pub(super) fn wake(&self) {
        self.waiters.notify();
    }

    pub(super) fn add_viewer(&self) {
        self.viewers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_viewer(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Unregisters a cursor, and its viewer if it was active.
    pub(super) fn leave(&self, waker: &Waker, active: bool) {
        self.waiters.remove(waker);
        self.cursors.fetch_sub(1, Ordering::Relaxed);
        self.viewers.fetch_sub(active.into(), Ordering::Relaxed);
    }

    /// Retains frames for a cursor with this delay.
    pub(super) fn add_delay(&self, delay: Duration) {
        self.change_delays(|delays| delays.push(delay));
    }

    /// Stops retaining frames for one cursor with this delay.
    pub(super) fn remove_delay(&self, delay: Duration) {
        self.change_delays(|delays| {
            if let Some(at) = delays.iter().position(|known| *known == delay) {
                delays.swap_remove(at);
            }
        });
    }

    fn change_delays(&self, change: impl FnOnce(&mut Vec<Duration>)) {
        let mut delays = self.delays.lock();
        change(&mut delays);
        self.ring().set_longest_delay(delays.iter().max().copied().unwrap_or_default());
    }

    /// Drops all frames, so that the next viewer does not start with an old one.
    pub fn clear(&self) {
        self.ring().clear();
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }
}
