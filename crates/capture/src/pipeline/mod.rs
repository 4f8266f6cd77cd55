//! One stream, from its source to the bus: the only place that sees source, encode and publish together.
//!
//! In the order a frame travels:
//!
//! - here: the thread that reads the source;
//! - [`frozen`]: whether the source repeats the same picture;
//! - [`router`]: the decision whether a frame is passed through, transcoded, both or neither;
//! - [`passthrough`], with [`gop`]: publishing of frames that the source has encoded itself;
//! - [`transcoder`], with [`decoding`] and [`entry_wait`]: from a frame to the pixels of each rendition that is
//!   watched;
//! - [`ladder`], [`rendition`] and [`encoded_track`], with [`health`] and [`replaceable`]: pixels of one size, encoded
//!   and published in each codec; what happens if an encoder fails or does not answer;
//! - [`outcome`] and [`catalog_entry`]: the results, for the stream's status and for the catalog.
//!
//! The source has a thread of its own, which may block in a driver or a network. Pixel work is done by the process's
//! [`WorkerPool`]. Each hand-over between threads is a mailbox of one slot, in which the newest frame wins. A camera's
//! own JPEG or H.264 is published straight from the thread that reads the source.

mod catalog_entry;
mod decoding;
mod encoded_track;
mod entry_wait;
mod frozen;
pub(crate) mod gop;
mod health;
mod ladder;
mod outcome;
pub(crate) mod passthrough;
mod rendition;
mod replaceable;
mod router;
mod transcoder;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanlight_bus::{Demand, Publisher};
use fanlight_protocol::{StreamEntry, StreamName};

use crate::encode::EncoderFactory;
use crate::frame::RawFrame;
use crate::frame::latest::Buffers;
use crate::options::StreamSettings;
use crate::source::lifecycle::{self, FrameReceiver, PushError, RetryPolicy};
use crate::source::{About, SourceError, SourceFactory};
use crate::status::SourceStatus;
use crate::threads::Threads;
use crate::threads::pool::WorkerPool;
use crate::threads::signal::Signal;
use crate::threads::watchdog::{MAX_STUCK_EACH, StuckThreads, Watchdog};
use crate::watched::WatchedTracks;
use catalog_entry::CatalogEntry;
use encoded_track::EncodedTrack;
use router::Router;

const UNANSWERED: &str = "the source does not answer";

/// Creates the factory of a stream's source.
pub type Sources = dyn Fn(&StreamSettings) -> Box<dyn SourceFactory + Send>;

/// The time after which a source with [`MAX_STUCK_EACH`] stuck threads is given up.
pub const LOST_AFTER: Duration = Duration::from_secs(300);

/// The parts of the process that all streams share.
pub struct Resources<'a> {
    /// Opens the sources.
    pub sources: &'a Sources,
    /// Creates the encoders of tracks.
    pub encoders: Arc<EncoderFactory>,
    /// Publishes the frames.
    pub publisher: &'a Publisher,
    /// Does the pixel work.
    pub pool: &'a WorkerPool,
    /// Is notified when a catalog entry changes.
    pub changed: &'a Signal,
    /// Counts the stuck threads of the process.
    pub stuck: &'a StuckThreads,
    /// [`LOST_AFTER`]; less in tests.
    pub lost_after: Duration,
}

/// One stream.
pub struct Pipeline {
    settings: StreamSettings,
    factory: Box<dyn SourceFactory + Send>,
    shared: Arc<Shared>,
    entry: CatalogEntry,
    /// Watches the thread that reads the source.
    watchdog: Watchdog,
    /// Stuck threads of the whole process, and of this source.
    stuck: StuckThreads,
    own_stuck: StuckThreads,
    /// Time since which no thread reads the source, because [`MAX_STUCK_EACH`] are stuck in it.
    unread_since: Option<Instant>,
    lost_after: Duration,
    lost: bool,
}

/// The part of a stream that its threads and the catalog share.
#[derive(Debug)]
struct Shared {
    status: SourceStatus,
    watched: WatchedTracks,
    router: Router,
}

impl Shared {
    /// Processes a change of the demand for a track. Called on the bus thread; never waits.
    fn demand(&self, track: &EncodedTrack, demand: Demand, changed: &Signal) {
        match demand {
            Demand::Watched => self.router.start_track(track),
            Demand::Unwatched => self.router.stop_track(track),
            Demand::Keyframe => return track.request_keyframe(),
        }
        let watched = demand == Demand::Watched;
        self.watched.change(watched);
        tracing::debug!(topic = %track.topic(), watched, "demand");
        changed.notify();
    }
}

