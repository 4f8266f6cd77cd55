//! One stream, from its source to the bus: the only place that sees source, encode and publish together.
//!
//! - [`studio`] and [`jobs`]: from a source's picture to the pixels of each rendition that is watched;
//! - [`own_h264`], with [`gop`], [`passing`], [`decoding`] and [`entry_wait`]: what becomes of a source's own H.264;
//! - [`rendition`]: pixels of one size, and the tracks that they become;
//! - [`track`], with [`tool`] and [`health`]: a rendition in one codec: encoded, and onto the bus; what happens if its
//!   encoder fails or does not answer;
//! - here: the thread that reads the source, and what the catalog says of it all.
//!
//! The source has a thread of its own, which may block in a driver or a network. Pixel work is done by the process's
//! [`WorkerPool`]. Between each two is one place, in which the newest picture wins. A camera's own JPEG or H.264
//! goes onto the bus straight from the source's thread.

mod decoding;
mod entry_wait;
mod gop;
mod health;
mod passthrough;
mod rendition;
mod tasks;
mod tool;
mod track;
mod transcoder;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanlight_bus::Publisher;
use fanlight_clock as clock;
use fanlight_protocol::{Codec, StreamEntry, StreamName, StreamState, Topic, TrackEntry};

use crate::encode::Encoders;
use crate::encode::h264::SIDES;
use crate::frame::RawFrame;
use crate::frame::latest::Buffers;
use crate::meter::{Meter, Share};
use crate::options::StreamSettings;
use crate::source::run::{self, FrameSink, Refused, RetryPolicy};
use crate::source::{SourceError, SourceFactory};
use crate::status::Status;
use crate::threads::Threads;
use crate::threads::pool::WorkerPool;
use crate::threads::signal::Signal;
use crate::threads::watchdog::{MOST_OF_ONE, StuckThreads, Watchdog};
use crate::watched::Viewers;
use rendition::Rendition;
use track::Track;
use transcoder::Transcoder;

/// More than this dropped for want of time is worth telling, once so many pictures were looked at.
const TOLERATED_PERCENT: u64 = 10;
const FEW: u64 = 30;
const TOO_SLOW: &str = "this machine is too slow for every picture";

const UNANSWERED: &str = "the source does not answer";

/// Makes what opens a stream's source.
pub type Openers = dyn Fn(&StreamSettings) -> Box<dyn SourceFactory + Send>;

/// The time for which the capture waits for a source with [`MOST_OF_ONE`] stuck threads.
pub const LOST_AFTER: Duration = Duration::from_secs(300);

/// The parts that streams are made with.
pub struct Means<'a> {
    /// Opens their sources.
    pub openers: &'a Openers,
    /// Encodes their tracks.
    pub encoders: Arc<Encoders>,
    /// Takes their frames.
    pub publisher: &'a Publisher,
    /// Does their pixel work.
    pub workshop: &'a WorkerPool,
    /// Rung whenever a catalog entry changes.
    pub bell: &'a Signal,
    /// Counts the threads of the process that had to be left in a driver.
    pub strays: &'a StuckThreads,
    /// [`LOST_AFTER`], unless a test has less time.
    pub lost_after: Duration,
}

/// One stream.
pub struct Pipeline {
    settings: StreamSettings,
    opener: Box<dyn SourceFactory + Send>,
    shared: Arc<Shared>,
    /// Of each track.
    meters: Vec<Meter>,
    /// The thread at work on the source.
    shift: Watchdog,
    /// Threads left in a driver: of the whole process, and of this source.
    strays: StuckThreads,
    own_strays: StuckThreads,
    /// Since when too many of its own threads are stuck for another attempt, and for how long that may be.
    no_thread_since: Option<Instant>,
    lost_after: Duration,
    lost: bool,
    /// Whether it was said that this machine is too slow.
    too_slow: bool,
}

/// What the stream's threads and the keeper of the catalog share.
#[derive(Debug)]
struct Shared {
    status: Status,
    viewers: Viewers,
    studio: Arc<Transcoder>,
}

/// Tells one track whether anybody watches it.
#[derive(Debug, Clone)]
pub struct Demand {
    shared: Arc<Shared>,
    track: Arc<Track>,
    bell: Signal,
}

impl Demand {
    /// Somebody watches, or nobody any more.
    pub fn set(&self, watched: bool) {
        if self.track.set_watched(watched) {
            match watched {
                true => self.shared.studio.begin(&self.track),
                false => self.shared.studio.leave(&self.track),
            }
            self.shared.viewers.change(watched);
            tracing::debug!(topic = %self.track.topic(), watched, "demand");
            self.bell.ring();
        }
    }

    /// Somebody cannot go on without a keyframe.
    pub fn ask_for_keyframe(&self) {
        self.track.ask_for_keyframe();
    }
}

impl fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("lost_after", &self.lost_after).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// A stream not started yet.
    pub fn new(settings: StreamSettings, means: &Means<'_>) -> Self {
        let status = Status::new(settings.name.clone(), &settings.source, means.bell.clone());
        let studio = Transcoder::new(&settings, &means.encoders, means.publisher, means.workshop);
        let meters = studio.tracks().map(|_| Meter::default()).collect();
        Self {
            opener: (means.openers)(&settings),
            settings,
            shared: Arc::new(Shared { status, viewers: Viewers::default(), studio }),
            meters,
            shift: Watchdog::default(),
            strays: means.strays.clone(),
            own_strays: StuckThreads::default(),
            no_thread_since: None,
            lost_after: means.lost_after,
            lost: false,
            too_slow: false,
        }
    }

    /// The stream's tracks, and how each learns whether anybody watches it.
    pub fn demands(&self, bell: &Signal) -> impl Iterator<Item = (Topic, Demand)> {
        self.shared.studio.tracks().map(|(_, track)| {
            let (shared, track) = (self.shared.clone(), track.clone());
            (track.topic().clone(), Demand { shared, track, bell: bell.clone() })
        })
    }

    /// Starts a thread that reads the source.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(&self, crew: &Threads) -> io::Result<()> {
        let (shared, shift, strays) = (
            self.shared.clone(),
            self.shift.clone(),
            [&self.strays, &self.own_strays].map(StuckThreads::clone),
        );
        let name = &self.settings.name;
        // A thread in the place of a stuck one knows what that one knew.
        let mut opener = self.opener.another();
        let keeping = RetryPolicy { open: self.settings.keep_open, ..RetryPolicy::default() };
        crew.start(format!("{name}:source"), move || {
            let audience = Reading { shared: &shared, shift: &shift };
            run::run(opener.as_mut(), keeping, &audience, &shared.status, &shift);
            if shift.is_abandoned() {
                strays.iter().for_each(StuckThreads::remove);
            }
        })
    }

    /// Puts another thread in the place of one that is stuck in a driver, unless too many of this source are stuck already.
    /// Returns how many are stuck now, in the whole process, where there is one more.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn relieve(&mut self, now: Instant, crew: &Threads) -> io::Result<Option<usize>> {
        if self.shift.is_abandoned() && self.own_strays.count() < MOST_OF_ONE {
            self.shift = Watchdog::default();
            self.start(crew)?;
        }
        let Some(doing) = self.shift.stuck(now).filter(|_| !self.shift.is_abandoned()) else {
            return Ok(None);
        };
        let stuck = self.strays.add();
        let own_stuck = self.own_strays.add();
        self.shift.abandon();
        let Shared { status, .. } = &*self.shared;
        tracing::error!(
            stream = %status.name(),
            source = status.source(),
            stuck,
            "a thread is stuck {doing} this source and was left to itself"
        );
        status.failing(&format!("{UNANSWERED} (stuck {doing} it)"));
        self.no_thread_since = (own_stuck >= MOST_OF_ONE).then_some(now);
        Ok(Some(stuck))
    }

    /// Reports a source in which [`MOST_OF_ONE`] threads are stuck for [`LOST_AFTER`]: no attempt is made any more, and its
    /// owner has to do something. Returns whether it is so.
    pub fn check_lost(&mut self, now: Instant) -> bool {
        self.no_thread_since = self.no_thread_since.filter(|_| self.shift.is_abandoned());
        let over = |since| now.saturating_duration_since(since) >= self.lost_after;
        let lost = self.no_thread_since.is_some_and(over);
        if lost && !std::mem::replace(&mut self.lost, lost) {
            let minutes = self.lost_after.as_secs() / 60;
            self.shared.status.failing(&format!(
                "{UNANSWERED}: {MOST_OF_ONE} threads have been stuck in its driver for {minutes} minutes. \
                 Unplug the device and plug it in again, or restart this capture"
            ));
        }
        self.lost = lost;
        lost
    }

    /// Whether viewers have, or could have, pictures of it.
    pub fn serves(&self) -> bool {
        self.shared.status.serves()
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.settings.name
    }

    /// Lets the source's thread end.
    pub fn close(&self) {
        self.shift.end();
        self.shared.viewers.close();
    }

    /// The whole process was held up for so long.
    pub fn excuse(&mut self, held_up: Duration) {
        self.shift.excuse(held_up);
        self.no_thread_since = self.no_thread_since.map(|since| since + held_up);
        self.shared.status.excuse(held_up);
    }

    /// Says so where the source is stuck.
    pub fn check_stall(&self, now: Instant) {
        self.shared.status.check_stall(now);
    }

    /// What the catalog says of it.
    pub fn entry(&mut self, now: Instant) -> StreamEntry {
        let Shared { status, viewers, studio } = &*self.shared;
        let report = status.report(viewers.any());
        let metered = studio.tracks().zip(&mut self.meters);
        let at = clock::at(now);
        // Of a track that cannot be made, relays look for another one.
        let mut given_up = None;
        let entry = |((one, track), meter): ((&Rendition, &Arc<Track>), _)| {
            let entry = track.entry(one.size(report.size), meter, now);
            let why = track.given_up(at);
            let is_well = why.is_none();
            if let Some(why) = why.filter(|_| given_up.is_none()) {
                given_up = Some(format!("no {}: {why}", entry.name));
            }
            is_well.then_some(entry)
        };
        let tracks = metered.filter_map(entry).filter(can_be).collect();
        let mut reason = report.reason;
        // It begins where many are dropped, and is over when none is any more.
        let least = if self.too_slow { 0 } else { TOLERATED_PERCENT };
        let is_live = report.state == StreamState::Live && reason.is_empty();
        let shares = self.meters.iter().map(Meter::dropped_share);
        let worst = shares.filter(|share| share.whole() >= FEW).max_by_key(Share::percent);
        let slow = worst.filter(|share| is_live && share.percent() > least);
        if let Some(given_up) = given_up.filter(|_| is_live) {
            reason = given_up;
        } else if slow.is_some() {
            // Without numbers: everybody is told of every change.
            TOO_SLOW.clone_into(&mut reason);
        }
        if std::mem::replace(&mut self.too_slow, slow.is_some()) != slow.is_some() {
            let stream = status.name();
            match &slow {
                Some(share) => {
                    tracing::warn!(%stream, "{TOO_SLOW}: {} % are dropped", share.percent());
                }
                None => tracing::info!(%stream, "fast enough for every picture again"),
            }
        }
        StreamEntry {
            name: self.settings.name.clone(),
            state: report.state,
            reason,
            since: report.since,
            source: status.source().into(),
            tracks,
        }
    }
}