impl fmt::Debug for Resources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resources").field("lost_after", &self.lost_after).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Creates a stream. It starts with [`start`](Self::start).
    pub fn new(settings: StreamSettings, resources: &Resources<'_>) -> Self {
        let changed = resources.changed.clone();
        let status = SourceStatus::new(settings.name.clone(), &settings.source, changed);
        let router = Router::new(&settings, resources);
        let entry = CatalogEntry::new(router.ladder());
        let shared = Arc::new(Shared { status, watched: WatchedTracks::default(), router });
        connect(&shared, resources);
        Self {
            factory: (resources.sources)(&settings),
            settings,
            entry,
            shared,
            watchdog: Watchdog::default(),
            stuck: resources.stuck.clone(),
            own_stuck: StuckThreads::default(),
            unread_since: None,
            lost_after: resources.lost_after,
            lost: false,
        }
    }

    /// Starts a thread that reads the source.
    ///
    /// # Errors
    /// Fails if the system cannot create a thread.
    pub fn start(&self, threads: &Threads) -> io::Result<()> {
        let (shared, watchdog) = (self.shared.clone(), self.watchdog.clone());
        let stuck = [&self.stuck, &self.own_stuck].map(StuckThreads::clone);
        let name = &self.settings.name;
        // A thread that replaces a stuck one has the same knowledge of the source.
        let mut factory = self.factory.clone_box();
        let policy = RetryPolicy { keep_open: self.settings.keep_open, ..RetryPolicy::default() };
        threads.start(format!("{name}:source"), move || {
            let sink = Sink { shared: &shared, watchdog: &watchdog };
            lifecycle::run(factory.as_mut(), policy, &sink, &shared.status, &watchdog);
            if watchdog.is_abandoned() {
                stuck.iter().for_each(StuckThreads::remove);
            }
        })
    }

    /// Replaces the thread that reads the source if it is stuck in a driver and fewer than [`MAX_STUCK_EACH`] of this
    /// source are. Returns the number of stuck threads of the whole process if it has grown.
    ///
    /// # Errors
    /// Fails if the system cannot create a thread.
    pub fn replace_stuck(&mut self, now: Instant, threads: &Threads) -> io::Result<Option<usize>> {
        if self.watchdog.is_abandoned() && self.own_stuck.count() < MAX_STUCK_EACH {
            self.watchdog = Watchdog::default();
            self.start(threads)?;
        }
        let operation = self.watchdog.stuck(now).filter(|_| !self.watchdog.is_abandoned());
        let Some(operation) = operation else { return Ok(None) };
        let stuck = self.stuck.add();
        let own_stuck = self.own_stuck.add();
        self.watchdog.abandon();
        let status = &self.shared.status;
        tracing::error!(
            stream = %status.name(),
            source = status.source(),
            stuck,
            "abandoned a thread that is stuck {operation} this source"
        );
        status.failed(&format!("{UNANSWERED} (stuck {operation} it)"));
        self.unread_since = (own_stuck >= MAX_STUCK_EACH).then_some(now);
        Ok(Some(stuck))
    }

    /// Reports a source that no thread has read for [`LOST_AFTER`], because [`MAX_STUCK_EACH`] threads are stuck in it:
    /// only its owner can help. Returns whether this is so.
    pub fn check_lost(&mut self, now: Instant) -> bool {
        self.unread_since = self.unread_since.filter(|_| self.watchdog.is_abandoned());
        let over = |since| now.saturating_duration_since(since) >= self.lost_after;
        let lost = self.unread_since.is_some_and(over);
        if lost && !std::mem::replace(&mut self.lost, lost) {
            let minutes = self.lost_after.as_secs() / 60;
            self.shared.status.failed(&format!(
                "{UNANSWERED}: {MAX_STUCK_EACH} threads have been stuck in its driver for {minutes} minutes. \
                 Unplug the device and plug it in again, or restart this capture"
            ));
        }
        self.lost = lost;
        lost
    }

    /// Returns whether viewers get frames of the stream, or would get them.
    pub fn is_available(&self) -> bool {
        self.shared.status.is_available()
    }

    /// Returns the stream's name.
    pub fn name(&self) -> &StreamName {
        &self.settings.name
    }

    /// Ends the thread that reads the source.
    pub fn close(&self) {
        self.watchdog.stop();
        self.shared.watched.close();
    }

    /// Extends all deadlines by the time for which the whole process was suspended.
    pub fn extend(&mut self, suspended: Duration) {
        self.watchdog.extend(suspended);
        self.unread_since = self.unread_since.map(|since| since + suspended);
        self.shared.status.extend(suspended);
    }

    /// Reports a source that is silent and does not return to report it itself.
    pub fn check_stall(&self, now: Instant) {
        self.shared.status.check_stall(now);
    }

    /// Returns the stream's entry in the catalog.
    pub fn entry(&mut self, now: Instant) -> StreamEntry {
        let Shared { status, watched, router } = &*self.shared;
        self.entry.build(status, watched.any(), router.ladder(), now)
    }
}

/// Connects the tracks of a stream to the bus, which reports the demand for each from now on.
fn connect(shared: &Arc<Shared>, resources: &Resources<'_>) {
    for (_, track) in shared.router.ladder().tracks() {
        let on_demand = {
            let (shared, track, changed) =
                (shared.clone(), track.clone(), resources.changed.clone());
            move |demand| shared.demand(&track, demand, &changed)
        };
        track.connect(resources.publisher.track(track.topic().clone(), on_demand));
    }
}

/// The receiver of the frames that one thread reads.
struct Sink<'a> {
    shared: &'a Shared,
    watchdog: &'a Watchdog,
}

impl FrameReceiver for Sink<'_> {
    fn is_watched(&self) -> bool {
        self.shared.watched.any()
    }

    fn wait_for_viewer(&self, timeout: Duration) {
        self.shared.watched.wait(timeout);
    }

    fn buffers(&self) -> &Buffers {
        self.shared.router.buffers()
    }

    fn opened(&self, about: &About) {
        self.shared.router.opened(about.recorded);
    }

    fn push(&self, frame: RawFrame) -> Result<(), PushError> {
        // Another thread may have replaced this one and have read newer frames.
        if self.watchdog.is_stopped() {
            return Err(SourceError::Stopped.into());
        }
        self.shared.router.route(frame, &self.shared.status)
    }

    fn pause(&self, closed: bool) {
        self.shared.router.pause(closed);
    }

    fn count_damaged(&self) {
        let watched = self.shared.router.ladder().watched();
        watched.for_each(|(_, track)| track.counters().note_damage());
    }

    fn count_dropped(&self, count: u64) {
        // A track with a frame rate limit need not have been meant to get the frames.
        let watched = self.shared.router.ladder().watched();
        let unlimited = watched.filter(|(rendition, _)| !rendition.is_limited());
        unlimited.for_each(|(_, track)| track.counters().drop_frames(count));
    }
}