/// The thread that reads the source, as long as its shift lasts.
struct Reading<'a> {
    shared: &'a Shared,
    shift: &'a Watchdog,
}

impl FrameSink for Reading<'_> {
    fn is_watching(&self) -> bool {
        self.shared.viewers.any()
    }

    fn wait(&self, at_most: Duration) {
        self.shared.viewers.wait(at_most);
    }

    fn buffers(&self) -> &Buffers {
        self.shared.studio.buffers()
    }

    fn take(&self, frame: RawFrame) -> Result<(), Refused> {
        // Somebody else has taken over the source, and may have newer pictures already.
        if self.shift.is_over() {
            return Err(SourceError::Stopped.into());
        }
        self.shared.studio.take(frame, &self.shared.status)
    }

    fn rests(&self, closed: bool) {
        self.shared.studio.rest(closed);
    }

    fn damaged(&self) {
        self.shared.studio.watched().for_each(|(_, track)| track.tally().note_damage());
    }

    fn dropped(&self, count: u64) {
        let every = self.shared.studio.watched().filter(|(one, _)| !one.is_capped());
        every.for_each(|(_, track)| track.tally().drop_frames(count));
    }
}

/// A track of a size that its codec does not have never comes; one of unknown size may.
fn can_be(track: &TrackEntry) -> bool {
    let possible = |side| side == 0 || SIDES.contains(&side);
    track.name.codec == Codec::Jpeg || possible(track.width) && possible(track.height)
}

/// A panic elsewhere ends the process anyway; until then what is guarded here is well.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
